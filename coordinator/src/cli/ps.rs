//! `landfast ps`: the instances.

use landfast_core::report::{ContainerState, Health, ReportedPort};

use crate::engine::InstanceStatus;
use crate::output::{self, table::table};

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct PsArguments {
    /// Stacks, or services as `stack/service`; everything when none is named
    #[arg(value_name = "STACK[/SERVICE]")]
    pub names: Vec<String>,
    /// Print container ids only
    #[arg(long)]
    pub ids: bool,
}

pub(super) async fn run(context: &Context, args: PsArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&[])?;
    let (mut status, _) = engine.status().await.map_err(|error| context.engine_error(error))?;
    status.instances.retain(|instance| args.names.is_empty() || args.names.iter().any(|name| named(instance, name)));
    let printed = match (json, args.ids) {
        (true, _) => output::json(&status.instances),
        (false, true) => output::print(&ids(&status.instances)),
        (false, false) => output::print(&text(&status.instances)),
    };
    printed.map_err(|error| CliError::failed("standard output cannot be written", error))?;
    context.warn_of(&status);
    Ok(Exit::Done)
}

fn named(instance: &InstanceStatus, name: &str) -> bool {
    let service =
        name.split_once('/').is_some_and(|(stack, service)| (stack, service) == (&instance.stack, &instance.service));
    service || name == instance.stack || name == instance.instance
}

fn ids(instances: &[InstanceStatus]) -> String {
    instances.iter().filter(|one| !one.container_id.is_empty()).map(|one| format!("{}\n", one.container_id)).collect()
}

/// A table.
pub(super) fn text(instances: &[InstanceStatus]) -> String {
    table(["INSTANCE", "HOST", "STATE", "ADDRESS", "PORTS", "IMAGE", "RELEASE"], instances.iter().map(row))
}

fn row(instance: &InstanceStatus) -> [String; 7] {
    [
        instance.instance.clone(),
        instance.host.clone(),
        state(instance),
        instance.address.clone().unwrap_or_default(),
        instance.ports.iter().map(port).collect::<Vec<_>>().join(", "),
        instance.image.clone(),
        instance.release.to_string(),
    ]
}

/// `running (healthy)`, `exited (1)`.
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

/// `127.0.0.1:8080->80/tcp`.
fn port(port: &ReportedPort) -> String {
    let ReportedPort { address, published, target, protocol } = port;
    format!("{address}:{published}->{target}/{protocol}")
}
