//! The table of keys: which are known, and which are supported, ignored or refused.
pub mod cases;
mod deploy;
mod parts;
mod project;
mod resources;
mod service;

use crate::schema::Shape::{Options, Pairs, Short, Text, Texts};
use crate::schema::{Field, Object, Shape};

pub(crate) use project::{PROJECT, PROJECT_SHAPE};
pub(crate) use service::SERVICE_SHAPE;

const fn object(fields: &'static [Field]) -> Object {
    Object { fields, required: &[], extensions: true }
}

const fn requiring(required: &'static [&'static str], fields: &'static [Field]) -> Object {
    Object { fields, required, extensions: true }
}

const fn plain(required: &'static [&'static str], fields: &'static [Field]) -> Object {
    Object { fields, required, extensions: false }
}

const NAMES: Shape = Texts { unique: true };
const TEXTS: Shape = Texts { unique: false };
const TEXT_OR_NAMES: Shape = Short(&[Text, NAMES]);
const TEXT_OR_TEXTS: Shape = Short(&[Text, TEXTS]);
const LABELS: Shape = Pairs { keeps_null: false };
const DRIVER_OPTIONS: Shape = Options { number: true, null: false };

const NO_MODELS: &str = "Landfast does not run models";
const SWARM: &str = "it only applies to Swarm";
const DOCUMENTATION_ONLY: &str = "documentation only, as with Compose";

#[cfg(test)]
mod tests {
    use super::parts::{BUILD, MOUNT, PORT};
    use super::resources::{CONFIG, NETWORK, SECRET, VOLUME};
    use super::service::SERVICE;
    use super::*;
    use crate::schema::Support;

    #[test]
    fn each_table_names_a_key_once() {
        for object in [&SERVICE, &deploy::DEPLOY, &BUILD, &NETWORK, &VOLUME, &SECRET, &CONFIG, &MOUNT, &PORT] {
            let mut names: Vec<_> = object.fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        }
    }

    #[test]
    fn every_unsupported_key_has_a_reason() {
        for field in SERVICE.fields {
            if let Support::Ignored(why) | Support::Refused(why) = field.support {
                assert!(!why.is_empty() && !why.ends_with('.'), "{}", field.name);
            }
        }
    }
}
