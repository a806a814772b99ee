//! `landfast down`: removes stacks. Data stays unless -v is given, and then it is named first.

use landfast_core::plan::{Action, Plan};

use super::up::carry_out;
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct DownArguments {
    /// Stacks; all of them when none is named
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Delete the stacks' volumes too, with all data in them
    #[arg(short, long)]
    pub volumes: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

pub(super) async fn run(context: &Context, args: DownArguments) -> Result<Exit, CliError> {
    let engine = context.engine(&[])?;
    let store = context.store(&engine)?;
    let proposal =
        engine.propose_down(&*store, &args.stacks, args.volumes).await.map_err(|error| context.engine_error(error))?;
    let question = question(&proposal.plan);
    carry_out(context, &engine, &*store, proposal, args.yes, &question).await
}

/// Names every volume that goes.
fn question(plan: &Plan) -> String {
    let volumes = plan.steps.iter().filter(|step| step.action == Action::RemoveVolume);
    let volumes = volumes.map(|step| format!("{} on {}", step.instance, step.host)).collect::<Vec<_>>();
    match volumes.as_slice() {
        [] => "Remove them? Their volumes stay.".to_owned(),
        [one] => format!("Remove them, and DELETE ALL DATA in volume {one}?"),
        many => format!("Remove them, and DELETE ALL DATA in {} volumes ({})?", many.len(), many.join(", ")),
    }
}
