//! From deployments to what every host must be: the stacks that are being deployed as they were just compiled, all the
//! others as the hosts hold them.
use std::collections::{BTreeMap, BTreeSet};

use crate::deployment::Deployment;
use crate::fleet::Fleet;

pub mod host_state;

pub use host_state::{Dependency, HostState, Instance, Name, Neighbour, Network, Overlay, Tree, Volume};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The stacks that are being deployed.
    pub deployments: &'a [Deployment],
    /// The stacks that go (`landfast down`).
    pub removed: &'a BTreeSet<String>,
    /// With the data of those that go (`landfast down -v`).
    pub remove_volumes: bool,
}

/// What every host of the fleet must be. Epochs and generations are those held: a rollout counts them up.
///
/// `held` is what the hosts hold now; a host without an entry holds nothing.
pub fn desired(fleet: &Fleet, wish: Wish<'_>, held: &BTreeMap<String, HostState>) -> BTreeMap<String, HostState> {
    let _ = (fleet, wish);
    held.clone()
}
