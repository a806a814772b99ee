//! `landfast recover`: fills the local store with what the hosts know. A damaged store is moved away first.

use std::path::PathBuf;

use landfast_engine::EngineError;
use landfast_engine::folder::FleetFolder;
use landfast_engine::operation::releases::Recovered;
use landfast_engine::store::{Store, StoreError};

use crate::contract;
use crate::output::{self, count, words};
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct RecoverArguments {}

pub(super) async fn run(context: &Context, _args: RecoverArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&[])?;
    let (store, moved) = opened(&engine.folder)?;
    if let Some(moved) = &moved {
        context.message(&format!("the damaged store is now {}\n", moved.display()));
    }
    let recovered = engine.recover(&*store).await?;
    if json {
        output::json(&contract::Recovered::from(&recovered))?;
    } else {
        context.message(&sentence(&recovered));
    }
    Ok(Exit::Done)
}

/// Opens the store. A damaged one is moved away, and its new path is returned.
fn opened(folder: &FleetFolder) -> Result<(Box<dyn Store>, Option<PathBuf>), CliError> {
    match folder.store_for("recover") {
        Err(StoreError::Damaged { .. }) => {
            let path = folder.store_path();
            let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
            let moved = path.with_extension(format!("damaged-{time}"));
            std::fs::rename(&path, &moved)
                .map_err(|error| CliError::failed(format!("{} cannot be moved", path.display()), error))?;
            Ok((folder.store_for("recover").map_err(EngineError::Store)?, Some(moved)))
        }
        opened => Ok((opened.map_err(EngineError::Store)?, None)),
    }
}

fn sentence(recovered: &Recovered) -> String {
    let releases = recovered.stacks.values().sum();
    let mut text = format!(
        "the store knows {} of {}, and what {} hold\n",
        count(releases, "release"),
        count(recovered.stacks.len(), "stack"),
        count(recovered.hosts, "host")
    );
    if !recovered.without_deployment.is_empty() {
        let gone = words::releases(&recovered.without_deployment);
        text += &format!("no host that answers can restore {gone}\n");
    }
    text
}
