//! The execution of a plan as a state machine: which host is told what, and when. It sees reports and the time it is
//! given; whoever drives it sends what it says and stores [`State`] before each [`Action::Assign`].
//!
//! The plan holds the order; this only sees that it holds. A step is released when all before it are done and what it
//! waits for is true; then its host is told (`host_state_at`), and reports say how it went (`step_status`). At the first
//! failure nothing more is released, and what is under way comes to its end.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::HostState;
use crate::plan::Plan;
use crate::report::Report;

mod advance;
mod events;
mod host_state_at;
mod shared_namespace;
mod step_status;

/// How long a host may be out of reach, or an assignment unanswered, before the rollout gives up: in milliseconds.
pub const HOST_TIMEOUT_MS: u64 = 120_000;
/// How long a rollout that has failed waits for what is under way.
pub const FAILURE_GRACE_MS: u64 = 60_000;

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
    steps: Vec<StepState>,
    hosts: BTreeMap<String, HostProgress>,
    failures: Vec<String>,
    /// Since when nothing more is released.
    failing_since: Option<u64>,
    /// Since when nothing is under way although steps are left.
    stalled_since: Option<u64>,
    /// Since when all is done but for a container that keeps ending.
    #[serde(default)]
    restarting_since: Option<u64>,
    ended: bool,
}

/// One step's way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct StepState {
    progress: Progress,
    /// Of its host's state, in which the host was told.
    generation: Option<u64>,
    /// When the wait ends: Unix time in milliseconds; set when the host has taken it.
    deadline: Option<u64>,
    /// Of a move: it has left its old host.
    left: bool,
    /// The run of the container that is being observed.
    #[serde(default)]
    run: Option<Run>,
    /// Restarts that the engine had counted when the step was released: they are nothing new.
    #[serde(default)]
    restarts_before: Option<u32>,
}

/// One run of a container, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    /// When the container was started, by its host's clock: one run is told from the next by it.
    started_at: i64,
    /// Since when it has been seen running: Unix time in milliseconds.
    since: u64,
}

/// What has been said between this rollout and a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct HostProgress {
    /// What it was sent last, or held before.
    sent: HostState,
    /// Since when no answer to that has come.
    unanswered_since: Option<u64>,
    /// The driver that sent it is gone, and nobody knows whether it arrived.
    resend: bool,
    /// Since when it is out of reach, or its engine does not answer.
    lost_since: Option<u64>,
    report: Option<Report>,
}

impl State {
    /// A rollout that has not begun. `current` is what the hosts hold, `epoch` greater than any of theirs.
    pub fn new(
        plan: Plan,
        current: BTreeMap<String, HostState>,
        target: BTreeMap<String, HostState>,
        epoch: u64,
    ) -> Self {
        let host = |(name, target): (&String, &HostState)| {
            let nothing = HostState { fleet: target.fleet.clone(), host: name.clone(), ..HostState::default() };
            let sent = current.get(name).cloned().unwrap_or(nothing);
            (name.clone(), HostProgress { sent, ..HostProgress::default() })
        };
        Self {
            steps: vec![StepState::default(); plan.steps.len()],
            hosts: target.iter().map(host).collect(),
            plan,
            epoch,
            target,
            before: current,
            failures: Vec::new(),
            failing_since: None,
            stalled_since: None,
            restarting_since: None,
            ended: false,
        }
    }

    /// How far each step of the plan is.
    pub fn progress(&self) -> Vec<Progress> {
        self.steps.iter().map(|step| step.progress.clone()).collect()
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
    /// A host took what it was sent. Its report says so too, and that is what counts.
    Assigned {
        /// Which.
        host: String,
    },
    /// A host refused what it was sent: trying again is of no use.
    AssignFailed {
        /// Which.
        host: String,
        /// What it was sent.
        generation: u64,
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
    /// Send this to the host, once the state returned beside it is stored; again and again while it is out of reach.
    Assign {
        /// Which.
        host: String,
        /// What it must be.
        state: Box<HostState>,
    },
    /// Tell the user.
    Report(ProgressLine),
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

impl Progress {
    fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
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
pub fn step(mut state: State, event: Event, now_ms: u64) -> (State, Vec<Action>) {
    if state.ended {
        return (state, Vec::new());
    }
    let before = state.progress();
    events::apply(&mut state, event, now_ms);
    advance::update_statuses(&mut state, now_ms);
    advance::release(&mut state, now_ms);
    let assigned = advance::assign(&mut state, now_ms);
    advance::detect_timeouts(&mut state, now_ms);
    let news = state.steps.iter().zip(before).enumerate().filter(|(_, (step, before))| step.progress != *before);
    let report = |(at, (step, _)): (usize, (&StepState, Progress))| {
        Action::Report(ProgressLine { step: at, progress: step.progress.clone() })
    };
    let mut actions: Vec<Action> = news.map(report).collect();
    actions.extend(assigned);
    actions.extend(advance::finish(&mut state, now_ms));
    (state, actions)
}
