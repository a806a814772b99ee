//! Patterns of env files in `landfast.toml`: paths in which `{env}` stands for the environment.

/// Placeholder for the environment in a path.
pub const PLACEHOLDER: &str = "{env}";

/// Pattern relative to the stack's folder, such as `environments/.env.{env}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFilePattern(String);

impl EnvFilePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns the reason why the text does not name a file in the stack's folder.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_folder = matches!(text.rsplit('/').next(), None | Some("" | "." | ".."));
        if text.starts_with('/') {
            Err(format!("{text:?} is an absolute path: write the path relative to the stack's folder"))
        } else if is_folder || text.contains(char::is_control) {
            Err(format!("{text:?} is not the name of a file"))
        } else if text.replace(PLACEHOLDER, "").contains(['{', '}']) {
            Err(format!("{text:?}: only {PLACEHOLDER} can be used in braces"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every environment has its own file by this pattern.
    pub fn names_environment(&self) -> bool {
        self.0.contains(PLACEHOLDER)
    }

    /// Returns the file of an environment.
    pub fn file(&self, env: &str) -> String {
        env_file(&self.0, env)
    }
}

/// Returns the path of a pattern for an environment.
pub fn env_file(pattern: &str, env: &str) -> String {
    pattern.replace(PLACEHOLDER, env)
}

/// Returns the text that replaces `{env}` if the path matches the pattern. It is not always a valid environment, because
/// `.env.{env}` also matches `.env.dev.local`.
pub fn environment_of<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(pattern.split_once(PLACEHOLDER)?.0)?;
    let ends = rest.char_indices().map(|(at, c)| (at + c.len_utf8(), c)).take_while(|(_, c)| *c != '/');
    ends.map(|(end, _)| &rest[..end]).find(|owner| env_file(pattern, owner) == path)
}
