//! Executes single steps of a plan. The executor decides nothing: a step says what to do, and the host state that is held
//! says what networks, volumes and containers are made of. Each action has its own file.

mod create;
mod create_network;
mod create_volume;
mod program;
mod remove;
mod remove_network;
mod remove_tree;
mod remove_volume;
mod rename;
mod start;
mod stop;
mod sync_tree;

use std::sync::Arc;
use std::time::Instant;

use landfast_agent_core::attempts::{Resource, Severity};
use landfast_agent_core::plan::Action;
use landfast_agent_core::reconcile::{StepEnded, StepFailure, StepOutput};

use crate::docker::{Engine, EngineError};
use crate::error_text::in_one_line;
use crate::overlay::{Overlay, OverlayError};
use crate::secrets::{SecretError, Secrets};
use crate::sources::SourceError;
use crate::starts::Starts;
use crate::tree::{TreeError, Trees};
use crate::wire::Held;

/// Executes steps on this host.
pub(crate) struct Executor {
    pub(crate) fleet: String,
    pub(crate) engine: Engine,
    pub(crate) trees: Arc<Trees>,
    pub(crate) secrets: Secrets,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) starts: Arc<Starts>,
}

impl Executor {
    /// Executes one step and reports how it ended.
    pub(crate) async fn run(self: Arc<Self>, action: Action, held: Arc<Held>) -> StepEnded {
        let (generation, begun) = (held.seen.generation, Instant::now());
        let (step, resource) = (action.verb(), action.resource());
        let outcome = self.apply(&action, &held).await;
        let milliseconds = begun.elapsed().as_millis();
        let outcome = outcome.map_err(|error| StepFailure { message: in_one_line(&error), severity: error.severity() });
        match &outcome {
            Ok(_) => tracing::info!(step, %resource, generation, milliseconds, "step done"),
            Err(StepFailure { message, severity }) => {
                tracing::warn!(step, %resource, generation, error = message, ?severity, "step failed");
            }
        }
        StepEnded { action, generation, outcome }
    }

    async fn apply(&self, action: &Action, held: &Held) -> Result<StepOutput, StepError> {
        let mut output = StepOutput::default();
        match action {
            Action::CreateNetwork { network } => create_network::run(self, held, network).await?,
            Action::RemoveNetwork { network } => remove_network::run(self, held, network).await?,
            Action::Program { network, steps } => program::run(self, held, network, steps).await?,
            Action::CreateVolume { volume } => create_volume::run(self, held, volume).await?,
            Action::RemoveVolume { volume } => remove_volume::run(self, volume).await?,
            Action::SyncTree { stack, manifest } => output.kept = Some(sync_tree::run(self, stack, manifest).await?),
            Action::RemoveTree { stack } => output.kept = Some(remove_tree::run(self, stack).await?),
            Action::Create { instance, name, image, partners, previous } => {
                let request = create::Request { instance, name, image, partners, previous: previous.as_deref() };
                output.container = Some(create::run(self, held, request).await?);
            }
            Action::Start { instance, container } => start::run(self, held, instance, container).await?,
            Action::Stop { instance, container, grace } => stop::run(self, instance, container, *grace).await?,
            Action::Remove { container, .. } => remove::run(self, container).await?,
            Action::Rename { container, name, .. } => rename::run(self, container, name).await?,
        }
        Ok(output)
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A port or an address of the container is held by others.
    #[error("{}: stop the holder or choose another ({message})", .owners.join(", "))]
    Taken { message: String, owners: Vec<String> },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    #[error("cannot record whether the commands after the start of the container have run")]
    NotRecorded(#[source] std::io::Error),
    #[error("{0} is no longer part of the host state")]
    NotAssigned(Resource),
}

impl StepError {
    /// Whether another attempt may succeed.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            StepError::Engine(error) => error.severity(),
            StepError::Source(error) => error.severity(),
            StepError::Tree(TreeError::Io { .. })
            | StepError::Secret(_)
            | StepError::NotAssigned(_)
            | StepError::NotRecorded(_) => Severity::Counted,
            StepError::Overlay(OverlayError::NoVxlan { .. } | OverlayError::VniTaken { .. }) => Severity::Final,
            StepError::Overlay(_) => Severity::Counted,
            // An operator has to do something first, and the message says what.
            StepError::Taken { .. } | StepError::Tree(_) => Severity::Final,
        }
    }
}
