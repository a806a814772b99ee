//! Policy of `landfast check`: its rules, their levels, and exceptions from them.
use std::collections::BTreeMap;
use std::path::PathBuf;

use landfast_compose::Location;

mod level;
mod rules;

pub use level::Level;
pub use rules::{RULES, Rule, codes, rule};

/// Settings of `landfast.toml` for the rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// Levels by code. A rule that is not listed keeps its default level.
    pub levels: BTreeMap<&'static str, Level>,
    /// Folders that may hold writable bind mounts, absolute or relative to the stack's folder. An empty list allows the whole
    /// stack's folder.
    pub data_folders: Vec<PathBuf>,
}

impl Policy {
    pub(crate) fn level(&self, code: &str) -> Level {
        let own = || rule(code).map_or(Level::Off, |rule| rule.level);
        self.levels.get(code).copied().unwrap_or_else(own)
    }
}

/// An exception from a rule: its finding does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Reason that the user gives.
    pub reason: String,
    /// Where the exception is written.
    pub location: Option<Location>,
    /// Whether it is in the compose file, with the service, rather than in `landfast.toml`.
    pub inline: bool,
}

/// Exceptions by service, or `*` for all services, and then by code.
pub type Exceptions = BTreeMap<String, BTreeMap<&'static str, Exception>>;
