//! The networks of the fleet on a host that has just joined: made at once, before anything on the host takes their addresses.

use crate::{CliError, Context};

/// Makes them. The host has joined whatever becomes of this, so what goes wrong is a warning with what to do.
pub(super) async fn make(context: &Context) {
    if let Err((error, hint)) = try_make(context).await {
        let next = hint.unwrap_or_else(|| "the next `landfast up` creates them".to_owned());
        context.printer.warn(&format!("the networks of the fleet are not created yet: {error}; {next}"));
    }
}

/// What went wrong is said with what to do, if that is known.
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
