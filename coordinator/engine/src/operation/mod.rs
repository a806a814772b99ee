//! The operations of a run: what a command would do is proposed first, and then carried out.

mod bring;
mod builds;
mod carry_out;
mod failure;
mod host_events;
mod journal;
mod proposal;
mod pulls;
pub mod releases;
mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use landfast_core::desired::HostState;
use landfast_core::pull::Policy;

use crate::images::Images;
use crate::observe::Ground;
use crate::store::Store;
use crate::{Engine, EngineError};

pub use builds::{BuildOptions, PlannedBuild};
pub use carry_out::Outcome;
pub use failure::Standing;
pub use proposal::{Proposal, Unknown, Wanted};
pub use pulls::PlannedPull;

/// What `up` and `plan` are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Up {
    /// Every instance is made again, changed or not.
    pub force_recreate: bool,
    /// Images are built again, there or not.
    pub build: bool,
    /// In place of every service's own `pull_policy`.
    pub pull: Option<Policy>,
    /// When the command was given.
    pub now: jiff::Timestamp,
    pub unknown: Unknown,
}

impl Engine<'_> {
    /// What `up` would do about these stacks, or all of them.
    pub async fn propose_up(&self, store: &dyn Store, stacks: &[String], up: Up) -> Result<Proposal, EngineError> {
        // The hosts describe themselves while the folders are read: neither needs the other.
        let (ground, read) = tokio::join!(timed("survey", Ground::survey(self)), timed("read", self.read(stacks)));
        let (mut sources, mut images) = read?;
        let ground = ground?;
        if let Some(policy) = up.pull {
            sources.iter_mut().for_each(|source| policy.impose(&mut source.project));
        }
        let compiling = self.compile(store, &ground, &mut images, sources, up);
        let mut wanted = timed("compile", compiling).await?;
        wanted.force_recreate = up.force_recreate;
        timed("propose", self.propose(store, ground, images, wanted)).await
    }

    /// What `down` would do about these stacks, or all of them.
    pub async fn propose_down(
        &self,
        store: &dyn Store,
        stacks: &[String],
        remove_volumes: bool,
    ) -> Result<Proposal, EngineError> {
        let ground = Ground::survey(self).await?;
        let removed = if stacks.is_empty() { self.all_stacks(&ground) } else { self.known(stacks, &ground)? };
        let wanted = Wanted { removed, remove_volumes, ..Wanted::default() };
        self.propose(store, ground, Images::default(), wanted).await
    }

    /// What `rollback` would do: the stack's earlier release again.
    pub async fn propose_rollback(
        &self,
        store: &dyn Store,
        stack: &str,
        number: Option<u64>,
    ) -> Result<Proposal, EngineError> {
        let release = releases::earlier(&releases::of_stack(store, stack).await?, stack, number)?;
        let references = release.deployment.instances.values().map(|one| one.container.image.clone()).collect();
        let (ground, mut images) =
            tokio::join!(Ground::survey(self), Images::here(&self.options.environment, &references));
        let ground = ground?;
        for agent in ground.agents.values() {
            images.add_host(agent.host(), &agent.description().images);
        }
        let wanted = self.again(store, &ground, release).await?;
        self.propose(store, ground, images, wanted).await
    }

    /// What `sync` would do: these stacks' files and nothing else.
    pub async fn propose_sync(&self, store: &dyn Store, stacks: &[String]) -> Result<Proposal, EngineError> {
        let (ground, read) = tokio::join!(Ground::survey(self), self.read(stacks));
        let ((sources, images), ground) = (read?, ground?);
        let mut target = ground.held.clone();
        let mut wanted = Wanted::default();
        for source in sources {
            let parcel = proposal::parcel(source);
            point_trees(&mut target, &parcel.stack, &parcel.digest)?;
            wanted.parcels.insert(parcel.stack.clone(), parcel);
        }
        self.propose_target(store, ground, images, wanted, target).await
    }

    /// Those of `landfast.toml`, and those that only the hosts know any more.
    fn all_stacks(&self, ground: &Ground) -> BTreeSet<String> {
        let held = ground.held.values().flat_map(|state| state.trees.iter().map(|tree| tree.stack.clone()));
        self.folder.fleet.stacks.keys().cloned().chain(held).collect()
    }

    fn known(&self, stacks: &[String], ground: &Ground) -> Result<BTreeSet<String>, EngineError> {
        let all = self.all_stacks(ground);
        for stack in stacks.iter().filter(|stack| !all.contains(*stack)) {
            self.folder.stack(stack)?;
        }
        Ok(stacks.iter().cloned().collect())
    }
}

/// Traces how long a step of a run took.
async fn timed<T>(step: &'static str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.await;
    tracing::debug!(step, milliseconds = start.elapsed().as_millis(), "step done");
    done
}

/// Wherever the stack has a live tree, it becomes this bundle.
fn point_trees(target: &mut BTreeMap<String, HostState>, stack: &str, digest: &str) -> Result<(), EngineError> {
    let trees = target.values_mut().flat_map(|state| &mut state.trees).filter(|tree| tree.stack == stack);
    let mut found = false;
    for tree in trees {
        digest.clone_into(&mut tree.manifest);
        found = true;
    }
    if found { Ok(()) } else { Err(EngineError::NotDeployed { stack: stack.to_owned() }) }
}
