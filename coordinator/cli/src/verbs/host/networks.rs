//! Creates the networks of the fleet on a host that has just joined, before anything else on the host uses their
//! addresses.

use crate::{CliError, Context};

/// Creates the networks. The host has already joined, so a failure is only a warning.
pub(super) async fn make(context: &Context) {
    if let Err(error) = try_make(context).await {
        let next = "the next `landfast up` creates them";
        context.printer.warn(&format!("the networks of the fleet are not created yet: {error}; {next}"));
    }
}

async fn try_make(context: &Context) -> Result<(), CliError> {
    let engine = context.engine(&[])?;
    let store = context.store(&engine, "host add", tokio::time::Instant::now()).await?;
    engine.create_networks(&*store, context.signals.graceful()).await?;
    Ok(())
}
