//! The files that services are extended from, each read once for each set of variables.
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::scope::Variables;
use super::text::node::Map;

/// The services of a file that others extend, with its variables replaced, its paths absolute and, of those that were
/// asked for, what they extend beneath them.
pub(crate) struct Template {
    pub(crate) file: PathBuf,
    pub(crate) environment: Variables,
    pub(crate) services: Map,
}

/// The templates read so far: many services extend one of few.
#[derive(Default)]
pub(crate) struct Templates(Vec<Template>);

impl Templates {
    /// What a file holds with this environment. It is out while one of its services is extended.
    pub(crate) fn take(&mut self, file: &Path, environment: &Variables) -> Option<Template> {
        let same = |known: &Template| known.file == file && Rc::ptr_eq(&known.environment, environment);
        self.0.iter().position(same).map(|place| self.0.swap_remove(place))
    }

    /// Keeps a template for the next service that extends one of its services.
    pub(crate) fn put(&mut self, template: Template) {
        self.0.push(template);
    }
}
