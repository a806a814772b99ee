//! Compiles an earlier release again for the current fleet. Placement stays the same, resources that other stacks use by now are
//! refused, and addresses that moved in the meantime get a new epoch.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::digest::digests_after;
use super::{conflicts, project};
use crate::address::{self, AddressRequest, StackContext};
use crate::deployment::{Deployment, Instance, InstanceName};
use crate::findings::Findings;
use crate::fleet::Fleet;
use crate::host_state::HostState;
use landfast_compose::Project;
use landfast_compose::{Diagnostic, Diagnostics};

/// Input for [`rollback`].
#[derive(Debug, Clone, Copy)]
pub struct RollbackInput<'a> {
    /// The current `landfast.toml`.
    pub fleet: &'a Fleet,
    /// Host states that the hosts hold now.
    pub held: &'a BTreeMap<String, HostState>,
    /// Deployments of stacks that were compiled earlier in the same run.
    pub beside: &'a [Deployment],
    /// Number of the release that the deployment becomes.
    pub release: u64,
}

/// Returns the deployment of an earlier release for the current fleet, or all its errors.
pub fn rollback(input: RollbackInput<'_>, mut deployment: Deployment) -> Result<Deployment, Diagnostics> {
    let RollbackInput { fleet, held, beside, release } = input;
    let gone = deployment.instances.iter().filter(|(_, instance)| !fleet.hosts.contains_key(&instance.host));
    let message = |(name, instance): (&InstanceName, &Instance)| {
        format!("{name} ran on {}, which is no longer in the fleet", instance.host)
    };
    let gone: Vec<_> = gone.map(message).map(Diagnostic::without_location).collect();
    if !gone.is_empty() {
        return Err(Diagnostics(gone));
    }
    deployment.release = release;
    let stack = deployment.stack.clone();
    let context = StackContext { fleet, stack: &stack, held, beside };
    let project = Project::default();
    let mut findings = Findings::new(&project);
    let addresses = address::assign(context, &requests(fleet, &deployment), &mut findings);
    let gateways = address::gateways(fleet, held);
    let before = deployment.instances.clone();
    let mut moved = BTreeMap::new();
    for (name, instance) in &mut deployment.instances {
        let mut dns: Vec<&Ipv4Addr> = Vec::new();
        let container = Arc::make_mut(&mut instance.container);
        for end in &mut container.networks {
            if let Some(assigned) = addresses.get(&(name.clone(), end.network.clone())) {
                moved.extend(end.address.map(|before| (before.to_string(), assigned.address.to_string())));
                (end.address, end.mac) = (Some(assigned.address), assigned.mac().to_string());
                end.epoch = assigned.epoch;
                dns.extend(gateways.get(&(end.network.clone(), instance.host.clone())));
            }
        }
        let is_ours = |server: &String| fleet.networks.values().any(|it| is_in(&it.gateways, server));
        if container.dns.iter().all(is_ours) {
            container.dns = dns.iter().map(ToString::to_string).take(1).collect();
        }
    }
    for instance in deployment.instances.values_mut() {
        follow(&mut Arc::make_mut(&mut instance.container).extra_hosts, &moved);
    }
    digests_after(&mut deployment.instances, &before);
    conflicts::check(context, &deployment, &mut findings);
    project::check(context, &deployment, &mut findings);
    if findings.errors.is_empty() { Ok(deployment) } else { Err(Diagnostics(findings.errors)) }
}

/// Updates the addresses of links, which are `alias:address` lines for `/etc/hosts`.
fn follow(hosts: &mut [String], moved: &BTreeMap<String, String>) {
    for host in hosts {
        if let Some((alias, address)) = host.split_once(':')
            && let Some(now) = moved.get(address)
        {
            *host = format!("{alias}:{now}");
        }
    }
}

/// Requests the addresses of the release. Automatic addresses may change.
fn requests(fleet: &Fleet, deployment: &Deployment) -> Vec<AddressRequest> {
    let mut requests = Vec::new();
    for (name, instance) in &deployment.instances {
        for end in &instance.container.networks {
            let Some(network) = fleet.networks.get(&end.network) else { continue };
            let written = end.address.filter(|address| !network.auto.contains(address));
            let path = format!("services.{}.networks.{}", name.service, end.network);
            requests.push(AddressRequest {
                instance: name.clone(),
                network: end.network.clone(),
                host: instance.host.clone(),
                written: written.map(|address| (address.to_string(), path)),
            });
        }
    }
    requests
}

fn is_in(range: &Ipv4Net, address: &str) -> bool {
    address.parse::<Ipv4Addr>().is_ok_and(|address| range.contains(&address))
}
