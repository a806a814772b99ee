//! Warnings about data: services that share data on different hosts, replicas with separate copies, and instances on hosts without
//! their data.
use std::collections::{BTreeMap, BTreeSet};

use super::data::{Data, DataUse};
use super::group::Groups;
use super::{Placed, PlacementInput};
use crate::deployment::InstanceName;
use crate::findings::Findings;

type Places = BTreeMap<InstanceName, Placed>;

pub(super) fn warn(input: PlacementInput<'_>, groups: &Groups<'_>, placed: &Places, findings: &mut Findings<'_>) {
    let services: BTreeSet<&str> = placed.keys().map(|name| name.service.as_str()).collect();
    let all = DataWarnings { input, groups, placed };
    for (at, one) in services.iter().enumerate() {
        for other in services.iter().take(at) {
            all.services(one, other, findings);
        }
        all.foreign(one, findings);
        all.replicas(one, findings);
    }
    for instance in placed.keys() {
        all.data_elsewhere(instance, findings);
    }
}

struct DataWarnings<'a> {
    input: PlacementInput<'a>,
    groups: &'a Groups<'a>,
    placed: &'a Places,
}

/// A user of data, its host, and the reason for that host.
struct User<'a> {
    name: String,
    host: &'a str,
    reason: &'a str,
}

impl<'a> DataWarnings<'a> {
    fn instances(&self, service: &str) -> impl Iterator<Item = (&'a InstanceName, &'a Placed)> {
        self.placed.iter().filter(move |(name, _)| name.service == service)
    }

    /// Warns if two services of the stack that share data are on different hosts.
    fn services(&self, one: &str, other: &str, findings: &mut Findings<'_>) {
        let Some(data_use) = self.groups.shared(one, other) else { return };
        let is_global = self.groups.is_global(one) || self.groups.is_global(other);
        let apart = self.instances(one).find_map(|(name, place)| {
            let theirs = self.instances(other).filter(|(it, _)| is_global || self.groups.use_one_copy(name, it));
            let theirs: Vec<_> = theirs.map(|(_, there)| there).collect();
            let is_there = theirs.iter().any(|there| there.host == place.host);
            theirs.first().filter(|_| !is_there).map(|there| (place, *there))
        });
        if let Some((place, there)) = apart {
            let user = |name: &str, place: &'a Placed| User {
                name: name.to_owned(),
                host: &place.host,
                reason: &place.reason,
            };
            self.warn(data_use, one, &user(one, place), &user(other, there), findings);
        }
    }

    /// Warns if a service shares data with services of other stacks on different hosts.
    fn foreign(&self, service: &str, findings: &mut Findings<'_>) {
        if self.groups.is_global(service) {
            return;
        }
        for (name, place) in self.instances(service) {
            let all: Vec<_> = self.groups.foreign(name).collect();
            let together: BTreeSet<_> =
                all.iter().filter(|(it, _)| it.host == place.host).map(|(it, _)| it.name.service_name()).collect();
            for (foreign_instance, data_use) in all.iter().filter(|(it, _)| !together.contains(&it.name.service_name()))
            {
                let (one, other) = (
                    User { name: service.to_owned(), host: &place.host, reason: &place.reason },
                    User {
                        name: foreign_instance.name.service_name().to_string(),
                        host: &foreign_instance.host,
                        reason: "it runs there",
                    },
                );
                self.warn(data_use, service, &one, &other, findings);
            }
        }
    }

    fn warn(&self, data_use: &DataUse, service: &str, one: &User<'_>, other: &User<'_>, findings: &mut Findings<'_>) {
        let data = &data_use.data;
        let mut message = format!(
            "{} on {} ({}) and {} on {} ({}) share {data}, but each host has its own copy, so neither sees what the other writes",
            other.name, other.host, other.reason, one.name, one.host, one.reason
        );
        if let Data::Volume(name) = data {
            let copies = self.groups.copies(name);
            if copies.len() > 1 {
                message += &format!("; copies are on {}", copies.join(" and "));
            }
        }
        let (stack, host) = (self.input.stack, other.host);
        let hint = format!(
            "to place both on one host, write {service} = {host:?} under [stacks.{stack}.place], or place the other service (data \
             is not moved); or use a shared volume, such as driver_opts: {{type: nfs}}"
        );
        findings.warn(format!("services.{service}.{}", data_use.key), message).hint = Some(hint);
    }

    /// Warns about replicas with separate copies of data, when a replica is new on a host.
    fn replicas(&self, service: &str, findings: &mut Findings<'_>) {
        let runs = |name: &InstanceName, host: &str| {
            self.input.held.get(host).is_some_and(|state| state.instance(name).is_some())
        };
        let hosts: BTreeSet<&str> = self.instances(service).map(|(_, place)| place.host.as_str()).collect();
        let is_news = self.instances(service).any(|(name, place)| !runs(name, &place.host));
        if self.groups.is_global(service) || hosts.len() < 2 || !is_news {
            return;
        }
        let hosts: Vec<&str> = hosts.into_iter().collect();
        for data_use in self.groups.uses(service).iter().filter(|data_use| data_use.is_own_data()) {
            let message = format!(
                "{service} runs on {}, and {} on each host is a copy of its own: an instance sees only the data of its host",
                hosts.join(", "),
                data_use.data
            );
            let hint =
                "to have one copy, place it on one host or use a shared volume, such as driver_opts: {type: nfs}";
            findings.warn(format!("services.{service}.{}", data_use.key), message).hint = Some(hint.to_owned());
        }
    }

    /// Warns if an instance is placed on a host without its data. If it still runs on the host with the data, the plan reports it.
    fn data_elsewhere(&self, instance: &InstanceName, findings: &mut Findings<'_>) {
        let Some(place) = self.placed.get(instance) else { return };
        let runs = |host: &str| self.input.held.get(host).is_some_and(|state| state.instance(instance).is_some());
        for host in self.groups.recorded_on(instance) {
            let recorded = self.groups.recorded(instance, host);
            if host == place.host || recorded.is_empty() || runs(host) {
                continue;
            }
            let message = format!(
                "{instance} is placed on {} ({}), but its data stays on {host}: the volume {}",
                place.host,
                place.reason,
                recorded.join(", ")
            );
            let (service, stack) = (&instance.service, self.input.stack);
            let hint = format!("to use this data, write {service} = {host:?} under [stacks.{stack}.place]");
            findings.warn(format!("services.{service}"), message).hint = Some(hint);
        }
    }
}
