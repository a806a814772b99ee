//! What the loop is told and what it asks for: the assignment, wakes and effects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::snapshot::Changed;
use crate::attempts::Severity;
use crate::desired::{Desired, InstanceName};
use crate::observed::Container;
use crate::peers::{Answer, Question};
use crate::plan::{Action, Plan};

/// The host state to carry out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Epoch of the coordinator that assigned it.
    pub epoch: u64,
    /// Generation of the host state.
    pub generation: u64,
    /// Generation in which each stack was assigned last, by stack. A stack that is assigned again is tried again.
    pub stacks: BTreeMap<String, u64>,
    /// What the host must be.
    pub desired: Arc<Desired>,
}

/// What has a step under way, or a container that waits to be inspected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Names of stacks.
    pub stacks: BTreeSet<String>,
    /// Whether there is something else, which may concern any stack.
    pub others: bool,
}

impl Busy {
    /// Whether nothing is busy.
    pub fn is_idle(&self) -> bool {
        !self.others && self.stacks.is_empty()
    }

    /// Whether nothing is busy that concerns a stack, or the networks of the fleet if the name is empty.
    pub fn is_idle_for(&self, stack: &str) -> bool {
        !self.others && !self.stacks.contains(stack)
    }
}

/// Something that happened, and that makes the loop turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Wake {
    /// A host state was assigned.
    Assigned(Assignment),
    /// The engine answers. It may be another engine than before.
    EngineUp,
    /// The engine does not answer.
    EngineDown,
    /// The engine reports a change.
    EngineEvent(Changed),
    /// Something changed the network devices that overlays are made of.
    Links,
    /// A step ended.
    StepEnded(Box<StepEnded>),
    /// An [`Effect::AskForFabric`] was carried out. A newer fabric has been assigned before.
    AskedForFabric {
        /// Number of other hosts that answered.
        answered: usize,
    },
    /// An [`Effect::AskForHealth`] was carried out.
    AskedForHealth {
        /// LAN address of the host that was asked.
        host: Ipv4Addr,
        /// Instances that it was asked for.
        instances: Vec<InstanceName>,
        /// How the host answered.
        answer: Answer,
    },
    /// The time of the last [`Effect::WakeAt`] has come.
    Timer,
    /// An [`Effect::Observe`] was carried out.
    Observed(Observation),
}

impl Wake {
    /// Names the kind of the wake, for logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Wake::Assigned(_) => "assigned",
            Wake::EngineUp => "engine up",
            Wake::EngineDown => "engine down",
            Wake::EngineEvent(_) => "engine event",
            Wake::Links => "links",
            Wake::StepEnded(_) => "step ended",
            Wake::AskedForFabric { .. } => "asked for the fabric",
            Wake::AskedForHealth { .. } => "asked for health",
            Wake::Timer => "timer",
            Wake::Observed(_) => "observed",
        }
    }
}

/// A step that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct StepEnded {
    /// What the step did.
    pub action: Action,
    /// Generation of the host state that the step was started for.
    pub generation: u64,
    /// Result of the step.
    pub outcome: Result<StepOutput, StepFailure>,
}

/// What a successful step reports beside its success.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepOutput {
    /// Id and contents of the container that was created, as far as they are known without asking the engine.
    pub container: Option<(String, Container)>,
    /// Paths of the files that a sync left unchanged because they were edited on the host; `None` for other steps.
    pub kept: Option<Vec<String>>,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// What was wrong and what to do.
    pub message: String,
    /// Whether another attempt may succeed.
    pub severity: Severity,
}

/// How an observation of the host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Everything that was stale was refreshed, except containers that could not be inspected now.
    Complete,
    /// The engine did not answer. What was not refreshed is still marked stale.
    Failed,
    /// The engine's answer could not be used, so any part of the snapshot may be wrong.
    Unreliable,
}

/// Something for the caller to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Refresh the stale parts of [`State::snapshot`](super::State::snapshot), then turn with [`Wake::Observed`].
    Observe {
        /// What the host must be; empty before the first assignment.
        desired: Arc<Desired>,
        /// Ids of the containers that a step may be working on. The engine answers about them only when it is done with them,
        /// so they are not inspected.
        busy: BTreeSet<String>,
    },
    /// Run a step, then turn with [`Wake::StepEnded`].
    Start(Action),
    /// Ask other hosts for a newer fabric, then turn with [`Wake::AskedForFabric`].
    AskForFabric(Question),
    /// Ask another host what instances do, then turn with [`Wake::AskedForHealth`].
    AskForHealth {
        /// LAN address of the host.
        host: Ipv4Addr,
        /// Names of the instances, at most [`NAMES_AT_ONCE`](crate::peers::NAMES_AT_ONCE).
        instances: Vec<InstanceName>,
    },
    /// Publish a report of the host.
    Publish {
        /// The plan, for what is left to do and what is in the way.
        plan: Plan,
        /// What is not settled yet.
        busy: Busy,
        /// Whether the engine cannot be asked now.
        engine_lost: bool,
    },
    /// Turn with [`Wake::Timer`] at this time. It replaces the time that was set before.
    WakeAt(u64),
}
