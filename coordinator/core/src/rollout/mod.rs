//! The execution of a plan as a state machine: which host is told what, and when. It sees reports and the time it is
//! given; whoever drives it sends what it says and stores [`State`] before each [`Action::Assign`].
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::HostState;
use crate::plan::Plan;
use crate::report::Report;

/// How far a plan is carried out. Complete: stored and read back, it goes on where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What is carried out.
    pub plan: Plan,
    /// Claimed by this rollout: greater than any host's.
    pub epoch: u64,
    /// By host, what it must be in the end.
    pub target: BTreeMap<String, HostState>,
    /// By host, what it held before.
    pub before: BTreeMap<String, HostState>,
}

impl State {
    /// A rollout that has not begun. `current` is what the hosts hold, `epoch` greater than any of theirs.
    pub fn new(
        plan: Plan,
        current: BTreeMap<String, HostState>,
        target: BTreeMap<String, HostState>,
        epoch: u64,
    ) -> Self {
        Self { plan, epoch, target, before: current }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The driver starts, for the first time or after a crash.
    Start,
    /// A host reported.
    Reported {
        /// Which.
        host: String,
        /// What.
        report: Report,
    },
    /// A host took what it was sent last.
    Assigned {
        /// Which.
        host: String,
    },
    /// A host refused what it was sent last: trying again is of no use.
    AssignFailed {
        /// Which.
        host: String,
        /// Why.
        message: String,
    },
    /// A host cannot be reached; a report says that it can be again.
    Lost {
        /// Which.
        host: String,
    },
    /// Time passed; at least once a second.
    Tick,
    /// The user wants it to end: nothing new is begun.
    Cancel,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send this to the host, once the state returned beside it is stored. At most one is on its way to a host.
    Assign {
        /// Which.
        host: String,
        /// What it must be.
        state: Box<HostState>,
    },
    /// Tell the user.
    Say(ProgressLine),
    /// All is done.
    Done,
    /// It ended before all was done.
    Failed(Failure),
}

/// News of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressLine {
    /// Its place in the plan.
    pub step: usize,
    /// How far it is.
    pub progress: Progress,
}

/// How far a step is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Not begun.
    #[default]
    Waiting,
    /// The host has been told.
    Running {
        /// Unix time in milliseconds.
        since: u64,
        /// What was last seen: `starting, not healthy yet`.
        seen: String,
    },
    /// As it should be.
    Done,
    /// It cannot be.
    Failed {
        /// Why.
        message: String,
    },
}

/// Why a rollout ended before all was done, and what stands where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, the first first.
    pub reasons: Vec<String>,
    /// By step of the plan.
    pub steps: Vec<Progress>,
}

/// What to do about an event. Total: an event that means nothing changes nothing.
pub fn step(state: State, event: Event, now_ms: u64) -> (State, Vec<Action>) {
    let _ = (event, now_ms);
    (state, vec![Action::Done])
}
