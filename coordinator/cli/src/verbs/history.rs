//! `landfast history`: lists the releases of the stacks, newest first.

use crate::contract;
use crate::output::{self, table::table};
use landfast_engine::operation::releases::{self, Release};

use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct HistoryArguments {
    /// Names of stacks; all stacks when none is named
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
}

pub(super) async fn run(context: &Context, args: HistoryArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&[])?;
    let store = context.store_to_read(&engine)?;
    let stacks = engine.folder.stacks(&args.stacks)?;
    engine.learn_history(&*store).await?;
    let mut all = Vec::new();
    for (stack, _) in stacks {
        let releases = releases::of_stack(&*store, stack).await?;
        all.extend(releases.into_iter().rev());
    }
    let printed = if json {
        output::json(&all.iter().map(contract::Release::from).collect::<Vec<_>>())
    } else {
        output::print(&table(
            ["STACK", "RELEASE", "TIME", "ENV", "OPERATION", "INSTANCES", "BUNDLE", "OUTCOME"],
            all.iter().map(row),
        ))
    };
    printed?;
    Ok(Exit::Done)
}

fn row(release: &Release) -> [String; 8] {
    [
        release.stack.clone(),
        release.number.to_string(),
        release.time.clone(),
        release.env.clone().unwrap_or_default(),
        release.operation.to_string(),
        release.instances().to_string(),
        release.manifest.chars().take(12).collect(),
        release.outcome.to_string(),
    ]
}
