//! Groups of services that belong on one host because they share data, and the hosts that already have data.
use std::collections::{BTreeMap, BTreeSet};

use super::candidates::is_global;
use super::data::{DataUse, Volumes};
use super::{Placed, PlacementInput};
use crate::deployment::{InstanceName, replaced};
use crate::ties::ties;
use landfast_compose::model::Service;

/// Groups of the services of a stack.
pub(super) struct Groups<'a> {
    input: PlacementInput<'a>,
    uses: BTreeMap<&'a str, Vec<DataUse>>,
    /// Volumes of which each host has its own copy, by service.
    volumes: BTreeMap<&'a str, Vec<String>>,
    /// Group number by service.
    numbers: BTreeMap<&'a str, usize>,
    foreign: Vec<ForeignInstance>,
    /// Hosts and volumes that each instance of the stack used last.
    records: BTreeMap<&'a InstanceName, Vec<(&'a str, &'a str)>>,
}

/// An instance of another stack that uses data.
pub(super) struct ForeignInstance {
    pub(super) name: InstanceName,
    pub(super) host: String,
    pub(super) uses: Vec<DataUse>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(input: PlacementInput<'a>) -> Self {
        let volumes = Volumes::known(input);
        let services = || input.project.services.iter();
        let mut groups = Self {
            input,
            uses: services().map(|(name, it)| (name.as_str(), volumes.uses(input, it))).collect(),
            volumes: services().map(|(name, it)| (name.as_str(), volumes.of_service(input, it))).collect(),
            numbers: services().enumerate().map(|(number, (name, _))| (name.as_str(), number)).collect(),
            foreign: foreign(input, &volumes),
            records: records(input),
        };
        groups.unite();
        groups
    }

    /// Gives services that share data, and services that are tied to them, the same group number.
    fn unite(&mut self) {
        let names: Vec<&'a str> = self.numbers.keys().copied().filter(|name| !self.is_global(name)).collect();
        let mut pairs = Vec::new();
        for (at, one) in names.iter().enumerate() {
            pairs.extend(names[..at].iter().filter(|other| self.shared(one, other).is_some()).map(|it| (*one, *it)));
        }
        let sharing: Vec<&str> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
        for name in names.iter().filter(|name| sharing.contains(*name)) {
            let tied = ties(&self.input.project.services[*name]);
            pairs.extend(tied.iter().map(|tie| (*name, tie.service)));
        }
        for (one, other) in pairs {
            let (Some(from), Some(to)) = (self.numbers.get(one).copied(), self.numbers.get(other).copied()) else {
                continue;
            };
            self.numbers.values_mut().filter(|number| **number == from).for_each(|number| *number = to);
        }
    }

    /// Whether a service is global. A global service has an instance on every host, so it needs no group.
    pub(super) fn is_global(&self, service: &str) -> bool {
        self.input.project.services.get(service).is_some_and(is_global)
    }

    pub(super) fn uses(&self, service: &str) -> &[DataUse] {
        self.uses.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the service writes data that each host has separately.
    pub(super) fn has_data(&self, service: &str) -> bool {
        self.uses(service).iter().any(DataUse::is_own_data)
    }

    /// Returns the data that two services share, as the first one uses it.
    pub(super) fn shared(&self, one: &str, other: &str) -> Option<&DataUse> {
        self.uses(one).iter().find(|data_use| self.uses(other).iter().any(|theirs| data_use.meets(theirs)))
    }

    /// Returns the other services in the group of a service.
    pub(super) fn with(&self, service: &str) -> impl Iterator<Item = &'a str> {
        let number = self.numbers.get(service);
        self.numbers.iter().filter(move |(name, it)| **name != service && Some(*it) == number).map(|(name, _)| *name)
    }

    /// Whether two instances use the same copy of data: instances with the same index do. Replicas that only read use the copy of
    /// a writer, and each writer has a copy of its own.
    pub(super) fn use_one_copy(&self, one: &InstanceName, other: &InstanceName) -> bool {
        let number = |name: &InstanceName| self.numbers.get(name.service.as_str());
        one != other && number(one) == number(other) && self.copy(one) == self.copy(other)
    }

    fn copy(&self, instance: &InstanceName) -> u32 {
        let number = self.numbers.get(instance.service.as_str());
        let group = self.numbers.iter().filter(|(_, it)| Some(*it) == number).map(|(name, _)| *name);
        let writers = group.filter(|name| self.has_data(name));
        let replicas = writers.filter_map(|name| self.input.project.services.get(name)).map(Service::replicas);
        let copies = replicas.max().unwrap_or_default();
        let only_reads = !self.has_data(&instance.service);
        if only_reads && (1..instance.index).contains(&copies) { 1 } else { instance.index }
    }

    /// Returns instances of other stacks with the same index that share data with an instance, and the shared data.
    pub(super) fn foreign(&self, instance: &InstanceName) -> impl Iterator<Item = (&ForeignInstance, &DataUse)> {
        let same = self.foreign.iter().filter(|foreign_instance| foreign_instance.name.index == instance.index);
        same.filter_map(|foreign_instance| {
            let mut uses = self.uses(&instance.service).iter();
            let shared = uses.find(|data_use| foreign_instance.uses.iter().any(|theirs| data_use.meets(theirs)));
            Some((foreign_instance, shared?))
        })
    }

    /// Returns the hosts of the group with the reasons for them. Hosts of services that share data directly come first.
    pub(super) fn others<'s>(
        &'s self,
        instance: &InstanceName,
        placed: &'s BTreeMap<InstanceName, Placed>,
    ) -> Vec<(&'s str, String)> {
        if self.is_global(&instance.service) {
            return Vec::new();
        }
        let (mut direct, mut indirect) = (Vec::new(), Vec::new());
        for (name, there) in placed.iter().filter(|(name, _)| self.use_one_copy(instance, name)) {
            let other = &name.service;
            match self.shared(&instance.service, other).filter(|_| *other != instance.service) {
                Some(data_use) => {
                    direct.push((there.host.as_str(), format!("{other} is there, and they share {}", data_use.data)))
                }
                None => {
                    indirect.push((there.host.as_str(), format!("{other} is there, and others share data with both")))
                }
            }
        }
        for (foreign_instance, data_use) in self.foreign(instance) {
            let name = foreign_instance.name.service_name();
            direct.push((&foreign_instance.host, format!("{name} is there, and they share {}", data_use.data)));
        }
        direct.append(&mut indirect);
        direct
    }

    /// Returns the volumes on a host that the instance used last.
    pub(super) fn recorded(&self, instance: &InstanceName, host: &str) -> Vec<&str> {
        let records = self.records.get(instance).into_iter().flatten().filter(|(on, _)| *on == host);
        records.filter(|(_, volume)| self.mounts(&instance.service, volume)).map(|(_, volume)| *volume).collect()
    }

    /// Returns the hosts with volumes that the instance used last.
    pub(super) fn recorded_on(&self, instance: &InstanceName) -> BTreeSet<&'a str> {
        self.records.get(instance).into_iter().flatten().map(|(host, _)| *host).collect()
    }

    fn mounts(&self, service: &str, volume: &str) -> bool {
        self.volumes.get(service).is_some_and(|volumes| volumes.iter().any(|it| it == volume))
    }

    /// Returns a volume of the service in the host state that no other instance of the service used.
    pub(super) fn held_volume(&self, service: &str, host: &str) -> Option<String> {
        let stack = self.input.stack;
        let volumes = self.input.held.get(host).map(|state| state.volumes.as_slice()).unwrap_or_default();
        let mut its = volumes.iter().filter(|volume| !volume.remove && self.mounts(service, &volume.name));
        let volume = its.find(|volume| !volume.users.iter().any(|user| user.service == service && user.stack == stack));
        volume.map(|volume| volume.name.clone())
    }

    /// Returns a volume of the service in the host's engine that Landfast did not create.
    pub(super) fn found_volume(&self, service: &str, host: &str) -> Option<String> {
        let held = self.input.held.get(host).map(|state| state.volumes.as_slice()).unwrap_or_default();
        let is_free = |name: &str| !held.iter().any(|volume| volume.name == name);
        let volumes = self.input.found.get(host).map(|found| found.volumes.as_slice()).unwrap_or_default();
        let mut its = volumes.iter().filter(|volume| self.mounts(service, &volume.name) && is_free(&volume.name));
        its.next().map(|volume| volume.name.clone())
    }

    /// Returns the hosts that have a volume with this name, of any stack.
    pub(super) fn copies(&self, volume: &str) -> Vec<&'a str> {
        let on = |host: &str| {
            let held = self.input.held.get(host).map(|state| state.volumes.as_slice()).unwrap_or_default();
            let found = self.input.found.get(host).map(|found| found.volumes.as_slice()).unwrap_or_default();
            held.iter().any(|it| it.name == volume && !it.remove) || found.iter().any(|it| it.name == volume)
        };
        self.input.fleet.hosts.keys().map(String::as_str).filter(|host| on(host)).collect()
    }
}

fn records(input: PlacementInput<'_>) -> BTreeMap<&InstanceName, Vec<(&str, &str)>> {
    let mut records: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (host, state) in input.held {
        for volume in state.volumes.iter().filter(|volume| !volume.remove) {
            for user in volume.users.iter().filter(|user| user.stack == input.stack) {
                records.entry(user).or_default().push((host.as_str(), volume.name.as_str()));
            }
        }
    }
    records
}

/// Returns the instances of other stacks: those compiled in this run, and those that the hosts hold.
fn foreign(input: PlacementInput<'_>, volumes: &Volumes) -> Vec<ForeignInstance> {
    let replaced = replaced(input.stack, input.beside);
    let held = input.held.iter().flat_map(|(host, state)| state.instances.iter().map(move |it| (host, it)));
    let staying = held.filter(|(_, instance)| !replaced.contains(instance.name.stack.as_str()));
    let staying = staying.map(|(host, instance)| (&instance.name, host, &instance.container));
    let beside = input.beside.iter().flat_map(|deployment| &deployment.instances);
    let beside = beside.map(|(name, instance)| (name, &instance.host, &instance.container));
    let all = staying.chain(beside).map(|(name, host, container)| ForeignInstance {
        name: name.clone(),
        host: host.clone(),
        uses: volumes.uses_of(&container.mounts),
    });
    all.filter(|foreign_instance| !foreign_instance.uses.is_empty()).collect()
}
