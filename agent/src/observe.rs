//! Looks at the host. What was seen is kept, and only what may have changed since is looked at again: a look at a host
//! where nothing happened asks the engine nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use landfast_agent_core::desired::InstanceName;
use landfast_agent_core::observed::{Container, Observed, Tree};

use crate::docker::{Changed, Engine, EngineError, ImageCache, chain, lookup};
use crate::overlay::Overlay;
use crate::started::Started;
use crate::starts::Starts;
use crate::tree::{TreeError, Trees};
use crate::wire::Held;

/// Containers inspected at a time.
const AT_ONCE: usize = 8;

/// What must be looked at again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stale {
    /// Which containers there are, and their states.
    pub(crate) list: bool,
    /// Containers by id, whatever the list says.
    pub(crate) containers: BTreeSet<String>,
    /// All containers.
    pub(crate) inspect: bool,
    pub(crate) networks: bool,
    pub(crate) volumes: bool,
    pub(crate) images: bool,
    pub(crate) trees: bool,
    pub(crate) overlays: bool,
}

impl Stale {
    /// Nothing is known.
    pub(crate) fn all() -> Self {
        let containers = BTreeSet::new();
        Stale {
            list: true,
            containers,
            inspect: true,
            networks: true,
            volumes: true,
            images: true,
            trees: true,
            overlays: true,
        }
    }

    /// What changes without an event.
    pub(crate) fn by_time(&mut self) {
        (self.list, self.networks, self.trees, self.overlays) = (true, true, true, true);
    }

    /// What an event says.
    pub(crate) fn by_event(&mut self, changed: Changed) {
        match changed {
            Changed::Container { id, .. } => {
                self.containers.insert(id);
            }
            Changed::Networks => (self.networks, self.overlays) = (true, true),
            Changed::Volumes => self.volumes = true,
            Changed::Images => self.images = true,
        }
    }
}

/// What is looked at beside the engine.
pub(crate) struct Eyes {
    pub(crate) images: Arc<ImageCache>,
    pub(crate) trees: Arc<Trees>,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) starts: Arc<Starts>,
    pub(crate) started: Started,
}

/// What was seen last.
pub(crate) struct Observer {
    fleet: String,
    engine: Engine,
    eyes: Eyes,
    pub(crate) seen: Observed,
    pub(crate) stale: Stale,
}

impl Observer {
    pub(crate) fn new(fleet: String, engine: Engine, eyes: Eyes) -> Self {
        Observer { fleet, engine, eyes, seen: Observed::default(), stale: Stale::all() }
    }

    /// Looks at what is stale. Containers of `busy` instances are left for later: the engine answers for one only when it
    /// is done with it. What could not be looked at stays stale, see [`Observer::has_waiting`].
    pub(crate) async fn look(
        &mut self,
        held: Option<&Held>,
        busy: impl Fn(&InstanceName) -> bool,
    ) -> Result<(), EngineError> {
        self.containers(held, busy).await?;
        if self.stale.networks {
            self.seen.networks = self.engine.list_networks(&self.fleet).await?;
            self.stale.networks = false;
        }
        if self.stale.volumes {
            self.seen.volumes = self.engine.list_volumes(&self.fleet).await?;
            self.stale.volumes = false;
        }
        if self.stale.images {
            self.seen.images = lookup(&self.engine.list_images(&self.eyes.images).await?);
            self.stale.images = false;
        }
        if self.stale.trees {
            self.trees().await;
            self.stale.trees = false;
        }
        if self.stale.overlays {
            self.overlays(held).await;
            self.stale.overlays = false;
        }
        self.bundles_started_with(held);
        Ok(())
    }

    /// Whether containers of instances that are not busy have still to be looked at.
    pub(crate) fn has_waiting(&self, busy: impl Fn(&InstanceName) -> bool) -> bool {
        self.stale.containers.iter().any(|id| !self.seen.containers.get(id).is_some_and(|seen| busy(&seen.instance)))
    }

    async fn containers(
        &mut self,
        held: Option<&Held>,
        busy: impl Fn(&InstanceName) -> bool,
    ) -> Result<(), EngineError> {
        if self.stale.list {
            self.list().await?;
            (self.stale.list, self.stale.inspect) = (false, false);
        }
        let seen = &self.seen.containers;
        let wanted =
            self.stale.containers.iter().filter(|id| !seen.get(*id).is_some_and(|found| busy(&found.instance)));
        let wanted: Vec<String> = wanted.cloned().collect();
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
            let found = match found {
                // It is being started by somebody else, say: the others need not wait for it.
                Err(EngineError::Slow(_)) => continue,
                found => found?,
            };
            self.stale.containers.remove(&id);
            let before = self.seen.containers.remove(&id);
            self.seen.foreign.remove(&id);
            match found {
                Some(Ok(mut container)) => {
                    container.unfinished = self.eyes.starts.problem(&id);
                    container.output = self.output(&id, &container, before, held).await;
                    self.seen.containers.insert(id, container);
                }
                Some(Err(foreign)) => drop(self.seen.foreign.insert(id, foreign)),
                None => {}
            }
        }
        Ok(())
    }

    /// What a container wrote last, when it is in trouble and is what its instance must be. It is read once for each run.
    async fn output(&self, id: &str, found: &Container, before: Option<Container>, held: Option<&Held>) -> String {
        let desired = held.and_then(|held| held.desired.instances.get(&found.instance));
        if !found.has_trouble() || desired.is_none_or(|desired| desired.digest != found.digest) {
            return String::new();
        }
        let same = |before: &Container| (before.state, before.started_at) == (found.state, found.started_at);
        match before.filter(|before| same(before) && !before.output.is_empty()) {
            Some(before) => before.output,
            None => self.engine.last_lines(id).await,
        }
    }

    /// Which bundle each container that mounts something of its stack's tree was started with.
    fn bundles_started_with(&mut self, held: Option<&Held>) {
        let started = &mut self.eyes.started;
        for (id, container) in &mut self.seen.containers {
            let desired = held.and_then(|held| held.desired.instances.get(&container.instance));
            if container.started_at == 0 || !desired.is_some_and(|desired| desired.mounts_tree) {
                continue;
            }
            let tree = self.seen.trees.get(&container.instance.stack).map(|tree| tree.manifest.as_str());
            let tree = tree.filter(|manifest| !manifest.is_empty());
            container.tree = started.with(id, container.started_at, tree);
        }
        started.save();
        self.eyes.trees.keep_started_with(started.manifests());
    }

    /// Lists all containers; those of ours that are not as they were are to be inspected.
    async fn list(&mut self) -> Result<(), EngineError> {
        let listed = self.engine.list_containers(&self.fleet).await?;
        self.seen.containers.retain(|id, _| listed.contains_key(id));
        self.seen.foreign.clear();
        self.eyes.starts.retain(|id| listed.contains_key(id));
        self.eyes.started.retain(|id| listed.contains_key(id));
        for (id, found) in listed {
            if found.instance.is_none() {
                self.seen.foreign.insert(id, found.foreign);
            } else if self.stale.inspect
                || self
                    .seen
                    .containers
                    .get(&id)
                    .is_none_or(|seen| seen.state != found.state || seen.name != found.foreign.name)
            {
                self.stale.containers.insert(id);
            }
        }
        Ok(())
    }

    /// A tree that cannot be looked at is taken for one that is not what it must be: making it so tells what is wrong.
    async fn trees(&mut self) {
        let trees = self.eyes.trees.clone();
        let seen = blocking(move || {
            let stacks = trees.stacks()?;
            let look = |stack: String| {
                let (manifest, drift) = trees.observe(&stack).unwrap_or_else(|error| {
                    tracing::warn!(stack, error = chain(&error), "live tree not looked at");
                    (None, Vec::new())
                });
                (stack, Tree { manifest: manifest.unwrap_or_default(), drift })
            };
            Ok::<BTreeMap<_, _>, TreeError>(stacks.into_iter().map(look).collect())
        });
        match seen.await {
            Ok(seen) => self.seen.trees = seen,
            Err(error) => tracing::warn!(error = chain(&error), "live trees not looked at"),
        }
    }

    /// An overlay that cannot be read is taken for one with nothing in it: programming it again does no harm.
    async fn overlays(&mut self, held: Option<&Held>) {
        self.seen.overlays.clear();
        for (name, network) in held.iter().flat_map(|held| &held.desired.networks) {
            let Some(overlay) = network.overlay.as_ref().filter(|_| self.seen.networks.contains_key(name)) else {
                continue;
            };
            match self.eyes.overlay.observe(&overlay.bridge).await {
                Ok(found) => drop(self.seen.overlays.insert(name.clone(), found)),
                Err(error) => tracing::warn!(network = %name, error = chain(&error), "overlay not looked at"),
            }
        }
    }
}

/// Runs what blocks where it may. It does not panic, so it is always there to be waited for.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
