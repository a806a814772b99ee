//! `landfast ps`: lists the instances of the stacks.

use std::collections::BTreeSet;

use landfast_compose::spelling::nearest;
use landfast_core::report::{ContainerState, Health, ReportedPort};

use crate::contract;
use crate::output::{self, table::table};
use landfast_engine::Engine;
use landfast_engine::observe::{InstanceStatus, Status};

use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct PsArguments {
    /// Names of stacks, or of services as `stack/service`; all instances when none is named
    #[arg(value_name = "STACK[/SERVICE]")]
    pub names: Vec<String>,
    /// Print only container IDs
    #[arg(long)]
    pub ids: bool,
}

pub(super) async fn run(context: &Context, args: PsArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&[])?;
    let (mut status, _) = engine.status().await?;
    choose(&mut status, &args.names, &engine)?;
    let printed = match (json, args.ids) {
        (true, _) => output::json(&status.instances.iter().map(contract::Instance::from).collect::<Vec<_>>()),
        (false, true) => output::print(&ids(&status.instances)),
        (false, false) => output::print(&text(&status.instances)),
    };
    printed?;
    context.warn_of(&status);
    Ok(Exit::Done)
}

/// Keeps the instances with these names, or all instances when no name is given.
///
/// # Errors
/// Fails if a name is neither in `landfast.toml` nor on any host.
pub(super) fn choose(status: &mut Status, names: &[String], engine: &Engine) -> Result<(), CliError> {
    if names.is_empty() {
        return Ok(());
    }
    let stacks = &engine.folder.fleet.stacks;
    let is_known = |name: &&String| stacks.contains_key(*name) || status.instances.iter().any(|one| named(one, name));
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(unknown_name(unknown, status, stacks.keys()));
    }
    status.instances.retain(|instance| names.iter().any(|name| named(instance, name)));
    Ok(())
}

fn unknown_name<'a>(name: &str, status: &'a Status, stacks: impl Iterator<Item = &'a String>) -> CliError {
    let of_instance = |one: &'a InstanceStatus| [one.stack.clone(), format!("{}/{}", one.stack, one.service)];
    let mut known: BTreeSet<String> = stacks.cloned().collect();
    known.extend(status.instances.iter().flat_map(of_instance));
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            let stacks: Vec<_> = known.iter().filter(|name| !name.contains('/')).map(String::as_str).collect();
            format!("the stacks are {}; `landfast ps` lists their services", stacks.join(", "))
        }
    };
    let silent: Vec<_> = status.hosts.iter().filter(|host| host.state != "ready").map(|host| &*host.name).collect();
    let silent = if silent.is_empty() { String::new() } else { format!(" ({} did not answer)", silent.join(", ")) };
    CliError::usage(format!("there is no stack or service {name}{silent}"), hint)
}

fn named(instance: &InstanceStatus, name: &str) -> bool {
    let service =
        name.split_once('/').is_some_and(|(stack, service)| (stack, service) == (&instance.stack, &instance.service));
    service || name == instance.stack || name == instance.instance
}

fn ids(instances: &[InstanceStatus]) -> String {
    instances.iter().filter(|one| !one.container_id.is_empty()).map(|one| format!("{}\n", one.container_id)).collect()
}

/// Formats the instances as a table.
pub(super) fn text(instances: &[InstanceStatus]) -> String {
    let row = |instance: &InstanceStatus| row(instance, &name(instance, instances));
    table(["INSTANCE", "HOST", "STATE", "ADDRESS", "PORTS", "IMAGE", "RELEASE"], instances.iter().map(row))
}

/// Name of an instance; with the number of the container if the host has several side by side.
fn name(instance: &InstanceStatus, all: &[InstanceStatus]) -> String {
    let is_same = |other: &&InstanceStatus| (&other.instance, &other.host) == (&instance.instance, &instance.host);
    match all.iter().filter(is_same).count() {
        0 | 1 => instance.instance.clone(),
        _ => format!("{} (incarnation {})", instance.instance, instance.incarnation),
    }
}

fn row(instance: &InstanceStatus, name: &str) -> [String; 7] {
    [
        name.to_owned(),
        instance.host.clone(),
        state(instance),
        instance.address.clone().unwrap_or_default(),
        instance.ports.iter().map(port).collect::<Vec<_>>().join(", "),
        instance.image.clone(),
        instance.release.to_string(),
    ]
}

/// Formats the state of an instance: `running (healthy)`, `exited (1)`.
fn state(instance: &InstanceStatus) -> String {
    let state = match instance.state {
        ContainerState::Unknown => "unknown",
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting => "restarting",
        ContainerState::Exited => return format!("exited ({})", instance.exit_code),
        ContainerState::Dead => "dead",
        ContainerState::Missing => "missing",
    };
    match instance.health {
        Health::None => state.to_owned(),
        Health::Starting => format!("{state} (starting)"),
        Health::Healthy => format!("{state} (healthy)"),
        Health::Unhealthy => format!("{state} (unhealthy)"),
    }
}

/// Formats a published port: `127.0.0.1:8080->80/tcp`.
fn port(port: &ReportedPort) -> String {
    let ReportedPort { address, published, target, protocol } = port;
    format!("{address}:{published}->{target}/{protocol}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(instance: &str, host: &str, incarnation: u64) -> InstanceStatus {
        InstanceStatus {
            stack: String::new(),
            service: String::new(),
            instance: instance.to_owned(),
            host: host.to_owned(),
            container_id: String::new(),
            state: ContainerState::Running,
            health: Health::None,
            address: None,
            image: String::new(),
            release: 1,
            incarnation,
            exit_code: 0,
            ports: Vec::new(),
        }
    }

    #[test]
    fn a_number_is_shown_only_for_containers_side_by_side() {
        let all = [instance("data/a.1", "alpha", 3), instance("data/a.1", "beta", 4), instance("data/a.1", "beta", 5)];
        let names = all.each_ref().map(|one| name(one, &all));
        assert_eq!(names, ["data/a.1", "data/a.1 (incarnation 4)", "data/a.1 (incarnation 5)"]);
    }
}
