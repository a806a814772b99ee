//! Which host runs an instance, and why.
//!
//! What is written decides; then an instance stays where it runs, or goes back to its volume, or to those with which it
//! shares data, or to where the data is; what is left goes beside those it shares a host-local network with, and else where
//! the fewest instances are.
use std::collections::BTreeMap;
use std::path::Path;

use crate::bundle::Manifest;
use crate::deployment::{Deployment, InstanceName};
use crate::findings::Findings;
use crate::fleet::{Fleet, StackConfig};
use crate::host_state::HostState;
use crate::plan::Found;
use crate::ties::ties;
use landfast_compose::Diagnostic;
use landfast_compose::Project;

mod allocator;
mod candidates;
mod data;
mod data_warnings;
mod devices;
mod group;

use allocator::{Allocator, Strategy};
use candidates::Candidates;
pub use devices::Abilities;
pub(crate) use devices::is_cdi;
use group::Groups;

/// Where an instance goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) host: String,
    pub(crate) reason: String,
}

/// What is placed, and into what.
#[derive(Clone, Copy)]
pub(crate) struct PlacementInput<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) stack: &'a str,
    pub(crate) config: Option<&'a StackConfig>,
    pub(crate) project: &'a Project,
    pub(crate) root: &'a Path,
    pub(crate) manifest: &'a Manifest,
    pub(crate) abilities: &'a BTreeMap<String, Abilities>,
    pub(crate) held: &'a BTreeMap<String, HostState>,
    pub(crate) found: &'a BTreeMap<String, Found>,
    pub(crate) beside: &'a [Deployment],
}

/// A host for every instance, or a word about those that have none.
pub(crate) fn place(input: PlacementInput<'_>, findings: &mut Findings<'_>) -> BTreeMap<InstanceName, Placed> {
    warn_of_unknown_services(input, findings);
    let groups = Groups::new(input);
    let mut allocator = Allocator::new(input, &groups);
    let mut waiting: Vec<(InstanceName, Candidates<'_>)> = Vec::new();
    for (name, service) in &input.project.services {
        let candidates = Candidates::new(input, name, service, findings);
        if candidates.hosts.is_empty() && service.replicas() > 0 {
            candidates.refuse(findings);
            continue;
        }
        allocator.allow(&candidates);
        for instance in allocator.instances_of(&candidates) {
            waiting.push((instance, candidates.clone()));
        }
    }
    let (tied, mut waiting): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(_, candidates)| !ties(candidates.service).is_empty());
    let passes: [Strategy<'_>; 4] =
        [Allocator::fixed_host, Allocator::current_host, Allocator::last_host, Allocator::host_of_sharers];
    for pass in passes {
        allocator.pass(pass, &mut waiting);
    }
    allocator.check_ambiguous_copies(&waiting, findings);
    let passes: [Strategy<'_>; 2] = [Allocator::host_with_data, Allocator::least_loaded_host];
    for pass in passes {
        allocator.pass(pass, &mut waiting);
    }
    allocator.place_tied(tied, findings);
    for (instance, candidates) in waiting {
        let most = candidates.service.deploy.placement.max_replicas_per_node;
        findings.refuse(
            format!("services.{}.deploy.placement.max_replicas_per_node", instance.service),
            format!("no host is left for {instance}: {most} on each of {}", candidates.hosts.join(", ")),
        );
    }
    data_warnings::warn(input, &groups, &allocator.placed, findings);
    allocator.placed
}

/// A place for a service that is not there: a slip of the pen, or a profile that is not enabled.
fn warn_of_unknown_services(input: PlacementInput<'_>, findings: &mut Findings<'_>) {
    let places = input.config.into_iter().flat_map(|config| &config.place);
    for (service, placement) in places.filter(|(service, _)| *service != "*") {
        if !input.project.services.contains_key(service) {
            let message = format!("{service} has a place, but the enabled profiles have no such service");
            let path = format!("stacks.{}.place.{service}", input.stack);
            findings.warnings.push(Diagnostic::at(&placement.location, message).key(path));
        }
    }
}
