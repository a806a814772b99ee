//! From compose files to a project: parse with spans > interpolate > merge > profiles > normalise > typed project.
//!
//! The loader never touches a file: what it needs beyond the files it is given (`include`, `extends`, `env_file`) it asks
//! its [`Reader`] for. [`load`] gives a [`Loaded`] project, which prints as the reference prints it ([`canonical`]) and
//! becomes the typed [`Project`] that is compiled ([`Loaded::project`]).
#![warn(missing_docs)]

mod budget;
mod canonical;
mod causes;
pub mod diagnostic;
pub mod discover;
mod environment;
mod extends;
mod forms;
mod include;
mod input;
mod lengthen;
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
mod settle;
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
pub use text::interpolate::{Lookup, Refusal, substitute};
pub use text::variables::{Variable, variables};
