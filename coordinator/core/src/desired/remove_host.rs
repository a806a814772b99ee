//! The fleet without one of its hosts.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{HostState, connect};
use crate::deployment::InstanceName;
use crate::ledger::Lost;

/// Returns the states of all hosts after one was removed. The removed host holds nothing any more but volumes, if `held` has a
/// state of it, and its addresses are vacated. `address` is its LAN address. `unmanaged` are the instances that run although their
/// hosts hold no state of them.
pub fn remove_host(
    host: &str,
    address: Ipv4Addr,
    held: &BTreeMap<String, HostState>,
    unmanaged: &BTreeSet<InstanceName>,
) -> BTreeMap<String, HostState> {
    let mut states = held.clone();
    if let Some(state) = states.get_mut(host) {
        state.networks.clear();
        state.trees.clear();
        state.instances.clear();
    }
    let lost = Lost::new(unmanaged, held);
    connect(held, &mut states, |endpoint| endpoint.host != address && lost.holder(endpoint).is_some());
    states
}
