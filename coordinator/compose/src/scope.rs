//! Where a project is loaded: its folder, its variables, and the files that led to it.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::paths::Base;

/// The variables that a project is loaded with: many scopes share them.
pub(crate) type Variables = Rc<BTreeMap<String, String>>;

/// Where a project, the main one or an included one, is loaded.
#[derive(Clone)]
pub(crate) struct Scope {
    /// Relative paths start here.
    pub(crate) folder: PathBuf,
    pub(crate) environment: Variables,
    /// The files that led here by `include`.
    pub(crate) included: Vec<PathBuf>,
}

impl Scope {
    pub(crate) fn base(&self) -> Base<'_> {
        Base { folder: &self.folder, home: self.environment.get("HOME").map(String::as_str) }
    }
}
