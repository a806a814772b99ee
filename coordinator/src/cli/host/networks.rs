//! The networks of the fleet on a host that has just joined: made at once, before anything on the host takes their addresses.

use super::super::{CliError, Context};

/// Makes them. The host has joined whatever becomes of this, so what goes wrong is a warning with what to do.
pub(super) async fn make(context: &Context) -> Result<(), CliError> {
    let engine = context.engine(&[])?;
    let store = context.store(&engine)?;
    if let Err(error) = engine.make_networks(&*store).await {
        let next = error.hint().unwrap_or_else(|| "the next `landfast up` makes them".to_owned());
        context.listener.warn(&format!("the networks of the fleet are not made yet: {error}; {next}"));
    }
    Ok(())
}
