//! `landfast status`: the hosts and what runs on them. A host that cannot be reached is a part of the answer.

use crate::engine::{HostStatus, Status};
use crate::output;
use crate::output::table::{age, table};

use super::{CliError, Context, Exit, ps};

#[derive(Debug, clap::Args)]
pub struct StatusArguments {}

pub(super) async fn run(context: &Context, _args: StatusArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&[])?;
    let (status, _) = engine.status().await.map_err(|error| context.engine_error(error))?;
    let printed = if json { output::json(&status) } else { output::print(&text(&status)) };
    printed.map_err(|error| CliError::failed("standard output cannot be written", error))?;
    context.warn_of(&status);
    Ok(Exit::Done)
}

/// Two tables.
pub(super) fn text(status: &Status) -> String {
    let hosts = table(["HOST", "ADDRESS", "STATE", "AGENT", "ENGINE", "SEEN"], status.hosts.iter().map(host));
    if status.instances.is_empty() {
        return hosts;
    }
    format!("{hosts}\n{}", ps::text(&status.instances))
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
