//! What would change and why, in the order in which it would: what is printed before anything is touched.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::desired::{HostState, StartManifests};
use crate::report::Report;

pub mod conflict;
mod diff;
mod instances_by_side;
mod order;
mod print;
mod published;
mod reasons;
pub mod sources;
mod step;

pub use conflict::{Conflict, EngineNetwork, EngineVolume, Found, UsedPort, conflicts};
pub use diff::diff;
pub use published::Published;
pub use step::{Action, Change, Step, Update, Wait};

/// What would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In order; those that do not wait for each other may go together.
    pub steps: Vec<Step>,
    /// To be known before saying yes.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Nothing would change.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// What the hosts hold.
    pub current: &'a BTreeMap<String, HostState>,
    /// What they must be, from [`crate::desired::desired`].
    pub target: &'a BTreeMap<String, HostState>,
    /// The release that runs, by stack, as far as it is known: for reasons.
    pub before: &'a BTreeMap<String, Deployment>,
    /// What is being deployed, by stack.
    pub after: &'a BTreeMap<String, Deployment>,
    /// What the hosts say they are, as far as it is known: what is held but does not run is started.
    pub reports: &'a BTreeMap<String, Report>,
    /// The bundles that containers were started with.
    pub started: &'a StartManifests,
    /// When the reports were read: Unix time in nanoseconds.
    pub now: i64,
    /// By host, the names of images there: fingerprint > the engine's own id, for reasons.
    pub image_ids: &'a BTreeMap<String, BTreeMap<String, String>>,
    /// The deployments of `after` were renewed on request ([`Deployment::force_recreate`]): say so.
    pub force_recreate: bool,
}
