//! `landfast status`: shows the hosts and the instances on them. A host that cannot be reached is shown too, and is not
//! an error.

use crate::contract;
use crate::output;
use crate::output::table::{age, table};
use landfast_engine::observe::{HostStatus, Status};

use super::ps;
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct StatusArguments {
    /// Names of stacks, or of services as `stack/service`; shows all hosts and instances when none is named
    #[arg(value_name = "STACK[/SERVICE]")]
    pub names: Vec<String>,
}

pub(super) async fn run(context: &Context, args: StatusArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&[])?;
    let (mut status, _) = engine.status().await?;
    ps::choose(&mut status, &args.names, &engine)?;
    if !args.names.is_empty() {
        // A host that does not answer is kept, because it may run some of the instances.
        let Status { hosts, instances, .. } = &mut status;
        hosts.retain(|host| host.state != "ready" || instances.iter().any(|instance| instance.host == host.name));
    }
    let printed = if json { output::json(&contract::Status::from(&status)) } else { output::print(&text(&status)) };
    printed?;
    context.warn_of(&status);
    Ok(Exit::Done)
}

/// Formats the status as a table of hosts and a table of instances.
pub(super) fn text(status: &Status) -> String {
    let hosts = table(["HOST", "ADDRESS", "STATE", "AGENT", "ENGINE", "SEEN"], status.hosts.iter().map(host));
    let owed = status.owed.iter().map(|step| format!("left out, because the host was away: {step}\n"));
    let owed = if status.owed.is_empty() { String::new() } else { format!("\n{}", owed.collect::<String>()) };
    if status.instances.is_empty() {
        return hosts + &owed;
    }
    format!("{hosts}\n{}{owed}", ps::text(&status.instances))
}

fn host(host: &HostStatus) -> [String; 6] {
    [
        host.name.clone(),
        host.address.clone(),
        host.state.to_owned(),
        host.agent_version.clone().unwrap_or_default(),
        host.engine_version.clone().unwrap_or_default(),
        host.age_ms.map(age).unwrap_or_default(),
    ]
}
