//! Whose the env files beneath a folder are: those of the chosen environment travel, those of the others never do.
use std::path::Path;

use crate::environments::environment_of;

/// Whose env files are, by their paths: relative to the folder that is asked about, with `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFiles {
    env: Option<String>,
    patterns: Vec<String>,
    chosen: Vec<String>,
}

impl From<Option<&str>> for EnvFiles {
    /// Those of the chosen environment alone, by the name `.env.NAME`.
    fn from(env: Option<&str>) -> Self {
        Self { env: env.map(str::to_owned), ..Self::default() }
    }
}

impl EnvFiles {
    /// `env` is the chosen environment, `patterns` are paths with `{env}`, and `chosen` are the files that are read: all
    /// of them absolute, without `.` and `..`. See [`Self::beneath`].
    pub fn new(env: Option<&str>, patterns: Vec<String>, chosen: Vec<String>) -> Self {
        Self { env: env.map(str::to_owned), patterns, chosen }
    }

    /// The same for the paths beneath a folder.
    #[must_use]
    pub fn beneath(&self, folder: &Path) -> Self {
        let relative = |path: &String| Some(Path::new(path).strip_prefix(folder).ok()?.to_str()?.to_owned());
        let all = |paths: &[String]| paths.iter().filter_map(relative).collect();
        Self { env: self.env.clone(), patterns: all(&self.patterns), chosen: all(&self.chosen) }
    }

    /// Both, for one folder that has two paths.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.patterns.extend(other.patterns);
        self.chosen.extend(other.chosen);
        self
    }

    /// Whether a path, or a folder above it, is of another environment. A file that is read is not, whatever its name.
    pub(super) fn withhold(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        !self.chosen.iter().any(|chosen| chosen == path) && folders.chain([path]).any(|path| self.is_foreign(path))
    }

    /// Whether a file that is read is beneath this folder.
    pub(super) fn reads_beneath(&self, folder: &str) -> bool {
        let is_beneath = |path: &String| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.chosen.iter().any(is_beneath)
    }

    fn is_foreign(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().and_then(|name| name.strip_prefix(".env."));
        let owners = self.patterns.iter().filter_map(|pattern| environment_of(pattern, path));
        name.into_iter().chain(owners).any(|owner| self.is_another(owner))
    }

    /// `prod`, when the environment is `dev` or none is chosen. `dev.local` is dev's. An example is documentation.
    fn is_another(&self, owner: &str) -> bool {
        let ours = |env: &String| owner == env || owner.strip_prefix(env.as_str()).is_some_and(|r| r.starts_with('.'));
        owner != "example" && !self.env.as_ref().is_some_and(ours)
    }
}
