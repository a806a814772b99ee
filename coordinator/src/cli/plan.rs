//! `landfast plan`: what `up` would change and why. Touches nothing.

use indicatif::BinaryBytes;
use landfast_core::plan::Plan;
use serde::Serialize;

use crate::engine::{PlannedBuild, Proposal, Unknown, Up};
use crate::output::{self, count, escape};

use super::arguments::StackArguments;
use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct PlanArguments {
    #[command(flatten)]
    pub stacks: StackArguments,
    /// Plan to make every instance again
    #[arg(long)]
    pub force_recreate: bool,
    /// Plan to build images again, there or not
    #[arg(long)]
    pub build: bool,
}

pub(super) async fn run(context: &Context, args: PlanArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&args.stacks.profile)?;
    let store = context.store(&engine)?;
    let up = Up { force_recreate: args.force_recreate, build: args.build, unknown: Unknown::Warn };
    let proposal =
        engine.propose_up(&*store, &args.stacks.stacks, up).await.map_err(|error| context.engine_error(error))?;
    let printed = if json {
        output::json(&Printed { plan: &proposal.plan, builds: &proposal.builds })
    } else {
        output::print(&text(&proposal))
    };
    printed.map_err(|error| CliError::failed("standard output cannot be written", error))?;
    Ok(if proposal.plan.is_empty() { Exit::Done } else { Exit::PlanNotEmpty })
}

/// The plan's JSON is a contract: `{"steps":[…],"warnings":[…],"builds":[…]}`.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    builds: &'a [PlannedBuild],
}

/// The plan, and what has to travel for it.
pub(super) fn text(proposal: &Proposal) -> String {
    let builds = proposal.builds.iter().map(|build| format!("build images: {}\n", escape::line(&build.to_string())));
    let mut text = builds.collect::<String>();
    text.push_str(escape::lines(&proposal.plan.to_string()).trim_end());
    for (host, parcel, lacking) in &proposal.files {
        let (files, bytes) = (count(lacking.blobs.len(), "file"), BinaryBytes(lacking.bytes()));
        text.push_str(&format!("\nto bring: {files} of {} to {host}, {bytes}", parcel.stack));
    }
    for need in &proposal.needs {
        let size = if need.size > 0 { format!(", {}", BinaryBytes(need.size)) } else { String::new() };
        let from = need.origins.first().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
        text.push_str(&format!(
            "\nto bring: image {} to {} from {from}{size}",
            escape::line(&need.reference),
            need.host
        ));
    }
    text.push('\n');
    text
}
