//! `~/.ssh/config` and `/etc/ssh/ssh_config`, as far as they say how to log in.
//!
//! - [`text`]: a line into its keyword and words;
//! - [`parse`]: a file into directives, those of the files that it includes among them;
//! - [`settings`]: what the directives say about one host, the first value first; `keywords` are those that say nothing;
//! - [`values`]: numbers, times, yes and no;
//! - [`tokens`]: `%h`, `~` and `${NAME}` in a value;
//! - [`files`]: reads the files.
//!
//! All but the last are functions of text.

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

pub use parse::Directive;
pub use settings::{Asked, Settings};
pub use values::{Family, Placed, Proxy};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: Arc<PathBuf>,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A line that cannot be followed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    pub place: Place,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("a quotation mark is not closed")]
    Quote,
    #[error("`{0}` has no value")]
    NoValue(String),
    #[error("`{keyword}` takes one value, and `{surplus}` follows it")]
    Surplus { keyword: String, surplus: String },
    #[error("`{value}` is no value for `{keyword}`: {expected}")]
    Value { keyword: String, value: String, expected: &'static str },
    #[error("files include one another more than {0} deep")]
    Depth(usize),
    #[error("`{file}` cannot be included: {why}")]
    Include { file: String, why: String },
    #[error("`Match {0}` is not supported")]
    Match(String),
    #[error("`{0}` is not supported")]
    Keyword(&'static str),
    #[error("`{token}` is not supported in `{value}`")]
    Token { token: String, value: String },
    #[error("`{value}` uses the variable {name}, which is not set")]
    Variable { name: String, value: String },
    #[error("ProxyJump forms a loop through {0}")]
    Circle(String),
    #[error("`{0}` is not a jump host: write [user@]host[:port]")]
    Jump(String),
}

impl ConfigError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match &self.problem {
            Problem::Keyword("ProxyCommand") => {
                Some("write `ProxyJump HOST` in its place; `ProxyCommand ssh -W %h:%p HOST` means the same".to_owned())
            }
            Problem::Keyword("RevokedHostKeys") => {
                Some("write each revoked key into known_hosts, after `@revoked *`".to_owned())
            }
            Problem::Match(_) => Some(
                "`all`, `host`, `originalhost`, `user`, `localuser` and `final` are; or use a Host block".to_owned(),
            ),
            _ => None,
        }
    }
}

/// All directives, in the order in which they count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub directives: Vec<Directive>,
}
