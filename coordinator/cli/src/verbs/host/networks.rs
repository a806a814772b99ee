//! Creates the networks of the fleet on a host that has just joined, before anything else on the host uses their
//! addresses.

use crate::{CliError, Context};

/// Creates the networks. The host has already joined, so a failure is only a warning with a hint.
pub(super) async fn make(context: &Context) {
    if let Err((error, hint)) = try_make(context).await {
        let next = hint.unwrap_or_else(|| "the next `landfast up` creates them".to_owned());
        context.printer.warn(&format!("the networks of the fleet are not created yet: {error}; {next}"));
    }
}

/// Creates the networks. An error contains the message and, if there is one, a hint.
async fn try_make(context: &Context) -> Result<(), (String, Option<String>)> {
    let plain = |error: CliError| (error.to_string(), None);
    let engine = context.engine(&[]).map_err(plain)?;
    let store = context.store(&engine).map_err(plain)?;
    engine
        .create_networks(&*store, context.signals.graceful())
        .await
        .map_err(|error| (error.to_string(), error.hint()))?;
    Ok(())
}
