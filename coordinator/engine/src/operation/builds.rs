//! The image builds of an operation: which images are built, whether everything that they need exists, and their
//! results.

use std::collections::{BTreeMap, BTreeSet};

use landfast_compose::Diagnostics;
use landfast_core::bundle::EnvFiles;
use landfast_core::image_build::{
    Build, BuildSelectionInput, Builder as Place, Candidate, Context, NoCache, RequestedBuilds, builder, choose,
    merge_equal,
};
use landfast_core::plan::Plan;

use crate::connect::{Agent, Ask};
use crate::event::Event;
use crate::image_build::{self, BuildError, Builder, BuilderAddress, Logins, Prepared, env_files_in, prepare};
use crate::images::Images;
use crate::observe::{ObservedFleet, api};
use crate::stack::Source;
use crate::store::Store;
use crate::{Engine, EngineError};

use super::{Proposal, Up};

/// Options of `landfast build`, which apply in addition to the compose files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Build without the cache.
    pub no_cache: bool,
    /// Pull the base images, even if they exist.
    pub pull: bool,
    /// Build arguments, keyed by name.
    pub args: BTreeMap<String, String>,
}

/// An image build that is done before everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedBuild {
    /// Reference of the image.
    pub image: String,
    /// Name of the stack.
    pub stack: String,
    /// Name of the service.
    pub service: String,
    /// Build context; relative to the stack's folder if it is inside that folder.
    pub context: String,
    /// Number of files in the context.
    pub files: usize,
    /// Total size of these files in bytes.
    pub bytes: u64,
    /// Name of the host that builds the image; this machine if it is `None`.
    pub host: Option<String>,
}

/// Prefix of the records that hold the fingerprint of the last build of each reference. Hosts and engines do not report
/// whether an image was built.
const RECORDS: &str = "builds/";

/// A selected build, and the index of its stack in the sources.
pub(super) struct Chosen {
    source: usize,
    build: Build,
}

/// A build whose files have been checked, and the index of its stack in the sources.
pub(super) struct Ready {
    source: usize,
    prepared: Prepared,
}

/// The engine that builds the images of an operation.
pub(super) struct Workshop {
    builder: Builder,
    /// Host of the engine; this machine if it is `None`.
    host: Option<Agent>,
}

/// Builds of a proposal, with the engine that carries them out.
pub(super) struct PreparedBuilds {
    workshop: Option<Workshop>,
    ready: Vec<Ready>,
}

impl Workshop {
    fn has(&self, images: &Images, reference: &str) -> bool {
        self.host.as_ref().map_or_else(|| images.is_here(reference), |agent| images.is_on(agent.host(), reference))
    }
}

impl Engine {
    /// Proposes the builds of these services, or of all services of these stacks.
    pub(super) async fn propose_build(
        &self,
        store: &dyn Store,
        stacks: &[String],
        services: &BTreeSet<String>,
        options: &BuildOptions,
    ) -> Result<Proposal, EngineError> {
        let (sources, mut images) = self.read(stacks).await?;
        let observed = match api_here(&images).await {
            Some(_) => ObservedFleet::default(),
            None => ObservedFleet::survey(self, store).await?,
        };
        for agent in observed.agents.values() {
            images.add_host(agent.host(), &agent.description().images);
        }
        let workshop = self.workshop(&images, &observed.agents, &sources).await;
        let asked = if services.is_empty() { RequestedBuilds::All } else { RequestedBuilds::Services(services) };
        let mut plan = Plan::default();
        let mut chosen = choose_all(&images, workshop.as_ref(), &sources, &BTreeSet::new(), asked, &mut plan.warnings)?;
        for Chosen { build, .. } in &mut chosen {
            build.pull |= options.pull;
            build.args.extend(options.args.clone());
            if options.no_cache {
                build.no_cache = NoCache::All;
            }
        }
        let ready = self.prepare(chosen, &sources, &mut plan.warnings).await?;
        let builds = planned(&ready, &sources, workshop.as_ref());
        let prepared = (!ready.is_empty()).then_some(PreparedBuilds { workshop, ready });
        Ok(Proposal { observed, plan, builds, images, prepared, ..Proposal::default() })
    }

    /// Carries out the builds of a proposal. Returns the references of the images.
    pub(super) async fn carry_out_builds(
        &self,
        store: &dyn Store,
        mut images: Images,
        prepared: PreparedBuilds,
        planned: &[PlannedBuild],
    ) -> Result<Vec<String>, EngineError> {
        let built = prepared.ready.iter().map(|one| one.prepared.build.image.clone()).collect();
        self.build(store, &mut images, prepared.workshop, prepared.ready, planned).await?;
        Ok(built)
    }

    /// Selects the engine that builds. Returns `None` if no service has a build, or no engine can build.
    pub(super) async fn workshop(
        &self,
        images: &Images,
        agents: &BTreeMap<String, Agent>,
        sources: &[Source],
    ) -> Option<Workshop> {
        let mut services = sources.iter().flat_map(|source| source.project.services.values());
        if !services.any(|service| service.build.is_some()) {
            return None;
        }
        let here = api_here(images).await;
        let candidates = agents.values().filter_map(|agent| {
            let description = agent.description();
            let api = api(&description.engine.as_ref()?.api_version)?;
            Some(Candidate { host: agent.host(), api, free: description.disk_free })
        });
        let candidates = candidates.collect::<Vec<_>>();
        let logins = Logins::read(&self.options.environment, &self.listener);
        match builder(here, &candidates)? {
            Place::Here => {
                let engine = images.engine()?.clone();
                let builder = Builder { address: engine.builder_address()?, api: here?, engine: Some(engine), logins };
                Some(Workshop { builder, host: None })
            }
            Place::Host(host) => {
                let agent = agents.get(host)?.clone();
                let api = candidates.iter().find(|candidate| candidate.host == host)?.api;
                let address = BuilderAddress::Host(Box::new(agent.clone()));
                Some(Workshop { builder: Builder { address, api, engine: None, logins }, host: Some(agent) })
            }
        }
    }

    /// Selects the builds of these sources for `up`.
    pub(super) fn choose_builds(
        &self,
        images: &Images,
        workshop: Option<&Workshop>,
        sources: &[Source],
        references: &BTreeSet<String>,
        up: &Up,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Chosen>, EngineError> {
        let missing = images.resolve(references).unknown;
        let asked = if up.build { RequestedBuilds::All } else { RequestedBuilds::None };
        choose_all(images, workshop, sources, &missing, asked, warnings)
    }

    /// Adds the recorded builds to the images.
    pub(super) async fn remember_builds(&self, store: &dyn Store, images: &mut Images) -> Result<(), EngineError> {
        for (key, record) in store.range(RECORDS).await? {
            let reference = key.strip_prefix(RECORDS).unwrap_or_default();
            images.remember(reference, String::from_utf8_lossy(&record.value).into_owned());
        }
        Ok(())
    }

    /// Checks the files that the builds name, and returns all mistakes at once.
    pub(super) async fn prepare(
        &self,
        chosen: Vec<Chosen>,
        sources: &[Source],
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Ready>, EngineError> {
        let mut ready = Vec::new();
        let mut mistakes = Vec::new();
        for Chosen { source, build } in chosen {
            let env_files = sources.get(source).map(|source| source.env_files.clone()).unwrap_or_default();
            let looked = tokio::task::spawn_blocking(move || prepare(build, env_files)).await;
            // A task fails only if it panics. The panic continues here.
            match looked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
                Ok(prepared) => {
                    warnings.extend(prepared.warnings.iter().map(ToString::to_string));
                    ready.push(Ready { source, prepared });
                }
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() { Ok(ready) } else { Err(EngineError::Mistakes(Diagnostics(mistakes).united())) }
    }

    /// Reports the planned builds, carries them out, and adds the results to the images.
    pub(super) async fn build(
        &self,
        store: &dyn Store,
        images: &mut Images,
        workshop: Option<Workshop>,
        ready: Vec<Ready>,
        planned: &[PlannedBuild],
    ) -> Result<(), EngineError> {
        if ready.is_empty() {
            return Ok(());
        }
        planned.iter().for_each(|build| self.listener.report(Event::BuildPlanned(build.clone())));
        let built = references(&ready);
        let nowhere = || BuildError::NoBuilder { images: built.iter().cloned().collect() };
        let workshop = workshop.ok_or_else(nowhere)?;
        image_build::build(&workshop.builder, ready.into_iter().map(|one| one.prepared).collect(), &self.listener)
            .await?;
        let gone = |reference: &String| BuildError::NotInEngine { image: reference.clone() };
        match &workshop.host {
            None => {
                let engine = images.engine().cloned().ok_or_else(nowhere)?;
                for reference in &built {
                    let image = engine.image(reference).await.ok_or_else(|| gone(reference))?;
                    images.built_here(reference, image);
                }
            }
            Some(agent) => {
                let description = agent.describe(Ask::Described).await;
                let description = description.map_err(|error| EngineError::Host {
                    host: agent.host().to_owned(),
                    step: "build",
                    problem: error.to_string(),
                })?;
                let lost =
                    built.iter().find(|reference| !images.built_on(agent.host(), reference, &description.images));
                lost.map_or(Ok(()), |reference| Err(gone(reference)))?;
            }
        }
        for (reference, fingerprint) in images.all_built() {
            let record = store.overwrite(format!("{RECORDS}{reference}"), fingerprint.clone().into_bytes()).await?;
            store.txn(vec![record]).await?;
        }
        Ok(())
    }
}

async fn api_here(images: &Images) -> Option<(u32, u32)> {
    let engine = images.engine()?;
    engine.builder_address()?;
    api(&engine.api_version().await?)
}

fn choose_all(
    images: &Images,
    workshop: Option<&Workshop>,
    sources: &[Source],
    missing: &BTreeSet<String>,
    asked: RequestedBuilds<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Chosen>, EngineError> {
    let mut chosen = Vec::new();
    let mut mistakes = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let services = source.project.services.values();
        let there = services
            .filter_map(|service| service.image.clone())
            .filter(|image| workshop.is_some_and(|shop| shop.has(images, image)));
        let there = there.collect();
        match choose(&source.project, BuildSelectionInput { asked, missing, there: &there }) {
            Ok(builds) => {
                warnings.extend(builds.warnings.iter().map(ToString::to_string));
                chosen.extend(builds.builds.into_iter().map(|build| ((at, sent_to(source, &build)), build)));
            }
            Err(Diagnostics(found)) => mistakes.extend(found),
        }
    }
    // Stacks may share an image if they have the same environment: the context excludes the env files of others.
    let (united, differing) = merge_equal(chosen, |(_, first), (_, other)| first == other);
    mistakes.extend(differing);
    let chosen = united.into_iter().map(|((source, _), build)| Chosen { source, build }).collect();
    if mistakes.is_empty() { Ok(chosen) } else { Err(EngineError::Mistakes(Diagnostics(mistakes))) }
}

/// Returns, for each folder of a build, the rules that decide which of its env files are sent.
fn sent_to(source: &Source, build: &Build) -> Vec<EnvFiles> {
    let others = build.contexts.values().filter_map(|context| match context {
        Context::Folder(folder) => Some(folder),
        _ => None,
    });
    std::iter::once(&build.context).chain(others).map(|folder| env_files_in(&source.env_files, folder)).collect()
}

/// Describes the builds for a plan.
pub(super) fn planned(ready: &[Ready], sources: &[Source], workshop: Option<&Workshop>) -> Vec<PlannedBuild> {
    let host = workshop.and_then(|workshop| workshop.host.as_ref()).map(|agent| agent.host().to_owned());
    let planned = ready.iter().filter_map(|Ready { source, prepared }| {
        let source = sources.get(*source)?;
        Some(PlannedBuild {
            image: prepared.build.image.clone(),
            stack: source.stack.clone(),
            service: prepared.build.service.clone(),
            context: prepared.context_from(&source.root),
            files: prepared.files,
            bytes: prepared.bytes,
            host: host.clone(),
        })
    });
    planned.collect()
}

pub(super) fn references(ready: &[Ready]) -> BTreeSet<String> {
    ready.iter().map(|one| one.prepared.build.image.clone()).collect()
}
