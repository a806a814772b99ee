//! The parts of `~/.ssh/config` and `/etc/ssh/ssh_config` that determine how to log in.
//!
//! - [`text`]: splits a line into its keyword and words;
//! - [`parse`]: parses a file, and the files that it includes, into directives;
//! - [`settings`]: the settings for one host, where the first value of a keyword wins; `keywords` lists the keywords
//!   without effect;
//! - [`values`]: parses numbers, durations and booleans;
//! - [`tokens`]: expands `%h`, `~` and `${NAME}` in a value;
//! - [`files`]: reads the files.
//!
//! Every module except [`files`] is pure: it works on text that was read before.

pub mod files;
mod keywords;
pub mod parse;
pub mod settings;
pub mod text;
pub mod tokens;
pub mod values;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use landfast_engine::Hint;

pub use parse::Directive;
pub use settings::{HostQuery, Settings};
pub use values::{Family, Located, Proxy};

/// Position of a directive in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    pub file: Arc<PathBuf>,
    /// Line number, starting at 1.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A line of the configuration that cannot be applied, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {problem}")]
pub struct ConfigError {
    pub location: Location,
    pub problem: Problem,
}

/// The reason why a line cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("a quotation mark is not closed")]
    Quote,
    #[error("`{0}` has no value")]
    NoValue(String),
    #[error("`{keyword}` takes one value, but `{extra}` follows it")]
    ExtraValue { keyword: String, extra: String },
    #[error("`{value}` is not a valid value for `{keyword}`: {expected}")]
    Value { keyword: String, value: String, expected: &'static str },
    #[error("`Include` directives are nested more than {0} levels deep")]
    Depth(usize),
    #[error("`{file}` cannot be included: {why}")]
    Include { file: String, why: String },
    #[error("`Match {0}` is not supported")]
    Match(String),
    #[error("`{0}` is not supported")]
    Keyword(&'static str),
    #[error("`{token}` is not supported in `{value}`")]
    Token { token: String, value: String },
    #[error("`{value}` uses the environment variable {name}, which is not set")]
    Variable { name: String, value: String },
    #[error("ProxyJump forms a loop through {0}")]
    JumpLoop(String),
    #[error("`{0}` is not a valid jump host: write [user@]host[:port]")]
    Jump(String),
}

impl Hint for ConfigError {
    fn hint(&self) -> Option<String> {
        match &self.problem {
            Problem::Keyword("ProxyCommand") => {
                Some("use `ProxyJump HOST` instead; it is equivalent to `ProxyCommand ssh -W %h:%p HOST`".to_owned())
            }
            Problem::Keyword("RevokedHostKeys") => {
                Some("add each revoked key to known_hosts, after `@revoked *`".to_owned())
            }
            Problem::Match(_) => Some(
                "supported criteria: `all`, `host`, `originalhost`, `user`, `localuser` and `final`; or use a Host block".to_owned(),
            ),
            _ => None,
        }
    }
}

/// The directives of all configuration files, in order of precedence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub directives: Vec<Directive>,
}
