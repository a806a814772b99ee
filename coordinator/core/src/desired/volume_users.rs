//! Instances that have their data in a volume of a host. They stay recorded when they are removed, so that each returns to
//! its own volume in a later deployment.
use std::collections::{BTreeMap, BTreeSet};

use super::{HostState, Instance};
use crate::container::Source;
use crate::deployment::InstanceName;

/// Records the users of every volume: instances that mount it, and removed instances that mounted it last on that host.
pub(super) fn record(held: &BTreeMap<String, HostState>, states: &mut BTreeMap<String, HostState>) {
    let mut users: BTreeMap<(String, String), Vec<InstanceName>> = BTreeMap::new();
    let (now, before) = (Mounted::new(states), Mounted::new(held));
    for (host, state) in &*states {
        for volume in state.volumes.iter().filter(|volume| !volume.remove) {
            let name = volume.name.as_str();
            let all = now.here(host, name).chain(before.here(host, name)).chain(&volume.users);
            let last_here = |instance: &&InstanceName| match now.hosts(name, instance).or(before.hosts(name, instance))
            {
                Some(hosts) => hosts.contains(host.as_str()),
                // It runs on no host, so it was last on this one.
                None => true,
            };
            let found: BTreeSet<&InstanceName> = all.filter(last_here).collect();
            users.insert((host.clone(), name.to_owned()), found.into_iter().cloned().collect());
        }
    }
    for (host, state) in states {
        for volume in &mut state.volumes {
            volume.users = users.remove(&(host.clone(), volume.name.clone())).unwrap_or_default();
        }
    }
}

/// Mounts of volumes in a set of host states.
struct Mounted<'s> {
    /// Instances by host and volume.
    here: BTreeMap<(&'s str, &'s str), BTreeSet<&'s InstanceName>>,
    /// Hosts by volume and instance.
    hosts: BTreeMap<(&'s str, &'s InstanceName), BTreeSet<&'s str>>,
}

impl<'s> Mounted<'s> {
    fn new(states: &'s BTreeMap<String, HostState>) -> Self {
        let mut mounted = Self { here: BTreeMap::new(), hosts: BTreeMap::new() };
        for (host, state) in states {
            for instance in &state.instances {
                for volume in volumes_of(instance) {
                    mounted.here.entry((host, volume)).or_default().insert(&instance.name);
                    mounted.hosts.entry((volume, &instance.name)).or_default().insert(host);
                }
            }
        }
        mounted
    }

    fn here<'m>(&'m self, host: &'m str, volume: &'m str) -> impl Iterator<Item = &'s InstanceName> {
        self.here.get(&(host, volume)).into_iter().flatten().copied()
    }

    fn hosts<'m>(&'m self, volume: &'m str, instance: &'m InstanceName) -> Option<&'m BTreeSet<&'s str>> {
        self.hosts.get(&(volume, instance))
    }
}

fn volumes_of(instance: &Instance) -> impl Iterator<Item = &str> {
    instance.container.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Volume(name) if !name.is_empty() => Some(name.as_str()),
        _ => None,
    })
}
