//! Env files as `landfast.toml` names them: paths in which `{env}` stands for the environment.

/// The part of a path that stands for the environment.
pub const PLACEHOLDER: &str = "{env}";

/// A path relative to the stack's folder, such as `environments/.env.{env}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFilePattern(String);

impl EnvFilePattern {
    /// Reads one.
    ///
    /// # Errors
    /// Why the text names no file of the stack's folder.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_folder = matches!(text.rsplit('/').next(), None | Some("" | "." | ".."));
        if text.starts_with('/') {
            Err(format!("{text:?} is absolute: env files are named relative to the stack's folder"))
        } else if is_folder || text.contains(char::is_control) {
            Err(format!("{text:?} names no file"))
        } else if text.replace(PLACEHOLDER, "").contains(['{', '}']) {
            Err(format!("{text:?}: {PLACEHOLDER} is the only part of a path that is replaced"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every environment has a file of its own by it.
    pub fn names_environment(&self) -> bool {
        self.0.contains(PLACEHOLDER)
    }

    /// The file of an environment.
    pub fn file(&self, env: &str) -> String {
        env_file(&self.0, env)
    }
}

/// The path that a pattern is for an environment.
pub fn env_file(pattern: &str, env: &str) -> String {
    pattern.replace(PLACEHOLDER, env)
}

/// The text that stands for `{env}` when this pattern is that path, if it can be. It is not always the name of an environment:
/// `.env.{env}` takes `.env.dev.local` too.
pub fn environment_of<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(pattern.split_once(PLACEHOLDER)?.0)?;
    let ends = rest.char_indices().map(|(at, c)| (at + c.len_utf8(), c)).take_while(|(_, c)| *c != '/');
    ends.map(|(end, _)| &rest[..end]).find(|owner| env_file(pattern, owner) == path)
}
