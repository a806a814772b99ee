//! Severity of a finding.
use serde::Serialize;

/// Severity of a finding, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The rule is switched off.
    Off,
    /// The service could be improved.
    Note,
    /// The service is likely to cause a problem later.
    Warning,
    /// The service has a problem now: `landfast check` fails.
    Error,
}

impl Level {
    /// Every level with its name in `landfast.toml`.
    pub const ALL: [(&'static str, Level); 4] =
        [("error", Level::Error), ("warning", Level::Warning), ("note", Level::Note), ("off", Level::Off)];

    /// Returns the level with this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, level)| *level)
    }

    /// Returns the name of the level.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}
