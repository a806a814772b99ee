//! Sends the files, secrets and images of a rollout to all hosts at the same time, before the rollout stops any container.

use std::sync::Arc;

use futures::future::try_join_all;
use landfast_core::fleet::Fleet;

use crate::deliver;
use crate::event::Listener;
use crate::images;

use super::{Proposal, secrets};
use crate::EngineError;

/// Sends the files, secrets and images that the hosts lack.
pub(super) async fn bring(fleet: &Fleet, proposal: &Proposal, listener: &Arc<dyn Listener>) -> Result<(), EngineError> {
    let files = try_join_all(fleet.hosts.keys().map(|host| files(host, proposal, listener)));
    let images = try_join_all(fleet.hosts.keys().map(|host| images(host, proposal, listener)));
    tokio::try_join!(files, secrets::bring(proposal), images)?;
    Ok(())
}

async fn files(host: &str, proposal: &Proposal, listener: &Arc<dyn Listener>) -> Result<(), EngineError> {
    let Some(agent) = proposal.observed.agents.get(host) else { return Ok(()) };
    for (_, bundle, missing) in proposal.files.iter().filter(|(to, _, _)| to == host) {
        deliver::push(agent, bundle, missing, listener).await?;
    }
    Ok(())
}

/// Sends the images to a host one after another, because one transfer already uses the whole disk and network of a
/// host.
async fn images(host: &str, proposal: &Proposal, listener: &Arc<dyn Listener>) -> Result<(), EngineError> {
    for need in proposal.needs.iter().filter(|need| need.host == host) {
        images::bring(need, &proposal.images, &proposal.observed.agents, listener).await?;
    }
    Ok(())
}
