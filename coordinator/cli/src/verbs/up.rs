//! `landfast up`: deploys the stacks, so that the hosts match the compose files.

use crate::contract;
use crate::output::{self, count, stderr, words};
use landfast_engine::operation::{MissingImages, Operation, Outcome, Proposal, Up};
use landfast_engine::{Engine, EngineError};

use super::plan;
use crate::arguments::{Confirmation, Pull, StackArguments};
use crate::question::confirm;
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct UpArguments {
    #[command(flatten)]
    pub stacks: StackArguments,
    #[command(flatten)]
    pub confirmation: Confirmation,
    /// Recreate every instance, even if nothing changed
    #[arg(long)]
    pub force_recreate: bool,
    /// Build images before deploying, even if they exist
    #[arg(long)]
    pub build: bool,
    /// Set when to ask registries for images
    #[arg(long, value_enum, value_name = "WHEN", default_value = "policy")]
    pub pull: Pull,
    /// Accepted for compatibility with `docker compose up`; Landfast always detaches
    #[arg(short, long, hide = true)]
    pub detach: bool,
}

pub(super) async fn run(context: &Context, args: UpArguments) -> Result<Exit, CliError> {
    let engine = args.stacks.engine(context)?;
    let operation = Operation::Up(Up {
        stacks: args.stacks.stacks,
        force_recreate: args.force_recreate,
        build: args.build,
        pull: args.pull.imposed(),
        now: jiff::Timestamp::now(),
        missing_images: MissingImages::Pull,
    });
    carry_out(context, engine, operation, &args.confirmation, |_| "Apply these changes?".to_owned()).await
}

/// Proposes an operation, prints the plan, asks for confirmation and carries the operation out. Every verb that changes
/// hosts uses it.
pub(super) async fn carry_out(
    context: &Context,
    mut engine: Engine,
    operation: Operation,
    confirmation: &Confirmation,
    question: impl Fn(&Proposal) -> String,
) -> Result<Exit, CliError> {
    confirmation.absent.apply(&mut engine);
    let json = context.json()?;
    let now = tokio::time::Instant::now();
    let deadline = now.checked_add(confirmation.wait.unwrap_or_default()).unwrap_or(now);
    let store = context.store(&engine, &operation.purpose(), deadline).await?;
    let yes = confirmation.yes;
    let outcome = loop {
        let proposal = engine.propose(&*store, operation.clone()).await?;
        let worth_reading = !proposal.plan.is_empty() || !proposal.plan.warnings.is_empty();
        // The plan that a question is about is printed even with --quiet.
        if worth_reading && !(yes && context.global.quiet) {
            stderr::text(&plan::text(&proposal, context.global.verbose));
        }
        if !proposal.plan.is_empty() && !confirm(yes, &question(&proposal))? {
            context.message("cancelled: nothing was changed\n");
            return Ok(Exit::Usage);
        }
        let stop = context.signals.graceful();
        match engine.carry_out(&*store, proposal, stop.clone()).await {
            // The other run is under way, or has ended since the plan was made.
            Err(
                error
                @ (EngineError::Claimed { .. } | EngineError::Overtaken { .. } | EngineError::FleetChanged { .. }),
            ) if tokio::time::Instant::now() < deadline => {
                context.printer.say(&format!("waiting: {error}"));
                // The other run changes what the plan was made for, so there is a new plan afterwards.
                engine.until_free(deadline, &stop).await?;
            }
            outcome => break outcome?,
        }
    };
    if json {
        output::json(&contract::Outcome::from(&outcome))?;
    } else {
        context.message(&sentence(&outcome));
    }
    Ok(Exit::Done)
}

/// Formats the outcome of an operation as one line.
pub(super) fn sentence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Built { images } => format!("built: {}\n", images.join(", ")),
        Outcome::Unchanged => "nothing to do: the hosts are up to date\n".to_owned(),
        Outcome::Done { steps, releases, owed } => {
            let word = if owed.is_empty() { "done" } else { "partly done" };
            let releases = if releases.is_empty() { String::new() } else { format!(", {}", words::releases(releases)) };
            let owed = owed.iter().map(|step| format!("left out: {step}\n")).collect::<String>();
            format!("{word}: {}{releases}\n{owed}", count(*steps, "step"))
        }
    }
}
