//! The policy lint: what a project's own rules say against it, beyond what the loader and the engine accept.
//!
//! A rule is a code, a level, a page that explains it and a function of one service (`ServiceInput`) to remarks. [`check`]
//! makes findings of them by the levels and exceptions of a [`Policy`]. Codes are never used again for something else.
//! Nothing that is said here holds the value of a secret; [`secrets::mask`] is for whoever shows lines of the files.
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

/// A project, and what is known about the place it is deployed to.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The stack's name in `landfast.toml`, else the project's.
    pub stack: &'a str,
    /// As it would be deployed.
    pub project: &'a Project,
    /// The same with its variables as they are written: [`landfast_compose::uninterpolated`].
    pub written: &'a Value,
    /// The stack's folder; absolute. What is beneath it travels with the stack.
    pub root: &'a Path,
    /// Where `landfast.toml` binds ports without an address, by service or `*`.
    pub publish: &'a BTreeMap<String, Publish>,
    /// How many hosts the fleet has; 1 for a compose file alone.
    pub hosts: usize,
}

/// One service of a subject.
#[derive(Clone, Copy)]
struct ServiceInput<'a> {
    subject: Subject<'a>,
    policy: &'a Policy,
    name: &'a str,
    service: &'a Service,
}

impl ServiceInput<'_> {
    /// Something about a key of the service; about the service as a whole when `key` is empty.
    fn remark(self, key: &str, message: impl Into<String>, help: impl Into<String>) -> Remark {
        let dot = if key.is_empty() { "" } else { "." };
        let path = format!("services.{}{dot}{key}", self.name);
        Remark { path, message: message.into(), help: help.into() }
    }
}

/// What a rule says about a service.
struct Remark {
    path: String,
    message: String,
    help: String,
}

/// Something that a rule has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Of the rule.
    pub code: &'static str,
    /// By `landfast.toml`, else the rule's own.
    pub level: Level,
    /// Where it stands, when it stands anywhere.
    pub location: Option<Location>,
    /// The stack.
    pub stack: String,
    /// The service, where it is about one.
    pub service: Option<String>,
    /// The dotted path of the key.
    pub path: String,
    /// What is found; a lower-case sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub help: String,
    /// Why it does not count.
    pub exception: Option<Exception>,
}

impl Finding {
    /// Whether it counts: nobody has excused it.
    pub fn counts(&self) -> bool {
        self.exception.is_none()
    }
}
