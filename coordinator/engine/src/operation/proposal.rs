//! Makes a proposal from the observed fleet and the input of an operation. It changes nothing on the hosts, except that
//! it may pull or build missing images.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use landfast_compose::Diagnostics;
use landfast_core::compile::{self, Compiled, ImageCandidates};
use landfast_core::deployment::Deployment;
use landfast_core::desired::{
    CannotLeave, DesiredInput, HostState, StartManifests, desired, leave, number_incarnations, recreate_broken,
};
use landfast_core::plan::{Action, Comparison, Hindrance, Plan, conflicts, diff, sources, steps_on, without_away};
use landfast_core::pull;

use crate::deliver::{self, BundleSource, Contents, MissingContent};
use crate::images::{Images, Need, Origin};
use crate::observe::{ObservedFleet, drift, examine};
use crate::stack::Source;
use crate::store::Store;
use crate::wire::decode_manifest;
use crate::{Engine, EngineError};

use super::builds::{PlannedBuild, PreparedBuilds};
use super::journal;
use super::pulls::PlannedPull;
use super::releases::{self, Kind, NewRelease, Release};
use super::{Up, builds, pulls};

/// What an operation requests of the fleet.
#[derive(Debug, Default)]
pub(crate) struct ProposalInput {
    /// Deployments of the stacks.
    pub deployments: Vec<Deployment>,
    /// What is done with the deployments.
    pub kind: Kind,
    /// Releases of stacks that are not deployed, but updated or removed.
    pub others: Vec<NewRelease>,
    /// Bundles of the deployments, keyed by stack.
    pub bundles: BTreeMap<String, BundleSource>,
    /// Stacks to remove.
    pub removed: BTreeSet<String>,
    /// Remove the volumes of the removed stacks too.
    pub remove_volumes: bool,
    /// Recreate every container, even if it has not changed.
    pub force_recreate: bool,
    /// Bundles that containers were started with and that differ from the bundles of the target.
    pub started: StartManifests,
    /// Warnings to show with the plan.
    pub warnings: Vec<String>,
    /// Images to build; empty if they have been built.
    pub builds: Vec<PlannedBuild>,
    /// Images to pull; empty if they have been pulled.
    pub pulls: Vec<PlannedPull>,
    /// Images that are never pulled.
    pub offline: BTreeSet<String>,
}

impl ProposalInput {
    /// Whether an image must be built or pulled before the deployment.
    pub(super) fn comes_first(&self, reference: &str) -> bool {
        let built = self.builds.iter().any(|build| build.image == reference);
        built || self.pulls.iter().any(|pull| pull.image == reference)
    }
}

/// The plan of an operation, with everything that is needed to carry it out.
#[derive(Default)]
pub struct Proposal {
    /// The fleet as it was observed before planning.
    pub observed: ObservedFleet,
    /// Steps that lead from the observed state to the target.
    pub plan: Plan,
    /// State of each host after the plan, keyed by host.
    pub target: BTreeMap<String, HostState>,
    /// Releases that the plan makes.
    pub releases: Vec<NewRelease>,
    /// Images that are built first; empty if they have been built.
    pub builds: Vec<PlannedBuild>,
    /// Images that are pulled first; empty if they have been pulled.
    pub pulls: Vec<PlannedPull>,
    /// Images on this machine and on the hosts.
    pub images: Images,
    /// Images that hosts lack, with their possible origins.
    pub needs: Vec<Need>,
    /// Parts of bundles that hosts lack: the host, the bundle and its missing parts.
    pub files: Vec<(String, BundleSource, MissingContent)>,
    /// Steps that are left out because their host is away and was named with `--without`.
    pub owed_steps: Vec<String>,
    /// The operation as other operators see it.
    pub(super) purpose: String,
    /// Builds to carry out for [`Operation::Build`](super::Operation::Build).
    pub(super) prepared: Option<PreparedBuilds>,
}

impl Proposal {
    /// Whether the proposal would change nothing.
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.prepared.is_none()
    }
}

/// What to do about images that are neither on a host nor on this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingImages {
    /// Build or pull them now.
    #[default]
    Pull,
    /// Only report them.
    Warn,
}

impl Engine {
    /// Compiles these sources against the observed fleet: the compose files with every decision made.
    pub(super) async fn compile(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        images: &mut Images,
        sources: Vec<Source>,
        up: &Up,
    ) -> Result<ProposalInput, EngineError> {
        for agent in observed.agents.values() {
            images.add_host(agent.host(), &agent.description().images);
        }
        self.remember_builds(store, images).await?;
        let mut input = ProposalInput::default();
        let references = pulls::references(&sources);
        input.pulls = pulls::due(store, images, &sources, up.now).await?;
        if up.missing_images == MissingImages::Pull && !input.pulls.is_empty() {
            // Mistakes in the files are reported before anything is pulled or built.
            let decided = self.decide(store, observed, &sources, &pulls::undecided(&references)).await?;
            let due = std::mem::take(&mut input.pulls);
            self.pull_due(store, observed, images, &due, &decided, up.now).await?;
        }
        let workshop = self.workshop(images, &observed.agents, &sources).await;
        let chosen = self.choose_builds(images, workshop.as_ref(), &sources, &references, up, &mut input.warnings)?;
        let prepared = self.prepare(chosen, &sources, &mut input.warnings).await?;
        let planned = builds::planned(&prepared, &sources, workshop.as_ref());
        if workshop.is_none() && !prepared.is_empty() && up.missing_images == MissingImages::Warn {
            input
                .warnings
                .push("no engine can build images, neither on this machine nor on a host: `up` will fail".to_owned());
        }
        if up.missing_images == MissingImages::Pull && !prepared.is_empty() {
            self.decide(store, observed, &sources, &pulls::undecided(&references)).await?;
            self.build(store, images, workshop, prepared, &planned).await?;
        } else {
            input.builds = planned;
        }
        let decided = self.decide_images(store, observed, images, &sources, up, &mut input).await?;
        input.offline = pull::never(&sources.iter().map(|source| &source.project).collect::<Vec<_>>());
        for (source, compiled) in sources.into_iter().zip(decided) {
            input.warnings.extend(source.warnings.iter().cloned());
            input.warnings.extend(compiled.warnings.iter().map(ToString::to_string));
            input.deployments.push(compiled.deployment);
            input.bundles.insert(source.stack.clone(), bundle_source(source));
        }
        Ok(input)
    }

    /// Compiles these sources, or returns all their mistakes.
    pub(super) async fn decide(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        sources: &[Source],
        meanings: &BTreeMap<String, ImageCandidates>,
    ) -> Result<Vec<Compiled>, EngineError> {
        let mut deployments = Vec::new();
        let mut decided = Vec::new();
        let mut mistakes = Vec::new();
        let salt = salt()?;
        for source in sources {
            let release = next_number(store, observed, &source.stack).await?;
            let input = compile::Input {
                fleet: &self.folder.fleet,
                stack: &source.stack,
                env: source.env.as_deref(),
                project: &source.project,
                root: &source.root,
                manifest: &source.bundle.manifest,
                manifest_digest: &source.bundle.digest,
                profiles: &source.profiles,
                images: meanings,
                engines: &observed.engines,
                platforms: &observed.platforms,
                abilities: &observed.abilities,
                held: &observed.held,
                found: &observed.found,
                beside: &deployments,
                release,
                salt: &salt,
            };
            match compile::compile(input) {
                Ok(compiled) => {
                    deployments.push(compiled.deployment.clone());
                    decided.push(compiled);
                }
                Err(Diagnostics(found)) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() { Ok(decided) } else { Err(EngineError::Mistakes(Diagnostics(mistakes))) }
    }

    /// Returns what would change so that the fleet matches the input, or what prevents it.
    pub(super) async fn propose_target_of(
        &self,
        store: &dyn Store,
        observed: ObservedFleet,
        images: Images,
        mut input: ProposalInput,
    ) -> Result<Proposal, EngineError> {
        if input.force_recreate {
            input.deployments.iter_mut().for_each(Deployment::force_recreate);
        }
        let ProposalInput { deployments, removed, remove_volumes, .. } = &input;
        let unmanaged = &observed.unmanaged();
        let desired_input = DesiredInput { deployments, removed, remove_volumes: *remove_volumes, unmanaged };
        let mut target = desired(&self.folder.fleet, desired_input, &observed.held);
        input.started = started_with(&observed, &target).await;
        recreate_broken(&input.deployments, &observed.reports, &input.started, &mut target);
        number_incarnations(&input.deployments, &observed.held, &observed.reports, &mut target);
        self.propose_target(store, observed, images, input, target).await
    }

    /// Returns the proposal for a target that is already known, or what prevents it.
    pub(super) async fn propose_target(
        &self,
        store: &dyn Store,
        observed: ObservedFleet,
        images: Images,
        mut input: ProposalInput,
        target: BTreeMap<String, HostState>,
    ) -> Result<Proposal, EngineError> {
        let in_the_way = conflicts(&observed.held, &target, &observed.found);
        if !in_the_way.is_empty() {
            return Err(EngineError::Conflicts(in_the_way));
        }
        let before = self.running(store, &observed, &input).await?;
        let after = input.deployments.iter().map(|one| (one.stack.clone(), one.clone())).collect();
        let (image_ids, now) = (images.ids(&observed.stores), now());
        let planned = |target: &BTreeMap<String, HostState>| {
            diff(Comparison {
                current: &observed.held,
                target,
                before: &before,
                after: &after,
                reports: &observed.reports,
                started: &input.started,
                now,
                image_ids: &image_ids,
                force_recreate: input.force_recreate,
            })
        };
        let mut target = target;
        let mut plan = planned(&target);
        let away: BTreeSet<String> = observed.away.keys().cloned().collect();
        let named = self.named_as_away(&away)?;
        self.check_known(store, &observed, &input, &named).await?;
        let hindered = |hindrance| EngineError::Away { hindrance, reasons: observed.away.values().cloned().collect() };
        let owed_steps = steps_on(&plan, &named);
        if !owed_steps.is_empty() {
            leave(&named, &observed.held, &mut target).map_err(|problem| {
                hindered(match problem {
                    CannotLeave::Moved(instances) => {
                        Hindrance::Moves { instances: instances.iter().map(ToString::to_string).collect() }
                    }
                    CannotLeave::SameAddress { address, instances } => {
                        Hindrance::SameAddress { address, instances: instances.map(|name| name.to_string()).to_vec() }
                    }
                })
            })?;
            plan = planned(&target);
        }
        let owed = without_away(&mut plan, &away, &named, &observed.held, &target).map_err(hindered)?;
        plan.warnings.extend(observed.away.iter().map(|(host, reason)| away_warning(reason, owed.contains(host))));
        plan.warnings.extend(owed_steps.iter().map(|step| format!("not done now, because the host is away: {step}")));
        let bundles = input.bundles.iter().map(|(stack, bundle)| (stack.as_str(), &bundle.manifest)).collect();
        let answers = examine(&observed, sources::places(&plan, &target, &bundles)).await?;
        let missing = sources::missing(&plan, &target, &bundles, &answers);
        if !missing.conflicts.is_empty() {
            return Err(EngineError::Conflicts(missing.conflicts));
        }
        plan.warnings.extend(missing.warnings);
        let drift = observed.reports.iter().flat_map(|(host, report)| drift(host, report));
        // Paths are shown relative to the fleet's folder.
        let above = format!("{}/", self.folder.path.display());
        let found = std::mem::take(&mut input.warnings).into_iter().map(|warning| warning.replace(&above, ""));
        plan.warnings.splice(0..0, found.chain(drift));
        let mut needs = needs(&images, &input);
        needs.retain(|need| !away.contains(&need.host));
        let files = files(&observed, &plan, &input.bundles).await?;
        let ProposalInput { deployments, kind, mut others, builds, pulls, .. } = input;
        others.retain(|other| plan.steps.iter().any(|step| step.action.stack() == Some(&other.release.stack)));
        let new = deployments.iter().map(|one| NewRelease::new(&one.stack, one.release, kind, Some(one)));
        let mut releases = new.collect::<Result<Vec<_>, _>>()?;
        releases.extend(others);
        Ok(Proposal {
            observed,
            plan,
            target,
            releases,
            builds,
            pulls,
            images,
            needs,
            files,
            owed_steps,
            ..Proposal::default()
        })
    }

    /// Returns the hosts that the user named as away.
    ///
    /// # Errors
    /// A named host is not in the fleet, or it answers.
    fn named_as_away(&self, away: &BTreeSet<String>) -> Result<BTreeSet<String>, EngineError> {
        match self.options.without.iter().find(|host| !away.contains(*host)) {
            Some(host) if self.folder.fleet.hosts.contains_key(host) => {
                Err(EngineError::NotAway { host: host.clone() })
            }
            Some(host) => Err(EngineError::NoHost { host: host.clone() }),
            None => Ok(self.options.without.clone()),
        }
    }

    /// Checks that no stack that is deployed may run on a host whose state is only known from the others.
    async fn check_known(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        input: &ProposalInput,
        named: &BTreeSet<String>,
    ) -> Result<(), EngineError> {
        let hosts: BTreeSet<String> = observed.rebuilt.difference(named).cloned().collect();
        if hosts.is_empty() {
            return Ok(());
        }
        let known = releases::by_stack(store).await?;
        match input.deployments.iter().find(|deployment| !known.contains_key(&deployment.stack)) {
            Some(deployment) => {
                let hindrance = Hindrance::NotKnown { stack: deployment.stack.clone(), hosts };
                Err(EngineError::Away { hindrance, reasons: observed.away.values().cloned().collect() })
            }
            None => Ok(()),
        }
    }

    /// Returns the newest release of every stack that the input changes. It determines the order in which instances
    /// stop.
    async fn running(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        input: &ProposalInput,
    ) -> Result<BTreeMap<String, Deployment>, EngineError> {
        let mut running = BTreeMap::new();
        for stack in input.deployments.iter().map(|one| &one.stack).chain(&input.removed) {
            running.extend(last_deployment(store, observed, stack).await?.map(|last| (stack.clone(), last)));
        }
        Ok(running)
    }

    /// Returns an earlier release as the input of a proposal, under a number of its own.
    pub(super) async fn rollback(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        release: Release,
        deployment: Deployment,
    ) -> Result<ProposalInput, EngineError> {
        let earlier = compile::RollbackInput {
            fleet: &self.folder.fleet,
            held: &observed.held,
            beside: &[],
            release: next_number(store, observed, &release.stack).await?,
        };
        let deployment = compile::rollback(earlier, deployment).map_err(EngineError::Mistakes)?;
        let bundle = kept(observed, &release.stack, release.number, &release.manifest).await?;
        let bundles = BTreeMap::from([(release.stack, bundle)]);
        let deployments = vec![deployment];
        Ok(ProposalInput { deployments, bundles, kind: Kind::Rollback, ..ProposalInput::default() })
    }
}

/// Returns the deployment of the newest release of a stack that has one: what was last intended. None if no host that answers has
/// it any more.
pub(super) async fn last_deployment(
    store: &dyn Store,
    observed: &ObservedFleet,
    stack: &str,
) -> Result<Option<Deployment>, EngineError> {
    for release in releases::of_stack(store, stack).await?.iter().rev() {
        match releases::deployment(store, &observed.agents, release).await {
            Ok(None) => {}
            Ok(Some(deployment)) => return Ok(Some(deployment)),
            Err(EngineError::DeploymentGone { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns the number of the next release: greater than any in the history or on a host.
pub(super) async fn next_number(store: &dyn Store, observed: &ObservedFleet, stack: &str) -> Result<u64, EngineError> {
    let recorded = releases::of_stack(store, stack).await?.last().map_or(0, |release| release.number);
    let cut_off = journal::number(store, stack).await?.unwrap_or(0);
    let held = observed.held.values().flat_map(|state| &state.instances).filter(|one| one.name.stack == stack);
    Ok(held.map(|instance| instance.release).max().unwrap_or(0).max(recorded).max(cut_off) + 1)
}

/// Downloads the manifests that containers were started with, where they differ from the manifest of the target. A
/// manifest that no host has any more is left out.
async fn started_with(observed: &ObservedFleet, target: &BTreeMap<String, HostState>) -> StartManifests {
    let mut started = StartManifests::new();
    for (host, report) in &observed.reports {
        let Some(agent) = observed.agents.get(host) else { continue };
        for seen in report.instances.iter().filter(|seen| !seen.tree.is_empty()) {
            let trees = target.get(host).map(|state| state.trees.as_slice()).unwrap_or_default();
            let is_now = trees.iter().any(|tree| tree.stack == seen.name.stack && tree.manifest == seen.tree);
            if is_now || started.contains_key(&seen.tree) {
                continue;
            }
            let encoded = deliver::blob(agent, &seen.tree).await.ok();
            started.extend(encoded.and_then(|it| Some((seen.tree.clone(), decode_manifest(&it)?))));
        }
    }
    started
}

/// Returns the Unix time in nanoseconds.
fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Returns 32 random bytes in hexadecimal.
fn salt() -> Result<String, EngineError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(EngineError::NoRandomness)?;
    Ok(hex::encode(bytes))
}

pub(super) fn bundle_source(source: Source) -> BundleSource {
    let bundle = source.bundle;
    BundleSource {
        stack: source.stack,
        digest: bundle.digest,
        encoded: bundle.encoded,
        manifest: bundle.manifest,
        contents: Contents::Files(bundle.files),
    }
}

/// Finds a host that still has the whole bundle of a release.
async fn kept(observed: &ObservedFleet, stack: &str, release: u64, digest: &str) -> Result<BundleSource, EngineError> {
    for agent in observed.agents.values() {
        let Ok(encoded) = deliver::blob(agent, digest).await else { continue };
        let Some(manifest) = decode_manifest(&encoded) else { continue };
        let contents = Contents::Host(Box::new(agent.clone()));
        let bundle = BundleSource { stack: stack.to_owned(), digest: digest.to_owned(), encoded, manifest, contents };
        if deliver::missing(agent, &bundle).await.is_ok_and(|missing| missing.is_empty()) {
            return Ok(bundle);
        }
    }
    Err(EngineError::BundleGone { stack: stack.to_owned(), release, digest: digest.to_owned() })
}

/// Returns the warning about a host that is away.
fn away_warning(reason: &str, is_owed: bool) -> String {
    let owed = if is_owed { "; it learns of the changed addresses and names with the next run" } else { "" };
    format!("nothing of a host that is away changes{owed}: {reason}")
}

/// Returns the images that the hosts lack, with their possible origins.
fn needs(images: &Images, input: &ProposalInput) -> Vec<Need> {
    let mut all: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (host, more) in input.deployments.iter().flat_map(Deployment::images) {
        all.entry(host).or_default().extend(more);
    }
    let mut needs = images.needs(&all);
    for need in &mut needs {
        if input.offline.contains(&need.reference) {
            need.origins.retain(|origin| *origin != Origin::Registry);
        }
        if input.builds.iter().any(|build| build.image == need.reference) {
            need.origins = vec![Origin::Build];
        }
    }
    needs
}

/// Asks all hosts whose live trees change, at the same time, which parts of the bundles they lack.
async fn files(
    observed: &ObservedFleet,
    plan: &Plan,
    bundles: &BTreeMap<String, BundleSource>,
) -> Result<Vec<(String, BundleSource, MissingContent)>, EngineError> {
    let questions = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Sync { stack } => Some((observed.agents.get(&step.host)?, bundles.get(stack)?)),
        _ => None,
    });
    let asked = questions.map(async |(agent, bundle)| {
        let missing = deliver::missing(agent, bundle).await?;
        Ok::<_, EngineError>((agent.host().to_owned(), bundle.clone(), missing))
    });
    Ok(try_join_all(asked).await?.into_iter().filter(|(_, _, missing)| !missing.is_empty()).collect())
}
