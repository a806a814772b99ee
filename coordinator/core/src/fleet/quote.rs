//! Formats placement rules as they are written in `landfast.toml`, so that reasons can quote them.
use std::fmt;

use super::{Placement, PlacementRule};

impl fmt::Display for PlacementRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) if hosts.len() == 1 => write!(f, "{:?}", hosts[0]),
            Self::Hosts(hosts) => write!(f, "{hosts:?}"),
            Self::Label { key, value } => write!(f, "{{ label = {:?} }}", format!("{key}={value}")),
        }
    }
}

impl Placement {
    /// Returns the rule as written, such as `[stacks.demo.place] web = "alpha" (landfast.toml:12:1)`. `service` is its key.
    pub fn quote(&self, stack: &str, service: &str) -> String {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let key = if service.chars().all(is_bare) { service.to_owned() } else { format!("{service:?}") };
        format!("[stacks.{stack}.place] {key} = {} ({})", self.rule, self.location)
    }
}
