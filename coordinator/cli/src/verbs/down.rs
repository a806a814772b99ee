//! `landfast down`: removes stacks. Volumes are kept unless -v is given; then the question names each of them.

use landfast_core::plan::{Action, Plan};

use landfast_engine::operation::Operation;

use super::up::carry_out;
use crate::arguments::Confirmation;
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct DownArguments {
    /// Names of stacks; all stacks of landfast.toml when none is named
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Delete the volumes of the stacks too, with all data in them
    #[arg(short, long)]
    pub volumes: bool,
    #[command(flatten)]
    pub confirmation: Confirmation,
}

pub(super) async fn run(context: &Context, args: DownArguments) -> Result<Exit, CliError> {
    let engine = context.engine(&[])?;
    let operation = Operation::Down { stacks: args.stacks, remove_volumes: args.volumes };
    carry_out(context, engine, operation, &args.confirmation, |proposal| question(&proposal.plan)).await
}

/// Returns the question to confirm, with the name of every volume to delete.
fn question(plan: &Plan) -> String {
    let volumes = plan.steps.iter().filter_map(|step| match &step.action {
        Action::RemoveVolume { volume, .. } => Some(format!("{volume} on {}", step.host)),
        _ => None,
    });
    let volumes = volumes.collect::<Vec<_>>();
    match volumes.as_slice() {
        [] => "Remove these stacks? Their volumes are kept.".to_owned(),
        [one] => format!("Remove these stacks and DELETE ALL DATA in volume {one}?"),
        many => format!("Remove these stacks and DELETE ALL DATA in {} volumes ({})?", many.len(), many.join(", ")),
    }
}
