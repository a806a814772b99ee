//! What hosts hold and what they are to hold, instance by instance: the ground of a plan.
use std::collections::BTreeMap;

use super::Comparison;
use crate::deployment::InstanceName;
use crate::desired::host_state::Instance;

/// Both sides by instance. An instance can be held by several hosts, when a move was cut short.
pub(super) struct InstancesBySide<'a> {
    pub(super) comparison: Comparison<'a>,
    pub(super) old: BTreeMap<InstanceName, BTreeMap<&'a str, &'a Instance>>,
    pub(super) new: BTreeMap<InstanceName, (&'a str, &'a Instance)>,
}

impl<'a> InstancesBySide<'a> {
    pub(super) fn new(comparison: Comparison<'a>) -> Self {
        let mut old: BTreeMap<InstanceName, BTreeMap<&str, &Instance>> = BTreeMap::new();
        // A host that has left the fleet is not told anything any more.
        let known = comparison.current.iter().filter(|(host, _)| comparison.target.contains_key(*host));
        for (host, instance) in known.flat_map(|(host, state)| state.instances.iter().map(move |it| (host, it))) {
            old.entry(instance.name.clone()).or_default().insert(host, instance);
        }
        let target = comparison.target.iter();
        let new = target.flat_map(|(host, state)| state.instances.iter().map(move |it| (host, it)));
        let new = new.map(|(host, instance)| (instance.name.clone(), (host.as_str(), instance))).collect();
        Self { comparison, old, new }
    }
}
