//! Operations on a fleet. [`Engine::propose`] returns what an operation would do, and [`Engine::carry_out`] does it.

mod bring;
mod builds;
mod carry_out;
mod claims;
mod failure;
mod host_events;
mod journal;
mod proposal;
mod pulls;
pub mod releases;
mod secrets;
mod step_events;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use landfast_core::deployment::Deployment;
use landfast_core::desired::{HostState, remove_host};
use landfast_core::ledger::ledger;
use landfast_core::pull::Policy;

use crate::connect::{Agents, Ask, targets};
use crate::images::Images;
use crate::observe::ObservedFleet;
use crate::store::Store;
use crate::{Engine, EngineError};

pub use builds::{BuildOptions, PlannedBuild};
pub use carry_out::Outcome;
pub use claims::OtherClaim;
pub use failure::FailureReport;
use proposal::ProposalInput;
pub use proposal::{MissingImages, Proposal};
pub use pulls::PlannedPull;
use releases::{Kind, NewRelease};

/// An operation that a user requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Make the hosts match the stacks.
    Up(Up),
    /// Remove stacks from the hosts.
    Down {
        /// Names of the stacks; all of `landfast.toml` if there are none.
        stacks: Vec<String>,
        /// Remove the stacks' volumes too, with all data in them.
        remove_volumes: bool,
    },
    /// Update the files of stacks on the hosts, and leave the containers as they are.
    Sync {
        /// Names of the stacks; all if there are none.
        stacks: Vec<String>,
    },
    /// Deploy an earlier release of a stack again.
    Rollback {
        /// Name of the stack.
        stack: String,
        /// Number of the release; the last successful one before the current one if there is none.
        release: Option<u64>,
    },
    /// Build images, and change nothing on the hosts.
    Build {
        /// Names of the stacks; all if there are none.
        stacks: Vec<String>,
        /// Names of the services; all if there are none.
        services: BTreeSet<String>,
        /// Options of the builds.
        options: BuildOptions,
    },
    /// Remove everything of the fleet from a host, except for volumes, and vacate its addresses.
    RemoveHost {
        /// Name of the host.
        host: String,
        /// Whether the host never returns. It is not asked, and what runs on it is not removed.
        is_lost: bool,
    },
    /// Create the networks of the fleet where they are missing, as on a host that has just joined.
    CreateNetworks,
}

impl Operation {
    /// Names the operation to other operators, as the command that requests it: `up data web`.
    pub fn purpose(&self) -> String {
        let (verb, names) = match self {
            Self::Up(up) => ("up", up.stacks.as_slice()),
            Self::Down { stacks, .. } => ("down", stacks.as_slice()),
            Self::Sync { stacks } => ("sync", stacks.as_slice()),
            Self::Rollback { stack, .. } => ("rollback", std::slice::from_ref(stack)),
            Self::Build { stacks, .. } => ("build", stacks.as_slice()),
            Self::RemoveHost { host, .. } => ("host rm", std::slice::from_ref(host)),
            Self::CreateNetworks => ("host add", [].as_slice()),
        };
        std::iter::once(verb).chain(names.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

/// Options of [`Operation::Up`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Up {
    /// Names of the stacks; all if there are none.
    pub stacks: Vec<String>,
    /// Recreate every container, even if it has not changed.
    pub force_recreate: bool,
    /// Build images again, even if they exist.
    pub build: bool,
    /// Pull policy that replaces the policies of all services.
    pub pull: Option<Policy>,
    /// Time at which the command was given.
    pub now: jiff::Timestamp,
    /// What to do about images that are neither on a host nor on this machine.
    pub missing_images: MissingImages,
}

impl Engine {
    /// Returns what an operation would do. It changes nothing on the hosts, except that [`Operation::Up`] builds and
    /// pulls images that the plan depends on, unless [`MissingImages::Warn`] is set.
    ///
    /// # Errors
    /// [`EngineError`] describes the mistakes in the stacks, or the host that does not answer.
    pub async fn propose(&self, store: &dyn Store, operation: Operation) -> Result<Proposal, EngineError> {
        let purpose = operation.purpose();
        let proposal = match operation {
            Operation::Up(up) => self.propose_up(store, up).await,
            Operation::Down { stacks, remove_volumes } => self.propose_down(store, &stacks, remove_volumes).await,
            Operation::Sync { stacks } => self.propose_sync(store, &stacks).await,
            Operation::Rollback { stack, release } => self.propose_rollback(store, &stack, release).await,
            Operation::Build { stacks, services, options } => {
                self.propose_build(store, &stacks, &services, &options).await
            }
            Operation::RemoveHost { host, is_lost } => self.propose_remove_host(store, &host, is_lost).await,
            Operation::CreateNetworks => {
                let observed = ObservedFleet::survey(self, store).await?;
                self.propose_target_of(store, observed, Images::default(), ProposalInput::default()).await
            }
        };
        proposal.map(|proposal| Proposal { purpose, ..proposal })
    }

    async fn propose_up(&self, store: &dyn Store, up: Up) -> Result<Proposal, EngineError> {
        // The two tasks are independent of each other, so that they run at the same time.
        let (observed, read) =
            tokio::join!(timed("survey", ObservedFleet::survey(self, store)), timed("read", self.read(&up.stacks)));
        let (mut sources, mut images) = read?;
        let observed = observed?;
        if let Some(policy) = up.pull {
            sources.iter_mut().for_each(|source| policy.impose(&mut source.project));
        }
        let force_recreate = up.force_recreate;
        let compiling = self.compile(store, &observed, &mut images, sources, &up);
        let mut input = timed("compile", compiling).await?;
        input.force_recreate = force_recreate;
        timed("propose", self.propose_target_of(store, observed, images, input)).await
    }

    async fn propose_down(
        &self,
        store: &dyn Store,
        stacks: &[String],
        remove_volumes: bool,
    ) -> Result<Proposal, EngineError> {
        let observed = ObservedFleet::survey(self, store).await?;
        let removed = if stacks.is_empty() {
            // Stacks that only the hosts have may belong to another folder. They are removed by name.
            self.folder.fleet.stacks.keys().cloned().collect()
        } else {
            self.known(stacks, &observed)?
        };
        let mut others = Vec::new();
        for stack in &removed {
            let number = proposal::next_number(store, &observed, stack).await?;
            others.push(NewRelease::new(stack, number, Kind::Down, None)?);
        }
        let input = ProposalInput { removed, remove_volumes, others, ..ProposalInput::default() };
        self.propose_target_of(store, observed, Images::default(), input).await
    }

    async fn propose_rollback(
        &self,
        store: &dyn Store,
        stack: &str,
        number: Option<u64>,
    ) -> Result<Proposal, EngineError> {
        // The hosts tell which releases there are.
        let observed = ObservedFleet::survey(self, store).await?;
        let release = releases::earlier(&releases::of_stack(store, stack).await?, stack, number)?;
        let deployment = releases::deployment(store, &observed.agents, &release).await?.unwrap_or_default();
        let references = deployment.instances.values().map(|one| one.container.image.clone()).collect();
        let mut images = Images::here(&self.options.environment, &references).await;
        for agent in observed.agents.values() {
            images.add_host(agent.host(), &agent.description().images);
        }
        let input = self.rollback(store, &observed, release, deployment).await?;
        self.propose_target_of(store, observed, images, input).await
    }

    async fn propose_sync(&self, store: &dyn Store, stacks: &[String]) -> Result<Proposal, EngineError> {
        let (observed, read) = tokio::join!(ObservedFleet::survey(self, store), self.read(stacks));
        let ((sources, images), observed) = (read?, observed?);
        let mut target = observed.held.clone();
        // A host that has missed a change of the fabric gets it now.
        let fabric = ledger(&observed.held);
        target.values_mut().for_each(|state| state.fabric.clone_from(&fabric));
        let mut input = ProposalInput::default();
        for source in sources {
            let bundle = proposal::bundle_source(source);
            point_trees(&mut target, &bundle.stack, &bundle.digest)?;
            let number = proposal::next_number(store, &observed, &bundle.stack).await?;
            let last = proposal::last_deployment(store, &observed, &bundle.stack).await?;
            let manifest_digest = bundle.digest.clone();
            let synced = last.map(|last| Deployment { manifest_digest, release: number, ..last });
            input.others.push(NewRelease::new(&bundle.stack, number, Kind::Sync, synced.as_ref())?);
            input.bundles.insert(bundle.stack.clone(), bundle);
        }
        self.propose_target(store, observed, images, input, target).await
    }

    async fn propose_remove_host(&self, store: &dyn Store, host: &str, is_lost: bool) -> Result<Proposal, EngineError> {
        let config = self.folder.fleet.hosts.get(host);
        let address = config.ok_or_else(|| EngineError::NoHost { host: host.to_owned() })?.address;
        let observed =
            if is_lost { self.survey_without(store, host).await? } else { ObservedFleet::survey(self, store).await? };
        let target = remove_host(host, address, &observed.held, &observed.unmanaged());
        self.propose_target(store, observed, Images::default(), ProposalInput::default(), target).await
    }

    /// Asks all hosts but one, which must not answer.
    async fn survey_without(&self, store: &dyn Store, host: &str) -> Result<ObservedFleet, EngineError> {
        let fleet = &self.folder.fleet;
        let target = targets(fleet).into_iter().filter(|target| target.host == host).collect::<Vec<_>>();
        let found = Agents::connect(&fleet.name, &target, &self.folder.credentials()?, Ask::Described).await;
        if found.get(host).is_some() {
            return Err(EngineError::NotLost { host: host.to_owned() });
        }
        let mut others = self.clone();
        others.folder.fleet.hosts.remove(host);
        ObservedFleet::survey(&others, store).await
    }

    /// Returns the stacks of `landfast.toml`, and those that only the hosts still have.
    fn all_stacks(&self, observed: &ObservedFleet) -> BTreeSet<String> {
        let held = observed.held.values().flat_map(|state| state.trees.iter().map(|tree| tree.stack.clone()));
        self.folder.fleet.stacks.keys().cloned().chain(held).collect()
    }

    /// Checks that each of these stacks is in `landfast.toml` or on a host.
    fn known(&self, stacks: &[String], observed: &ObservedFleet) -> Result<BTreeSet<String>, EngineError> {
        let all = self.all_stacks(observed);
        for stack in stacks.iter().filter(|stack| !all.contains(*stack)) {
            self.folder.stack(stack)?;
        }
        Ok(stacks.iter().cloned().collect())
    }
}

/// Runs a step of an operation, and logs how long it took.
async fn timed<T>(step: &'static str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.await;
    tracing::debug!(step, milliseconds = start.elapsed().as_millis(), "step done");
    done
}

/// Replaces the bundle of the stack by this one on every host that has a live tree of the stack.
fn point_trees(target: &mut BTreeMap<String, HostState>, stack: &str, digest: &str) -> Result<(), EngineError> {
    let trees = target.values_mut().flat_map(|state| &mut state.trees).filter(|tree| tree.stack == stack);
    let mut found = false;
    for tree in trees {
        digest.clone_into(&mut tree.manifest);
        found = true;
    }
    if found { Ok(()) } else { Err(EngineError::NotDeployed { stack: stack.to_owned() }) }
}
