//! `links` and `external_links`: additional names for other containers that only one container sees.
//!
//! On a network of the stack, the engine resolves them by the name of the other container, as in Docker Compose. A fleet network
//! spans hosts, so on it the name and the address of the other container are written to `/etc/hosts`.
use std::collections::BTreeMap;

use super::container_input::{ContainerInput, container_name_of};
use super::networks::fleet_network;
use crate::deployment::InstanceName;
use crate::findings::Findings;
use landfast_compose::cases;

/// Resolved links of a container.
#[derive(Default)]
pub(super) struct Links {
    /// Links `container:alias` by the key of a network of the stack.
    pub(super) on: BTreeMap<String, Vec<String>>,
    /// Lines `alias:address` for `/etc/hosts`.
    pub(super) hosts: Vec<String>,
}

pub(super) fn links(input: ContainerInput<'_>, findings: &mut Findings<'_>) -> Links {
    let service = input.service();
    let mut links = Links::default();
    for (at, link) in service.links.iter().enumerate() {
        let (target, alias) = link.split_once(':').unwrap_or((link, link));
        // A service always has its own name.
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
    /// Adds a link, and returns whether the two services share a network on which it works.
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
