//! A cache of the files that services are extended from.
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::scope::Variables;
use super::text::node::Map;

/// The services of a file that others extend, with interpolated variables and absolute paths. A service that was requested
/// is already merged with the services that it extends.
pub(crate) struct Template {
    pub(crate) file: PathBuf,
    pub(crate) environment: Variables,
    pub(crate) services: Map,
}

/// The templates read so far. Many services usually extend a few.
#[derive(Default)]
pub(crate) struct Templates(Vec<Template>);

impl Templates {
    /// Takes the template of a file with these variables. The caller puts it back after extending a service.
    pub(crate) fn take(&mut self, file: &Path, environment: &Variables) -> Option<Template> {
        let same = |known: &Template| known.file == file && Rc::ptr_eq(&known.environment, environment);
        self.0.iter().position(same).map(|place| self.0.swap_remove(place))
    }

    /// Stores a template for other services.
    pub(crate) fn put(&mut self, template: Template) {
        self.0.push(template);
    }
}
