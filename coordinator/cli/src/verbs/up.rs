//! `landfast up`: makes the hosts what the stacks say.

use serde_json::json;

use crate::output::{self, count, stderr};
use landfast_engine::Engine;
use landfast_engine::operation::{Outcome, Proposal, Unknown, Up};
use landfast_engine::store::Store;

use super::plan;
use crate::arguments::{Pull, StackArguments};
use crate::question::confirm;
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct UpArguments {
    #[command(flatten)]
    pub stacks: StackArguments,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Make every instance again, changed or not
    #[arg(long)]
    pub force_recreate: bool,
    /// Build images again before, there or not
    #[arg(long)]
    pub build: bool,
    /// When to ask registries for images
    #[arg(long, value_enum, value_name = "WHEN", default_value = "policy")]
    pub pull: Pull,
    /// As `docker compose up` has it; Landfast always detaches
    #[arg(short, long, hide = true)]
    pub detach: bool,
}

pub(super) async fn run(context: &Context, args: UpArguments) -> Result<Exit, CliError> {
    let engine = args.stacks.engine(context)?;
    let store = context.store(&engine)?;
    let up = Up {
        force_recreate: args.force_recreate,
        build: args.build,
        pull: args.pull.imposed(),
        now: jiff::Timestamp::now(),
        unknown: Unknown::Pull,
    };
    let proposal =
        engine.propose_up(&*store, &args.stacks.stacks, up).await.map_err(|error| context.engine_error(error))?;
    carry_out(context, &engine, &*store, proposal, args.yes, "Go ahead?").await
}

/// Prints the plan, asks, and does it: the same for every verb that changes hosts.
pub(super) async fn carry_out(
    context: &Context,
    engine: &Engine<'_>,
    store: &dyn Store,
    proposal: Proposal,
    yes: bool,
    question: &str,
) -> Result<Exit, CliError> {
    let json = context.json()?;
    let worth_reading = !proposal.plan.is_empty() || !proposal.plan.warnings.is_empty();
    // Who is asked sees what about, -q or not.
    if worth_reading && !(yes && context.global.quiet) {
        stderr::text(&plan::text(&proposal, context.global.verbose));
    }
    if !proposal.plan.is_empty() && !confirm(yes, question)? {
        context.talk("nothing was changed\n");
        return Ok(Exit::Usage);
    }
    let outcome = engine.carry_out(store, proposal).await.map_err(|error| context.engine_error(error))?;
    let printed = match (&outcome, json) {
        (Outcome::Unchanged, true) => output::json(&json!({ "outcome": "unchanged", "steps": 0, "releases": [] })),
        (Outcome::Done { steps, releases }, true) => {
            let releases = releases.iter().map(|(stack, number)| json!({ "stack": stack, "release": number }));
            let releases = releases.collect::<Vec<_>>();
            output::json(&json!({ "outcome": "done", "steps": steps, "releases": releases }))
        }
        (outcome, false) => {
            context.talk(&sentence(outcome));
            Ok(())
        }
    };
    printed.map_err(|error| CliError::failed("standard output cannot be written", error))?;
    Ok(Exit::Done)
}

fn sentence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Unchanged => "nothing to do: everything is as the files say\n".to_owned(),
        Outcome::Done { steps, releases } if releases.is_empty() => format!("done: {}\n", count(*steps, "step")),
        Outcome::Done { steps, releases } => {
            let releases = releases.iter().map(|(stack, number)| format!("release {number} of {stack}"));
            format!("done: {}, {}\n", count(*steps, "step"), releases.collect::<Vec<_>>().join(", "))
        }
    }
}
