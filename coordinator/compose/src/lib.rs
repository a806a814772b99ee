//! Loads Compose files into a project.
//!
//! The steps are: parse YAML with locations, interpolate variables, merge files, select by profile, normalise, and convert
//! to the typed project. The loader reads no files itself. It asks its [`Reader`] for every file that `include`, `extends`
//! or `env_file` names. [`load()`] returns a [`Loaded`] project. [`canonical()`] prints it as the reference, docker compose,
//! does, and [`Loaded::project`] converts it to the typed [`Project`].
#![warn(missing_docs)]

mod budget;
mod canonical;
mod canonicalise;
mod causes;
pub mod diagnostic;
pub mod discover;
mod environment;
mod expand;
mod extends;
mod forms;
mod include;
mod input;
mod load;
mod loaded;
mod merge;
pub mod model;
mod normalise;
mod paths;
pub mod quantity;
mod recover;
mod rules;
mod schema;
mod scope;
mod select;
mod session;
mod snippet;
pub mod spelling;
mod templates;
mod text;
mod unify;

pub use canonical::{Layout, canonical, canonical_for_yaml, doubled, json_text, service_digests, sort_keys, yaml_text};
pub use causes::unite;
pub use diagnostic::{Diagnostic, Diagnostics, Location};
pub use input::{Input, MAX_FILE_SIZE, Reader};
pub use load::{load, normalise_name, uninterpolated};
pub use loaded::Loaded;
pub use model::Project;
pub use paths::clean;
pub use schema::keys::cases;
pub use schema::{Case, Key, Support, keys};
pub use text::dotenv;
pub use text::interpolate::{InterpolationError, Lookup, substitute};
pub use text::variables::{Variable, variables};
