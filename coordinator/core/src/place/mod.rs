//! Places instances on hosts, each with a reason.
//!
//! A rule in `landfast.toml` or a constraint decides first. Otherwise an instance stays on its current host, returns to the host of its
//! volume, joins the services that it shares data with, or goes to a host that has its data. The remaining instances join those
//! that share a host-local network, or go to the host with the fewest instances.
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

/// Host of an instance, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) host: String,
    pub(crate) reason: String,
}

/// Input for [`place`].
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

/// Returns the host of every instance, and adds an error for each instance without one.
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
    let strategies: [Strategy<'_>; 4] =
        [Allocator::fixed_host, Allocator::current_host, Allocator::last_host, Allocator::host_of_sharers];
    for strategy in strategies {
        allocator.apply(strategy, &mut waiting);
    }
    allocator.check_ambiguous_copies(&waiting, findings);
    let strategies: [Strategy<'_>; 2] = [Allocator::host_with_data, Allocator::least_loaded_host];
    for strategy in strategies {
        allocator.apply(strategy, &mut waiting);
    }
    allocator.place_tied(tied, findings);
    for (instance, candidates) in waiting {
        let most = candidates.service.deploy.placement.max_replicas_per_node;
        findings.refuse(
            format!("services.{}.deploy.placement.max_replicas_per_node", instance.service),
            format!("no host is left for {instance}: at most {most} on each of {}", candidates.hosts.join(", ")),
        );
    }
    data_warnings::warn(input, &groups, &allocator.placed, findings);
    allocator.placed
}

/// Warns about a placement rule for an unknown service, which may be misspelt or in a profile that is not enabled.
fn warn_of_unknown_services(input: PlacementInput<'_>, findings: &mut Findings<'_>) {
    let places = input.config.into_iter().flat_map(|config| &config.place);
    for (service, placement) in places.filter(|(service, _)| *service != "*") {
        if !input.project.services.contains_key(service) {
            let message =
                format!("there is a placement rule for {service}, but the enabled profiles have no such service");
            let path = format!("stacks.{}.place.{service}", input.stack);
            findings.warnings.push(Diagnostic::at(&placement.location, message).key(path));
        }
    }
}
