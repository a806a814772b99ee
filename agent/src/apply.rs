//! Carries out single steps of a plan. It decides nothing: what to do stands in the step, what it is made of in the host
//! state held.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use landfast_agent_core::attempts::Severity;
use landfast_agent_core::desired::InstanceName;
use landfast_agent_core::observed::Container;
use landfast_agent_core::plan::Action;

use crate::docker::{Engine, EngineError, Hook, Place, chain};
use crate::observe::blocking;
use crate::overlay::{Overlay, OverlayError};
use crate::ports::{self, Processes};
use crate::sources::{self, SourceError};
use crate::starts::Starts;
use crate::tree::{TreeError, Trees};
use crate::wire::{self, Held, Instance, mount};

/// What a step leaves to be remembered.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Done {
    /// The container made, as far as it is known without asking: its id, and what it is.
    pub(crate) container: Option<(String, Container)>,
    /// Files that were kept as they are on the host; absent when the step was not about files.
    pub(crate) kept: Option<Vec<String>>,
}

/// Why a step did not go through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Who is in the way, and the engine's message.
    #[error("{}: stop that or choose another ({message})", .owners.join(", "))]
    Taken { message: String, owners: Vec<String> },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    #[error("cannot note that the commands after its start are not done, or are")]
    Unnoted(#[source] std::io::Error),
    #[error("{0} is no longer part of the host state")]
    Unheld(String),
}

impl StepError {
    pub(crate) fn severity(&self) -> Severity {
        match self {
            StepError::Engine(error) => error.severity(),
            StepError::Source(error) => error.severity(),
            StepError::Tree(TreeError::Io { .. }) | StepError::Unheld(_) | StepError::Unnoted(_) => Severity::Counted,
            StepError::Overlay(OverlayError::NoVxlan { .. } | OverlayError::VniTaken { .. }) => Severity::Final,
            StepError::Overlay(_) => Severity::Counted,
            // People have to do something first, and their message says what.
            StepError::Taken { .. } | StepError::Tree(_) => Severity::Final,
        }
    }
}

/// All that steps are carried out with.
pub(crate) struct Hands {
    pub(crate) fleet: String,
    pub(crate) engine: Engine,
    pub(crate) trees: Arc<Trees>,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) starts: Arc<Starts>,
}

impl Hands {
    pub(crate) async fn apply(&self, action: &Action, held: &Held) -> Result<Done, StepError> {
        let mut done = Done::default();
        match action {
            Action::CreateNetwork { network } => {
                let wanted = held.network(network).ok_or_else(|| unheld(action))?;
                self.engine.create_network(wanted, &self.fleet).await?;
            }
            Action::RemoveNetwork { network } => {
                self.engine.remove_network(network).await?;
                self.overlay.retain(&bridges(held)).await?;
            }
            Action::Program { network, steps } => {
                let wanted = held.desired.networks.get(network).and_then(|network| network.overlay.as_ref());
                let bridge = &wanted.ok_or_else(|| unheld(action))?.bridge;
                for step in steps {
                    self.overlay.apply(bridge, step).await?;
                }
            }
            Action::CreateVolume { volume } => {
                let wanted = held.volume(volume).ok_or_else(|| unheld(action))?;
                self.engine.create_volume(wanted, &self.fleet).await?;
            }
            Action::RemoveVolume { volume } => self.engine.remove_volume(volume).await?,
            Action::SyncTree { stack, manifest } => {
                let (trees, stack, manifest) = (self.trees.clone(), stack.clone(), manifest.clone());
                done.kept = Some(blocking(move || trees.apply(&stack, &manifest)).await?.kept);
            }
            Action::RemoveTree { stack } => {
                let (trees, stack) = (self.trees.clone(), stack.clone());
                blocking(move || trees.remove(&stack)).await?;
                done.kept = Some(Vec::new());
            }
            Action::Create { instance, name, image, partners, previous } => {
                let wanted = held.instance(instance).ok_or_else(|| unheld(action))?;
                let mut place = self.place(wanted, held, name, image).await?;
                place.partners.clone_from(partners);
                if let (Some(previous), Some(container)) = (previous, &wanted.container) {
                    place.inherited = self.engine.inheritance(previous, image, container).await?;
                }
                let created_at = now();
                let id = self.engine.create_container(wanted, &place).await?;
                let joined = partners.values().cloned().collect();
                done.container = Some((id, Container { joined, ..made(instance, held, name, created_at) }));
            }
            Action::Start { instance, container } => {
                let wanted = self.wanted(instance, container, held).await?;
                let files = wanted.map(|it| it.files.as_slice()).unwrap_or_default();
                if !files.is_empty() {
                    self.engine.put_files(container, files).await?;
                }
                let hooks: Vec<Hook> = wanted.into_iter().flat_map(|it| &it.post_start).map(Hook::from).collect();
                if hooks.is_empty() {
                    self.start(instance, container, held).await?;
                } else {
                    self.starts.begin(container).map_err(StepError::Unnoted)?;
                    let ran = self.start_whole(instance, container, held, &hooks).await;
                    self.starts
                        .end(container, ran.as_ref().err().map(|error| chain(error)))
                        .map_err(StepError::Unnoted)?;
                    ran?;
                }
            }
            Action::Stop { container, grace, instance } => {
                if let Err(error) = self.engine.run_hooks_before_stop(container).await {
                    tracing::warn!(instance = %instance, error = chain(&error), "hook before the stop failed");
                }
                self.engine.stop_container(container, *grace).await?;
            }
            Action::Remove { container, .. } => self.engine.remove_container(container).await?,
            Action::Rename { container, name, .. } => self.engine.rename_container(container, name).await?,
        }
        Ok(done)
    }

    async fn start(&self, instance: &InstanceName, container: &str, held: &Held) -> Result<(), StepError> {
        match self.engine.start_container(container).await {
            Ok(()) => self.announce(instance, held),
            Err(error) => return Err(self.explained(error, instance, held).await),
        }
        Ok(())
    }

    /// Starts it and runs what is to be run then.
    async fn start_whole(
        &self,
        instance: &InstanceName,
        container: &str,
        held: &Held,
        hooks: &[Hook],
    ) -> Result<(), StepError> {
        self.start(instance, container, held).await?;
        Ok(self.engine.run_hooks(container, hooks).await?)
    }

    /// Where a container is made: its mounts' sources, and whom it asks for names.
    async fn place(&self, instance: &Instance, held: &Held, name: &str, image: &str) -> Result<Place, StepError> {
        let (trees, wanted) = (self.trees.clone(), instance.clone());
        let sources = blocking(move || mount_sources(&trees, &wanted)).await?;
        let container = instance.container.iter();
        let attached = container.flat_map(|container| &container.networks).filter_map(|it| held.network(&it.network));
        let mut dns = attached.filter(|network| network.overlay.is_some()).map(|network| network.gateway.clone());
        Ok(Place {
            fleet: self.fleet.clone(),
            name: name.to_owned(),
            image: image.to_owned(),
            sources,
            dns: dns.find(|gateway| !gateway.is_empty()),
            partners: BTreeMap::new(),
            inherited: BTreeMap::new(),
        })
    }

    /// What a container that is to be started is made from, where its start takes more than the start: files to be put into
    /// it before, hooks to be run after. Before each start and not once when it is made, as nothing would tell that an agent
    /// ended between the two; and never for an older container, which has its own.
    async fn wanted<'a>(
        &self,
        instance: &InstanceName,
        container: &str,
        held: &'a Held,
    ) -> Result<Option<&'a wire::Container>, EngineError> {
        let Some(Instance { digest, container: Some(wanted), .. }) = held.instance(instance) else { return Ok(None) };
        if wanted.files.is_empty() && wanted.post_start.is_empty() {
            return Ok(None);
        }
        let found = self.engine.inspect_container(container, &self.fleet).await?;
        Ok(matches!(found, Some(Ok(found)) if found.digest == *digest).then_some(wanted))
    }

    /// Tells the others on this host's bridges where the instance's addresses are now. They would find out by themselves,
    /// only later.
    fn announce(&self, instance: &InstanceName, held: &Held) {
        let container = held.instance(instance).and_then(|instance| instance.container.as_ref());
        for attachment in container.iter().flat_map(|container| &container.networks) {
            let overlay = held.desired.networks.get(&attachment.network).and_then(|network| network.overlay.as_ref());
            let (Some(overlay), Ok(address), Ok(mac)) = (overlay, attachment.address.parse(), attachment.mac.parse())
            else {
                continue;
            };
            if let Err(error) = self.overlay.announce(&overlay.bridge, address, mac) {
                tracing::debug!(instance = %instance, error = chain(&error), "address not announced");
            }
        }
    }

    /// Adds who holds the port or address that a start was refused for.
    async fn explained(&self, error: EngineError, instance: &InstanceName, held: &Held) -> StepError {
        let EngineError::Refused { message, .. } = &error else { return error.into() };
        let text = message.to_lowercase();
        let claims = held.desired.instances.get(instance).map(|instance| instance.claims.clone());
        let (true, Some(claims)) = (text.contains("already"), claims) else { return error.into() };
        let Ok(containers) = self.engine.list_containers(&self.fleet).await else { return error.into() };
        let owners =
            blocking(move || ports::owners(&claims, &ports::used(&containers, Processes::Named), &containers)).await;
        if owners.is_empty() {
            return error.into();
        }
        StepError::Taken { message: message.clone(), owners }
    }
}

/// A container just created: enough to go on with before the engine is asked about it.
fn made(instance: &InstanceName, held: &Held, name: &str, created_at: i64) -> Container {
    let desired = held.desired.instances.get(instance).cloned().unwrap_or_default();
    Container {
        name: name.to_owned(),
        instance: instance.clone(),
        digest: desired.digest,
        release: held.instance(instance).map_or(0, |instance| instance.release),
        image: desired.image,
        restart: desired.restart,
        volumes: desired.volumes,
        claims: desired.claims,
        addresses: desired.networks.into_iter().map(|network| (network, String::new())).collect(),
        created_at,
        ..Container::default()
    }
}

/// Unix time in nanoseconds, by the clock the engine uses too.
fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0)
}

/// The bridges that overlays belong on.
fn bridges(held: &Held) -> BTreeSet<String> {
    let overlays = held.desired.networks.values().filter_map(|network| network.overlay.as_ref());
    overlays.map(|overlay| overlay.bridge.clone()).collect()
}

fn unheld(action: &Action) -> StepError {
    StepError::Unheld(action.resource().to_string())
}

/// On the host, of each mount that has one. Makes those folders that are to be made.
fn mount_sources(trees: &Trees, instance: &Instance) -> Result<Vec<Option<PathBuf>>, StepError> {
    let mounts = instance.container.iter().flat_map(|container| &container.mounts);
    let sources = mounts.map(|wanted| match &wanted.source {
        Some(mount::Source::Tree(path)) => Ok(Some(trees.source(&instance.stack, path, wanted.create)?)),
        Some(mount::Source::Host(path)) => {
            let path = PathBuf::from(path);
            sources::prepare(&path, wanted.create)?;
            Ok(Some(path))
        }
        Some(mount::Source::Volume(_) | mount::Source::Memory(_)) | None => Ok(None),
    });
    sources.collect()
}
