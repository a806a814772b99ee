//! The keys of a Compose file: the one table of what is known, honoured, ignored and refused.
pub mod cases;
mod deploy;
mod parts;
mod resources;
mod service;

use crate::forms::long;
use crate::schema::Keys::{Any as AnyKey, Names};
use crate::schema::Presence::Always;
use crate::schema::Shape::{List, Map, Nullable, Object as Mapping, Options, Pairs, Short, Text, Texts};
use crate::schema::{Field, Object, Shape, Unique, key};
use resources::{CONFIG, MODEL, NETWORK, SECRET, VOLUME};
pub(crate) use service::SERVICE;

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
const SWARM: &str = "it has a meaning in Swarm only";
const FOR_READERS: &str = "says something to readers alone, as with Compose";

/// The file.
pub(crate) static PROJECT: Object = object(&[
    key("version", Text).note(FOR_READERS),
    key("include", List(&Short(&[Text, Mapping(&INCLUDE)]), Unique::No)),
    key("name", Text).note("`project` of the stack in `landfast.toml` overrides it"),
    key("services", Map(Names, &Mapping(&SERVICE))).presence(Always),
    key("networks", Map(Names, &Nullable(&Mapping(&NETWORK)))).long(long::external),
    key("volumes", Map(Names, &Nullable(&Mapping(&VOLUME)))).long(long::external),
    key("secrets", Map(Names, &Mapping(&SECRET))).long(long::external),
    key("configs", Map(Names, &Mapping(&CONFIG))).long(long::external),
    key("models", Map(AnyKey, &Mapping(&MODEL))).refused(NO_MODELS),
]);

static INCLUDE: Object =
    plain(&[], &[key("path", TEXT_OR_NAMES), key("env_file", TEXT_OR_NAMES), key("project_directory", Text)]);

#[cfg(test)]
mod tests {
    use super::parts::{BUILD, MOUNT, PORT};
    use super::*;
    use crate::schema::Standing;

    #[test]
    fn each_table_names_a_key_once() {
        for object in [&SERVICE, &deploy::DEPLOY, &BUILD, &NETWORK, &VOLUME, &SECRET, &CONFIG, &MOUNT, &PORT] {
            let mut names: Vec<_> = object.fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        }
    }

    #[test]
    fn what_is_not_honoured_says_why() {
        for field in SERVICE.fields {
            if let Standing::Ignored(why) | Standing::Refused(why) = field.standing {
                assert!(!why.is_empty() && !why.ends_with('.'), "{}", field.name);
            }
        }
    }
}
