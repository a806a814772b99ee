//! Conflicts between instances: equal ports or container names on one host, and service names that several stacks use on a fleet
//! network.
use std::collections::{BTreeMap, BTreeSet};

use crate::address::StackContext;
use crate::container::Container;
use crate::deployment::{self, Deployment, InstanceName};
use crate::findings::Findings;
use crate::ports::overlap;

/// Name of an instance, its host and its container.
type Placed<'a> = (&'a InstanceName, &'a str, &'a Container);

pub(super) fn check(context: StackContext<'_>, deployment: &Deployment, findings: &mut Findings<'_>) {
    let others = others(context);
    let mut seen = Seen::default();
    others.iter().for_each(|other| seen.add(*other));
    for (name, instance) in &deployment.instances {
        let placed = (name, instance.host.as_str(), &*instance.container);
        for other in seen.in_question(placed) {
            check_ports(placed, other, findings);
            check_container_name(placed, other, findings);
        }
        seen.add(placed);
    }
    check_names(deployment, &others, findings);
}

/// Instances that were checked, with indexes of those that another instance may conflict with.
#[derive(Default)]
struct Seen<'a> {
    all: Vec<Placed<'a>>,
    /// Positions by host and container name.
    named: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    /// Positions of instances that publish ports, by host.
    published: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Seen<'a> {
    fn add(&mut self, placed: Placed<'a>) {
        let ((_, host, container), at) = (placed, self.all.len());
        self.named.entry((host, container.name.as_str())).or_default().push(at);
        if !container.ports.is_empty() {
            self.published.entry(host).or_default().push(at);
        }
        self.all.push(placed);
    }

    /// The instances that may conflict with this one, in the order in which they were added.
    fn in_question(&self, (_, host, container): Placed<'_>) -> Vec<Placed<'a>> {
        let published = self.published.get(host).filter(|_| !container.ports.is_empty());
        let named = self.named.get(&(host, container.name.as_str()));
        let positions: BTreeSet<usize> = published.into_iter().chain(named).flatten().copied().collect();
        positions.into_iter().map(|at| self.all[at]).collect()
    }
}

/// Returns the instances of other stacks: those compiled in this run, and those that the hosts hold.
pub(super) fn others(context: StackContext<'_>) -> Vec<Placed<'_>> {
    let replaced = deployment::replaced(context.stack, context.beside);
    let held = context.held.iter().flat_map(|(host, state)| state.instances.iter().map(move |it| (host, it)));
    let staying = held.filter(|(_, instance)| !replaced.contains(instance.name.stack.as_str()));
    let beside = context.beside.iter().flat_map(|deployment| &deployment.instances);
    staying
        .map(|(host, instance)| (&instance.name, host.as_str(), &*instance.container))
        .chain(beside.map(|(name, instance)| (name, instance.host.as_str(), &*instance.container)))
        .collect()
}

fn check_ports(
    (name, host, container): Placed<'_>,
    (other, other_host, other_container): Placed<'_>,
    findings: &mut Findings<'_>,
) {
    if host != other_host {
        return;
    }
    for (at, port) in container.ports.iter().enumerate() {
        let clash = other_container.ports.iter().find(|theirs| overlap(port, theirs));
        if let Some(theirs) = clash {
            let there =
                findings.locate(&format!("services.{}.ports", other.service)).filter(|_| other.stack == name.stack);
            let there = there.map(|place| format!(" ({place})")).unwrap_or_default();
            let message = format!(
                "port {}:{}/{} on {host} is used by both {name} and {other}{there}",
                theirs.address, port.published, port.protocol
            );
            let hint = "publish one of them on another port, or place them on different hosts";
            findings.refuse(format!("services.{}.ports[{at}]", name.service), message).hint = Some(hint.to_owned());
        }
    }
}

fn check_container_name(
    (name, host, container): Placed<'_>,
    (other, other_host, other_container): Placed<'_>,
    findings: &mut Findings<'_>,
) {
    if host == other_host && container.name == other_container.name {
        let message = format!("the container name {} on {host} is used by both {name} and {other}", container.name);
        findings.refuse(format!("services.{}.container_name", name.service), message);
    }
}

/// Warns if a service name on a fleet network is used by several stacks, because it resolves to the addresses of all of them.
fn check_names(deployment: &Deployment, others: &[Placed<'_>], findings: &mut Findings<'_>) {
    let mut theirs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (name, _, container) in others {
        for end in container.networks.iter().filter(|end| !end.mac.is_empty() && end.address.is_some()) {
            theirs.entry((&end.network, &name.service)).or_default().insert(&name.stack);
        }
    }
    for (name, instance) in deployment.instances.iter().filter(|(name, _)| name.index == 1) {
        for end in &instance.container.networks {
            let Some(stacks) = theirs.get(&(end.network.as_str(), name.service.as_str())) else { continue };
            let stacks: Vec<_> = stacks.iter().copied().collect();
            let message = format!(
                "{} on {} is also a service of {}: the name resolves to the addresses of all of them",
                name.service,
                end.network,
                stacks.join(", ")
            );
            findings.warn(format!("services.{}", name.service), message);
        }
    }
}
