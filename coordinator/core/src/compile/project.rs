//! Checks the project's name, which is the prefix of volumes, networks and containers on the hosts. A new name must not leave
//! data behind, and two stacks must not have the same project name on one host.
use std::collections::{BTreeMap, BTreeSet};

use crate::address::StackContext;
use crate::container::{Container, Source};
use crate::deployment::Deployment;
use crate::findings::Findings;
use crate::fleet::Fleet;
use crate::host_state::Volume;
use landfast_compose::Diagnostic;

const LABEL: &str = "com.docker.compose.project";

pub(super) fn check(context: StackContext<'_>, deployment: &Deployment, findings: &mut Findings<'_>) {
    let left = left_behind(context, deployment);
    match names_before(context, deployment) {
        before if !left.is_empty() => refuse_loss(context.fleet, deployment, &before, &left, findings),
        before if !before.is_empty() => warn_of_new_name(context.fleet, deployment, &before, findings),
        _ => {}
    }
    refuse_twins(context, deployment, findings);
}

/// Returns other project names under which the hosts hold containers of the stack.
fn names_before<'a>(context: StackContext<'a>, deployment: &Deployment) -> BTreeSet<&'a str> {
    let instances = context.held.values().flat_map(|state| &state.instances);
    let ours = instances.filter(|instance| instance.name.stack == deployment.stack);
    let names = ours.filter_map(|instance| project_of(&instance.container));
    names.filter(|name| *name != deployment.project()).collect()
}

fn project_of(container: &Container) -> Option<&str> {
    container.labels.get(LABEL).map(String::as_str)
}

/// Returns volumes of the stack, each with its host, that its services would no longer mount because of the new name.
fn left_behind<'a>(context: StackContext<'a>, deployment: &Deployment) -> Vec<(&'a Volume, &'a str)> {
    let held = context.held.iter().flat_map(|(host, state)| state.volumes.iter().map(move |it| (it, host.as_str())));
    let ours = held.filter(|(volume, _)| volume.stack == deployment.stack && !volume.remove);
    let renamed = |volume: &Volume| {
        let now = deployment.volumes.get(&volume.key);
        volume.project() != deployment.project() && now.is_some_and(|now| now.name != volume.name)
    };
    ours.filter(|(volume, _)| renamed(volume)).collect()
}

fn refuse_loss(
    fleet: &Fleet,
    deployment: &Deployment,
    before: &BTreeSet<&str>,
    left: &[(&Volume, &str)],
    findings: &mut Findings<'_>,
) {
    let Deployment { stack, .. } = deployment;
    let now = deployment.project();
    let names: BTreeSet<&str> = left.iter().map(|(volume, _)| volume.project()).chain(before.iter().copied()).collect();
    let volumes: Vec<_> = left.iter().map(|(volume, host)| format!("{} on {host}", volume.name)).collect();
    let message = format!(
        "the hosts have {stack} as the project {}, but its name is now {now}: the data in its volumes would be left \
         behind ({})",
        listed(&names),
        volumes.join(", ")
    );
    let hint = format!(
        "to keep the name, write {} under [stacks.{stack}]; to delete the data first, run landfast down -v {stack}",
        lines(&names)
    );
    findings.errors.push(diagnostic(fleet, stack, message, hint));
}

fn warn_of_new_name(fleet: &Fleet, deployment: &Deployment, before: &BTreeSet<&str>, findings: &mut Findings<'_>) {
    let (stack, now) = (&deployment.stack, deployment.project());
    let message = format!(
        "the hosts have {stack} as the project {}, but its name is now {now}: its containers and networks are \
         recreated under the new name",
        listed(before)
    );
    let hint = format!("to keep the name, write {} under [stacks.{stack}]", lines(before));
    findings.warnings.push(diagnostic(fleet, stack, message, hint));
}

fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(" and ")
}

fn lines(names: &BTreeSet<&str>) -> String {
    names.iter().map(|name| format!("project = {name:?}")).collect::<Vec<_>>().join(" or ")
}

/// ServiceCheck a stack of `landfast.toml`, where that says anything about it.
fn diagnostic(fleet: &Fleet, stack: &str, message: String, hint: String) -> Diagnostic {
    let location = fleet.stacks.get(stack).map(|config| config.location.clone());
    Diagnostic {
        location,
        path: format!("stacks.{stack}.project"),
        message,
        hint: Some(hint),
        users: Default::default(),
    }
}

/// Refuses a project name that another stack has on one of the hosts.
fn refuse_twins(context: StackContext<'_>, deployment: &Deployment, findings: &mut Findings<'_>) {
    let (stack, project) = (&deployment.stack, deployment.project());
    let mut twins: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let hosts = deployment.hosts();
    for (other, host, container) in super::conflicts::others(context) {
        if project_of(container) == Some(project) && hosts.contains(host) {
            twins.entry(&other.stack).or_default().insert(host);
        }
    }
    let mounted: BTreeSet<_> = deployment.instances.values().flat_map(|it| names_of(&it.host, &it.container)).collect();
    for (host, state) in context.held {
        let theirs = state.volumes.iter().filter(|volume| volume.stack != *stack && !volume.remove);
        for volume in theirs.filter(|volume| volume.project() == project) {
            if mounted.contains(&(host.as_str(), volume.name.as_str())) {
                twins.entry(&volume.stack).or_default().insert(host);
            }
        }
    }
    for (other, hosts) in twins {
        let hosts = listed(&hosts);
        let message = format!("{stack} and {other} have the same project name {project} on {hosts}");
        let handle = if stack == project { other } else { stack };
        let hint = format!("write project = \"{handle}\" under [stacks.{handle}], or place one of them on other hosts");
        findings.errors.push(diagnostic(context.fleet, stack, message, hint));
    }
}

/// Returns the host and name of every volume that a container mounts.
fn names_of<'a>(host: &'a str, container: &'a Container) -> impl Iterator<Item = (&'a str, &'a str)> {
    container.mounts.iter().filter_map(move |mount| match &mount.source {
        Source::Volume(name) => Some((host, name.as_str())),
        _ => None,
    })
}
