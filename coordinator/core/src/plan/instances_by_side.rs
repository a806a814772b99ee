//! Instances of both sides of a comparison: those that the hosts hold and those that they should hold.
use std::collections::BTreeMap;

use super::Comparison;
use crate::deployment::InstanceName;
use crate::host_state::Instance;

/// Instances by name, before and after. Several hosts hold the same instance if a move was interrupted.
pub(super) struct InstancesBySide<'a> {
    pub(super) comparison: Comparison<'a>,
    pub(super) old: BTreeMap<InstanceName, BTreeMap<&'a str, &'a Instance>>,
    pub(super) new: BTreeMap<InstanceName, (&'a str, &'a Instance)>,
}

impl<'a> InstancesBySide<'a> {
    pub(super) fn new(comparison: Comparison<'a>) -> Self {
        let mut old: BTreeMap<InstanceName, BTreeMap<&str, &Instance>> = BTreeMap::new();
        // A host that has left the fleet is not changed any more.
        let known = comparison.current.iter().filter(|(host, _)| comparison.target.contains_key(*host));
        for (host, instance) in known.flat_map(|(host, state)| state.main().map(move |it| (host, it))) {
            old.entry(instance.name.clone()).or_default().insert(host, instance);
        }
        let target = comparison.target.iter();
        let new = target.flat_map(|(host, state)| state.running().map(move |it| (host, it)));
        let new = new.map(|(host, instance)| (instance.name.clone(), (host.as_str(), instance))).collect();
        Self { comparison, old, new }
    }
}

/// Names of the instances of a service, which are neighbours in the order of a map.
pub(super) fn of_service<'m, V>(
    instances: &'m BTreeMap<InstanceName, V>,
    stack: &str,
    service: &str,
) -> impl Iterator<Item = &'m InstanceName> + use<'m, V> {
    let name = |index| InstanceName::new(stack, service, index);
    instances.range(name(0)..=name(u32::MAX)).map(|(name, _)| name)
}
