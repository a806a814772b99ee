//! Observes the host. The snapshot is kept, and only what may have changed since is observed again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use landfast_agent_core::desired::Desired;
use landfast_agent_core::observed::{Container, Observed, Tree};
use landfast_agent_core::reconcile::{Observation, Snapshot};

use crate::docker::{Engine, EngineError, ImageCache, lookup};
use crate::error_text::in_one_line;
use crate::overlay::Overlay;
use crate::started::Started;
use crate::starts::Starts;
use crate::tree::{Seen, TreeError, Trees};

/// Maximum number of containers that are inspected at a time.
const AT_ONCE: usize = 8;

/// Everything that the observer reads, beside the engine.
pub(crate) struct Sources {
    pub(crate) images: Arc<ImageCache>,
    pub(crate) trees: Arc<Trees>,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) starts: Arc<Starts>,
    pub(crate) started: Started,
}

/// Refreshes a snapshot of the host.
pub(crate) struct Observer {
    fleet: String,
    engine: Engine,
    sources: Sources,
}

impl Observer {
    pub(crate) fn new(fleet: String, engine: Engine, sources: Sources) -> Self {
        Observer { fleet, engine, sources }
    }

    /// Refreshes what is stale. The containers `busy` stay stale, as does everything after an error.
    pub(crate) async fn observe(
        &mut self,
        snapshot: &mut Snapshot,
        desired: &Desired,
        busy: &BTreeSet<String>,
    ) -> Observation {
        match self.refresh(snapshot, desired, busy).await {
            Ok(()) => Observation::Complete,
            Err(error) => {
                tracing::warn!(error = in_one_line(&error), "host not observed");
                match error {
                    EngineError::Refused { .. } | EngineError::Unexpected(_) => Observation::Unreliable,
                    _ => Observation::Failed,
                }
            }
        }
    }

    async fn refresh(
        &mut self,
        snapshot: &mut Snapshot,
        desired: &Desired,
        busy: &BTreeSet<String>,
    ) -> Result<(), EngineError> {
        if snapshot.stale.list {
            self.list(snapshot).await?;
        }
        self.inspect(snapshot, desired, busy).await?;
        if snapshot.stale.list {
            // A container that is not in the last list could not be inspected.
            self.list(snapshot).await?;
        }
        self.lists(snapshot).await?;
        let Snapshot { observed, stale } = snapshot;
        if stale.trees {
            self.trees(observed).await;
            stale.trees = false;
        }
        if stale.overlays {
            self.overlays(observed, desired).await;
            stale.overlays = false;
        }
        self.bundles_started_with(observed, desired);
        Ok(())
    }

    /// Lists the other objects of the engine. One list that fails does not prevent the others.
    async fn lists(&self, snapshot: &mut Snapshot) -> Result<(), EngineError> {
        let Snapshot { observed: Observed { networks, volumes, images, unknown, .. }, stale } = snapshot;
        if std::mem::take(&mut stale.networks) {
            match answered(self.engine.list_networks(&self.fleet).await).inspect_err(|_| stale.networks = true)? {
                Ok(found) => (*networks, unknown.networks) = (found, None),
                Err(reason) => unknown.networks = Some(reason),
            }
        }
        if std::mem::take(&mut stale.volumes) {
            match answered(self.engine.list_volumes(&self.fleet).await).inspect_err(|_| stale.volumes = true)? {
                Ok(found) => {
                    (*volumes, unknown.volumes, unknown.volume_drivers) = (found.volumes, None, found.incomplete);
                }
                Err(reason) => unknown.volumes = Some(reason),
            }
        }
        if std::mem::take(&mut stale.images) {
            let listed = self.engine.list_images(&self.sources.images).await;
            match answered(listed).inspect_err(|_| stale.images = true)? {
                Ok(found) => {
                    (*images, unknown.image_list, unknown.images) = (lookup(&found.images), None, found.unknown)
                }
                Err(reason) => unknown.image_list = Some(reason),
            }
        }
        Ok(())
    }

    /// Lists all containers, and forgets what was recorded of those that are gone.
    async fn list(&mut self, snapshot: &mut Snapshot) -> Result<(), EngineError> {
        let listed = self.engine.list_containers(&self.fleet).await?;
        self.sources.starts.retain(|id| listed.contains_key(id));
        self.sources.started.retain(|id| listed.contains_key(id));
        snapshot.apply_list(listed);
        Ok(())
    }

    /// Inspects the stale containers.
    async fn inspect(
        &self,
        snapshot: &mut Snapshot,
        desired: &Desired,
        busy: &BTreeSet<String>,
    ) -> Result<(), EngineError> {
        let wanted: Vec<String> = snapshot.to_inspect(busy).cloned().collect();
        let (engine, fleet) = (&self.engine, &self.fleet);
        let found = stream::iter(wanted)
            .map(async |id| {
                let found = engine.inspect_container(&id, fleet).await;
                (id, found)
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        for (id, found) in found {
            // Another client may be starting this container, or the engine has lost a part of it. The others need not wait.
            let found = match answered(found)? {
                Ok(found) => found,
                Err(reason) => {
                    tracing::warn!(container = id, reason, "container not inspected");
                    snapshot.not_inspected(&id, reason);
                    continue;
                }
            };
            let before = snapshot.observed.containers.remove(&id);
            let mut found = found.and_then(Result::ok);
            if let Some(container) = &mut found {
                container.unfinished = self.sources.starts.problem(&id);
                container.output = self.output(&id, container, before, desired).await;
            }
            snapshot.inspected(&id, found);
        }
        Ok(())
    }

    /// Last lines that a container wrote, if it has trouble and is what its instance must be. They are read once for each
    /// run of the container.
    async fn output(&self, id: &str, found: &Container, before: Option<Container>, desired: &Desired) -> String {
        let desired = desired.instances.get(&found.incarnation_in(desired));
        if !found.has_trouble() || desired.is_none_or(|desired| desired.digest != found.digest) {
            return String::new();
        }
        let same = |before: &Container| (before.state, before.started_at) == (found.state, found.started_at);
        match before.filter(|before| same(before) && !before.output.is_empty()) {
            Some(before) => before.output,
            None => self.engine.last_lines(id).await,
        }
    }

    /// Records which bundle each container that mounts part of its stack's tree was started with.
    fn bundles_started_with(&mut self, observed: &mut Observed, desired: &Desired) {
        let started = &mut self.sources.started;
        for (id, container) in &mut observed.containers {
            let desired = desired.instances.get(&container.incarnation_in(desired));
            if container.started_at == 0 || !desired.is_some_and(|desired| desired.mounts_tree) {
                continue;
            }
            let tree = observed.trees.get(&container.instance.stack).map(|tree| tree.manifest.as_str());
            let tree = tree.filter(|manifest| !manifest.is_empty());
            container.tree = started.with(id, container.started_at, tree);
        }
        started.save();
        self.sources.trees.keep_started_with(started.manifests());
    }

    /// Observes the live trees. One that cannot be read counts as one that differs from its bundle, so that the sync of it
    /// reports what is wrong.
    async fn trees(&self, observed: &mut Observed) {
        let (trees, mut before) = (self.sources.trees.clone(), observed.trees.clone());
        let seen = blocking(move || {
            let stacks = trees.stacks()?;
            let look = |stack: String| {
                let seen = trees.observe(&stack).unwrap_or_else(|error| {
                    tracing::warn!(stack, error = in_one_line(&error), "live tree not observed");
                    Seen::default()
                });
                let before = before.remove(&stack).unwrap_or_default();
                let drift = seen.drift.unwrap_or(before.drift);
                (stack, Tree { manifest: seen.manifest.unwrap_or_default(), drift, progress: seen.progress })
            };
            Ok::<BTreeMap<_, _>, TreeError>(stacks.into_iter().map(look).collect())
        });
        match seen.await {
            Ok(seen) => observed.trees = seen,
            Err(error) => tracing::warn!(error = in_one_line(&error), "live trees not observed"),
        }
    }

    /// Observes the overlays. One that cannot be read counts as empty, because programming it again does no harm.
    async fn overlays(&self, observed: &mut Observed, desired: &Desired) {
        observed.overlays.clear();
        for (name, network) in &desired.networks {
            let Some(overlay) = network.overlay.as_ref().filter(|_| observed.networks.contains_key(name)) else {
                continue;
            };
            match self.sources.overlay.observe(&overlay.bridge).await {
                Ok(found) => drop(observed.overlays.insert(name.clone(), found)),
                Err(error) => tracing::warn!(network = %name, error = in_one_line(&error), "overlay not observed"),
            }
        }
    }
}

/// Separates an engine that is gone, which fails the whole observation, from one that answers badly to a single request,
/// which fails a part of it for this reason.
fn answered<T>(answer: Result<T, EngineError>) -> Result<Result<T, String>, EngineError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error @ EngineError::Unreachable { .. }) => Err(error),
        Err(error) => Ok(Err(in_one_line(&error))),
    }
}

/// Runs blocking work on a thread where it may block, and waits for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
