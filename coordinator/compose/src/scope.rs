//! The scope of a project: its folder, its variables and the files that include it.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::paths::Base;

/// The variables that a project is loaded with, shared by many scopes.
pub(crate) type Variables = Rc<BTreeMap<String, String>>;

/// The scope of the main project or of an included one.
#[derive(Clone)]
pub(crate) struct Scope {
    /// Folder that relative paths are resolved against.
    pub(crate) folder: PathBuf,
    pub(crate) environment: Variables,
    /// The chain of files that include this project.
    pub(crate) included: Vec<PathBuf>,
}

impl Scope {
    pub(crate) fn base(&self) -> Base<'_> {
        Base { folder: &self.folder, home: self.environment.get("HOME").map(String::as_str) }
    }
}
