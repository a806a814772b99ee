//! `links` and `external_links`: further names under which a container sees others, and nobody else does.
//!
//! On a network of the stack's own the engine resolves them, by the other container's name, as with Compose. A network of the
//! fleet spans hosts, so there the name stands in `/etc/hosts` with the address that the other holds.
use std::collections::BTreeMap;

use super::container_input::{ContainerInput, container_name_of};
use super::networks::fleet_network;
use crate::deployment::InstanceName;
use crate::findings::Findings;
use landfast_compose::cases;

/// What a container's links come to.
#[derive(Default)]
pub(super) struct Links {
    /// By the key of a network of the stack's own: `container:alias`.
    pub(super) on: BTreeMap<String, Vec<String>>,
    /// `alias:address`
    pub(super) hosts: Vec<String>,
}

pub(super) fn links(input: ContainerInput<'_>, findings: &mut Findings<'_>) -> Links {
    let service = input.service();
    let mut links = Links::default();
    for (at, link) in service.links.iter().enumerate() {
        let (target, alias) = link.split_once(':').unwrap_or((link, link));
        // A service answers to its own name anyway.
        if alias != target && !links.add(input, target, alias) {
            findings.case(input.path(&format!("links[{at}]")), link, &cases::NO_COMMON_NETWORK);
        }
    }
    for (at, link) in service.external_links.iter().enumerate() {
        let (container, alias) = link.split_once(':').unwrap_or((link, link));
        let own: Vec<_> = service.networks.keys().filter(|key| fleet_network(input.compile, key).is_none()).collect();
        if own.is_empty() {
            findings.case(input.path(&format!("external_links[{at}]")), link, &cases::NO_OWN_NETWORK);
        }
        for key in own {
            links.on.entry(key.clone()).or_default().push(format!("{container}:{alias}"));
        }
    }
    links
}

impl Links {
    /// Whether the two are on a network where the name can mean something.
    fn add(&mut self, input: ContainerInput<'_>, target: &str, alias: &str) -> bool {
        let Some(other) = input.compile.project.services.get(target) else { return false };
        let common: Vec<&String> =
            input.service().networks.keys().filter(|key| other.networks.contains_key(*key)).collect();
        for key in &common {
            match fleet_network(input.compile, key) {
                Some(network) => {
                    let theirs =
                        input.addresses.iter().filter(|((name, on), _)| name.service == target && on == network);
                    self.hosts.extend(theirs.map(|(_, assigned)| format!("{alias}:{}", assigned.address)));
                }
                None => {
                    let instances =
                        (1..=other.replicas()).map(|index| InstanceName::new(input.compile.stack, target, index));
                    let names = instances.map(|name| {
                        format!("{}:{alias}", container_name_of(&input.compile.project.name, other, &name))
                    });
                    self.on.entry((*key).clone()).or_default().extend(names);
                }
            }
        }
        !common.is_empty()
    }
}
