//! Starts a container: puts its files into it, starts it, announces its addresses, and runs the commands that belong to the
//! start.

use landfast_agent_core::desired::Incarnation;

use super::{Executor, StepError};
use crate::docker::{EngineError, Hook, PlacedContents};
use crate::error_text::in_one_line;
use crate::observe::blocking;
use crate::ports::{self, Processes};
use crate::wire::{self, Held, Instance};

pub(super) async fn run(
    executor: &Executor,
    held: &Held,
    instance: &Incarnation,
    container: &str,
) -> Result<(), StepError> {
    let wanted = extras(executor, held, instance, container).await?;
    let files = wanted.map(|it| it.files.as_slice()).unwrap_or_default();
    if !files.is_empty() {
        executor.engine.put_files(container, &placed(executor, files)?).await?;
    }
    let hooks: Vec<Hook> = wanted.into_iter().flat_map(|it| &it.post_start).map(Hook::from).collect();
    if hooks.is_empty() {
        return start(executor, held, instance, container).await;
    }
    executor.starts.begin(container).map_err(StepError::NotRecorded)?;
    let ran = start_with_hooks(executor, held, instance, container, &hooks).await;
    let failure = ran.as_ref().err().map(|error| in_one_line(error));
    executor.starts.end(container, failure).map_err(StepError::NotRecorded)?;
    ran
}

/// Returns the files with their contents.
fn placed<'a>(executor: &Executor, files: &'a [wire::PlacedFile]) -> Result<Vec<PlacedContents<'a>>, StepError> {
    let with_contents = |file| Ok(PlacedContents { file, contents: executor.secrets.contents(file)? });
    files.iter().map(with_contents).collect()
}

/// Returns the description of the container when files are to be put into it before its start, or commands are to be run
/// after it.
///
/// Both happen at each start and not once after the creation, because the engine does not record whether an agent ended
/// between the two. They are skipped for a container that is not of the desired digest: it was made from other files.
async fn extras<'a>(
    executor: &Executor,
    held: &'a Held,
    instance: &Incarnation,
    container: &str,
) -> Result<Option<&'a wire::Container>, EngineError> {
    let Some(Instance { digest, container: Some(wanted), .. }) = held.instance(instance) else { return Ok(None) };
    if wanted.files.is_empty() && wanted.post_start.is_empty() {
        return Ok(None);
    }
    let found = executor.engine.inspect_container(container, &executor.fleet).await?;
    Ok(matches!(found, Some(Ok(found)) if found.digest == *digest).then_some(wanted))
}

async fn start_with_hooks(
    executor: &Executor,
    held: &Held,
    instance: &Incarnation,
    container: &str,
    hooks: &[Hook],
) -> Result<(), StepError> {
    start(executor, held, instance, container).await?;
    Ok(executor.engine.run_hooks(container, hooks).await?)
}

async fn start(executor: &Executor, held: &Held, instance: &Incarnation, container: &str) -> Result<(), StepError> {
    match executor.engine.start_container(container).await {
        Ok(()) => announce(executor, held, instance),
        Err(error) => return Err(with_owners(executor, held, instance, error).await),
    }
    Ok(())
}

/// Announces on this host's bridges where the addresses of the instance are now. The neighbours would find out without it,
/// but later.
fn announce(executor: &Executor, held: &Held, instance: &Incarnation) {
    let container = held.instance(instance).and_then(|instance| instance.container.as_ref());
    for attachment in container.iter().flat_map(|container| &container.networks) {
        let overlay = held.desired.networks.get(&attachment.network).and_then(|network| network.overlay.as_ref());
        let (Some(overlay), Ok(address), Ok(mac)) = (overlay, attachment.address.parse(), attachment.mac.parse())
        else {
            continue;
        };
        if let Err(error) = executor.overlay.announce(&overlay.bridge, address, mac) {
            tracing::debug!(instance = %instance, error = in_one_line(&error), "address not announced");
        }
    }
}

/// Adds to a refused start who holds the port or the address that it asks for.
async fn with_owners(executor: &Executor, held: &Held, instance: &Incarnation, error: EngineError) -> StepError {
    let EngineError::Refused { message, .. } = &error else { return error.into() };
    let text = message.to_lowercase();
    let claims = held.desired.instances.get(instance).map(|instance| instance.claims.clone());
    let (true, Some(claims)) = (text.contains("already"), claims) else { return error.into() };
    let Ok(containers) = executor.engine.list_containers(&executor.fleet).await else { return error.into() };
    let owners =
        blocking(move || ports::owners(&claims, &ports::used(&containers, Processes::Named), &containers)).await;
    if owners.is_empty() {
        return error.into();
    }
    StepError::Taken { message: message.clone(), owners }
}
