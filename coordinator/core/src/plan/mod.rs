//! Plan of a deployment: steps in the order in which they are carried out, each with its reasons.
//!
//! A plan is printed before anything is changed. [`diff()`] makes it from what the hosts hold and what they should hold.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::desired::{HostState, StartManifests};
use crate::report::Report;

mod away;
pub mod conflict;
mod diff;
mod instances_by_side;
mod order;
mod print;
mod published;
mod reasons;
pub mod sources;
mod step;

pub use away::{Hindrance, is_as_remembered, steps_on, without_away};
pub use conflict::{Conflict, EngineNetwork, EngineVolume, Found, UsedPort, conflicts};
pub use diff::diff;
pub use published::Published;
pub use step::{Action, Change, Step, Update, Wait};

/// Steps that bring the hosts to their desired state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Steps in their order. Steps that do not wait for each other may run at the same time.
    pub steps: Vec<Step>,
    /// Consequences that the user should know before confirming the plan.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Input of [`diff()`].
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// Host states that the hosts hold now.
    pub current: &'a BTreeMap<String, HostState>,
    /// Desired host states, from [`crate::desired::desired`].
    pub target: &'a BTreeMap<String, HostState>,
    /// Newest known release of each stack, for the reasons of steps.
    pub before: &'a BTreeMap<String, Deployment>,
    /// Deployments of this run, by stack.
    pub after: &'a BTreeMap<String, Deployment>,
    /// Reports of the hosts, as far as they are known. Instances that are held and do not run are started.
    pub reports: &'a BTreeMap<String, Report>,
    /// Manifests that containers were started with.
    pub started: &'a StartManifests,
    /// Time at which the reports were read, as Unix time in nanoseconds.
    pub now: i64,
    /// Ids of the images that each host's engine has, keyed by fingerprint, for the reasons of steps.
    pub image_ids: &'a BTreeMap<String, BTreeMap<String, String>>,
    /// Whether the user requested that all containers are recreated ([`Deployment::force_recreate`]).
    pub force_recreate: bool,
}
