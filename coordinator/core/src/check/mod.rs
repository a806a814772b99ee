//! Policy lint: reports risky settings of a project that the loader and the engine accept.
//!
//! Each rule has a code, a level, a page that explains it, and a function that takes one service (`ServiceInput`) and returns
//! remarks. [`check`] turns remarks into findings, by the levels and exceptions of a [`Policy`]. No message contains the value
//! of a secret; code that prints lines of the files uses [`secrets::mask`].
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::fleet::Publish;
use landfast_compose::Location;
use landfast_compose::Project;
use landfast_compose::model::Service;

mod exposure;
mod findings;
mod health;
mod image;
mod judges;
mod known;
mod local_containers;
mod mounts;
mod privilege;
mod resources;
pub mod sarif;
pub mod secrets;

pub use crate::policy::{Exception, Exceptions, Level, Policy, RULES, Rule, codes, rule};
pub use findings::check;

/// Project to check, and the fleet that it is deployed to.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the stack in `landfast.toml`, or of the project if no stack is given.
    pub stack: &'a str,
    /// Project as it would be deployed.
    pub project: &'a Project,
    /// Project before interpolation, as returned by [`landfast_compose::uninterpolated`].
    pub written: &'a Value,
    /// Absolute path of the stack's folder, which is sent to the hosts.
    pub root: &'a Path,
    /// Where `landfast.toml` binds ports without an address, by service, or `*` for all services.
    pub publish: &'a BTreeMap<String, Publish>,
    /// Number of hosts in the fleet; 1 for a compose file without a fleet.
    pub hosts: usize,
}

/// One service and what its rules need to know.
#[derive(Clone, Copy)]
struct ServiceInput<'a> {
    subject: Subject<'a>,
    policy: &'a Policy,
    name: &'a str,
    service: &'a Service,
}

impl ServiceInput<'_> {
    /// Creates a remark about a key of the service, or about the whole service if `key` is empty.
    fn remark(self, key: &str, message: impl Into<String>, help: impl Into<String>) -> Remark {
        let dot = if key.is_empty() { "" } else { "." };
        let path = format!("services.{}{dot}{key}", self.name);
        Remark { path, message: message.into(), help: help.into() }
    }
}

/// A remark of a rule about a service.
struct Remark {
    path: String,
    message: String,
    help: String,
}

/// A problem that a rule reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Code of the rule.
    pub code: &'static str,
    /// Level from `landfast.toml`, or else the rule's default level.
    pub level: Level,
    /// Where the key is written, if it is written anywhere.
    pub location: Option<Location>,
    /// Name of the stack.
    pub stack: String,
    /// Name of the service, if the finding is about one.
    pub service: Option<String>,
    /// Dotted path of the key.
    pub path: String,
    /// Description of the problem: a lower-case sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Exception that excuses the finding.
    pub exception: Option<Exception>,
}

impl Finding {
    /// Whether the finding counts, because no exception excuses it.
    pub fn counts(&self) -> bool {
        self.exception.is_none()
    }
}
