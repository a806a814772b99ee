//! Policy of `landfast check`: its rules, their levels, and exceptions from them.
use std::collections::BTreeMap;
use std::path::PathBuf;

use landfast_compose::Location;

mod level;
mod rules;

pub use level::Level;
pub use rules::{RULES, Rule, codes, rule};

/// What `landfast.toml` says about the rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// By code; a rule that is not named has its own.
    pub levels: BTreeMap<&'static str, Level>,
    /// Where writable bind mounts may lie, absolute or beneath the stack's folder; none: anywhere beneath that folder.
    pub data_folders: Vec<PathBuf>,
}

impl Policy {
    pub(crate) fn level(&self, code: &str) -> Level {
        let own = || rule(code).map_or(Level::Off, |rule| rule.level);
        self.levels.get(code).copied().unwrap_or_else(own)
    }
}

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// In the words of whoever made the exception.
    pub reason: String,
    /// Where it was made.
    pub location: Option<Location>,
    /// Beside the service in the compose file, not in `landfast.toml`.
    pub inline: bool,
}

/// By service, or `*` for all of them; then by code.
pub type Exceptions = BTreeMap<String, BTreeMap<&'static str, Exception>>;
