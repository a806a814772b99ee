//! Env files of environments: files of the selected environment are sent to the hosts, files of other environments never are.
use std::path::Path;

use crate::environments::environment_of;

/// Env files by environment. Paths are relative to a folder and use `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFiles {
    env: Option<String>,
    patterns: Vec<String>,
    chosen: Vec<String>,
}

impl From<Option<&str>> for EnvFiles {
    /// Allows only the files of the selected environment, by the name `.env.NAME`.
    fn from(env: Option<&str>) -> Self {
        Self { env: env.map(str::to_owned), ..Self::default() }
    }
}

impl EnvFiles {
    /// Creates the rules for an environment. `patterns` are paths with `{env}`, and `chosen` are the files that are read. All paths are
    /// absolute, without `.` and `..`; see [`Self::beneath`].
    pub fn new(env: Option<&str>, patterns: Vec<String>, chosen: Vec<String>) -> Self {
        Self { env: env.map(str::to_owned), patterns, chosen }
    }

    /// Returns the same rules for the paths below a folder.
    #[must_use]
    pub fn beneath(&self, folder: &Path) -> Self {
        let relative = |path: &String| Some(Path::new(path).strip_prefix(folder).ok()?.to_str()?.to_owned());
        let all = |paths: &[String]| paths.iter().filter_map(relative).collect();
        Self { env: self.env.clone(), patterns: all(&self.patterns), chosen: all(&self.chosen) }
    }

    /// Combines two sets of rules, for one folder that has two paths.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.patterns.extend(other.patterns);
        self.chosen.extend(other.chosen);
        self
    }

    /// Whether a path, or a folder above it, belongs to another environment. A file that is read never does.
    pub(super) fn withhold(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        !self.chosen.iter().any(|chosen| chosen == path) && folders.chain([path]).any(|path| self.is_foreign(path))
    }

    /// Whether a file that is read is below this folder.
    pub(super) fn reads_beneath(&self, folder: &str) -> bool {
        let is_beneath = |path: &String| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.chosen.iter().any(is_beneath)
    }

    fn is_foreign(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().and_then(|name| name.strip_prefix(".env."));
        let owners = self.patterns.iter().filter_map(|pattern| environment_of(pattern, path));
        name.into_iter().chain(owners).any(|owner| self.is_another(owner))
    }

    /// Whether a name belongs to another environment: `prod` does if the environment is `dev`, but `dev.local` and `example` do not.
    fn is_another(&self, owner: &str) -> bool {
        let ours = |env: &String| owner == env || owner.strip_prefix(env.as_str()).is_some_and(|r| r.starts_with('.'));
        owner != "example" && !self.env.as_ref().is_some_and(ours)
    }
}
