//! Execution of a plan as a state machine: it decides which host state is sent to which host, and when. Its input is events
//! and the time. The caller sends what [`Action::Assign`] says, after it has stored [`State`].
//!
//! The plan determines the order. A step begins when the steps before it are done and the conditions that it waits for hold.
//! Then its host is sent a new state (`host_state_at`), and the host's reports show the result (`step_status`). After
//! a failure, no step of the same stack begins any more. The steps of other stacks go on, unless they come after a step that was
//! not done. The rollout ends when nothing is left to do.
//!
//! A caller that stores the [`Record`] of a rollout and the progress of its steps can continue it after a crash. What the hosts
//! hold is not stored: they say so themselves.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::desired::HostState;
use crate::plan::{self, Plan};
use crate::report::Report;

mod advance;
mod events;
mod fabric_at;
mod host_state_at;
mod index;
mod record;
mod shared_namespace;
mod step_status;

pub use record::Record;

use fabric_at::Fabrics;
use index::Index;

/// How long a host may be unreachable, or an assignment unanswered, before the rollout fails: in milliseconds.
pub const HOST_TIMEOUT_MS: u64 = 120_000;
/// How long a failed rollout waits for the steps that are running, in milliseconds.
pub const FAILURE_GRACE_MS: u64 = 60_000;

/// State of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Plan that is carried out.
    pub plan: Plan,
    /// Epoch of the run that carries the rollout out, greater than that of any host.
    pub epoch: u64,
    /// Person, machine and process of that run. Only reports about its own assignments acknowledge a step.
    pub owner: String,
    /// Host states at the end, by host.
    pub target: BTreeMap<String, HostState>,
    /// Host states before the rollout, by host.
    pub before: BTreeMap<String, HostState>,
    steps: Vec<StepState>,
    hosts: BTreeMap<String, HostProgress>,
    fabrics: Fabrics,
    index: Arc<Index>,
    /// Steps whose progress has changed in the event that is handled, with their progress before.
    news: BTreeMap<usize, Progress>,
    /// Whether a step has begun or passed to another host since the fabric was determined.
    fabric_is_stale: bool,
    failures: Vec<String>,
    /// Stacks of which no step begins any more.
    failed: BTreeSet<String>,
    /// Whether no step begins any more.
    is_halted: bool,
    /// Time since which nothing is left to begin after a failure.
    ending_since: Option<u64>,
    /// Time since which no step is running although steps are left.
    stalled_since: Option<u64>,
    /// Time since which all steps are done and a container keeps exiting.
    restarting_since: Option<u64>,
    ended: bool,
}

/// Progress of one step, with what is needed to judge it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepState {
    progress: Progress,
    /// Generation of the host state with which the step was sent to its host.
    #[serde(skip)]
    generation: Option<u64>,
    /// Time at which the step fails, as Unix time in milliseconds; set when the host has acknowledged the step.
    #[serde(skip)]
    deadline: Option<u64>,
    /// Whether a move has left the old host.
    left: bool,
    /// Current run of the step's container.
    #[serde(skip)]
    run: Option<Run>,
    /// Number of restarts that the engine had counted before the step began.
    restarts_before: Option<u32>,
}

/// One run of a container, from its start to its exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Start of the container by its host's clock. It distinguishes one run from the next.
    started_at: i64,
    /// Time since which the container has been reported as running, as Unix time in milliseconds.
    since: u64,
}

/// What was sent to a host and received from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HostProgress {
    /// State that was sent last, or the state before the rollout.
    sent: HostState,
    /// Whether a step has begun on the host since its state was determined.
    is_stale: bool,
    /// Time since which the last assignment is unanswered.
    unanswered_since: Option<u64>,
    /// Time since which the host is unreachable or its engine does not answer.
    lost_since: Option<u64>,
    /// Whether the rollout no longer waits for the host.
    is_given_up: bool,
    report: Option<Report>,
}

impl State {
    /// A rollout that has not begun. `current` is what the hosts hold, and `epoch` is greater than any of theirs.
    pub fn new(
        plan: Plan,
        current: BTreeMap<String, HostState>,
        target: BTreeMap<String, HostState>,
        epoch: u64,
    ) -> Self {
        let host = |(name, target): (&String, &HostState)| {
            let nothing = HostState { fleet: target.fleet.clone(), host: name.clone(), ..HostState::default() };
            let sent = current.get(name).cloned().unwrap_or(nothing);
            // Some changes need no step, such as those of dependencies.
            let is_stale = !sent.same_parts(target);
            (name.clone(), HostProgress { sent, is_stale, ..HostProgress::default() })
        };
        Self {
            steps: vec![StepState::default(); plan.steps.len()],
            hosts: target.iter().map(host).collect(),
            fabrics: Fabrics::new(&current, &target),
            index: Arc::new(Index::new(&plan, &target)),
            news: BTreeMap::new(),
            plan,
            epoch,
            owner: String::new(),
            target,
            before: current,
            fabric_is_stale: true,
            failures: Vec::new(),
            failed: BTreeSet::new(),
            is_halted: false,
            ending_since: None,
            stalled_since: None,
            restarting_since: None,
            ended: false,
        }
    }

    /// Hosts whose reports the rollout needs: those that steps change, and those of the instances that steps wait for.
    pub fn watched(&self) -> BTreeSet<String> {
        let steps = self.plan.steps.iter().flat_map(|step| {
            let from = match &step.action {
                plan::Action::Move { from, .. } => Some(from),
                _ => None,
            };
            let waits = step.action.waits_for().iter().filter_map(|wait| self.index.placed.get(&wait.instance));
            [&step.host].into_iter().chain(from).chain(waits)
        });
        let stale = self.hosts.iter().filter(|(_, host)| host.is_stale).map(|(name, _)| name);
        steps.chain(stale).filter(|host| self.hosts.contains_key(*host)).cloned().collect()
    }

    /// Hosts that the rollout assigns something to: those that it changes, or all if what connects them changes.
    pub fn assigned(&self) -> BTreeSet<String> {
        let is_connected_anew = self.hosts.values().any(|host| self.fabrics.is_new_to(&host.sent.fabric));
        let all = self.hosts.keys().filter(|_| is_connected_anew).cloned();
        self.watched().into_iter().chain(all).collect()
    }

    /// Progress of each step. What has changed of it must be stored before the next assignment is sent.
    pub fn steps(&self) -> &[StepState] {
        &self.steps
    }

    /// Leaves out hosts that are away. They are sent nothing, and their addresses stay known to the others.
    #[must_use]
    pub fn without<'h>(mut self, away: impl IntoIterator<Item = &'h String>) -> Self {
        for host in away {
            self.hosts.remove(host);
        }
        self
    }

    fn set_progress(&mut self, at: usize, progress: Progress) {
        let before = std::mem::replace(&mut self.steps[at].progress, progress);
        self.news.entry(at).or_insert(before);
    }

    /// Progress of each step of the plan.
    pub fn progress(&self) -> Vec<Progress> {
        self.steps.iter().map(|step| step.progress.clone()).collect()
    }
}

/// Input of the rollout.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A run starts the rollout, or continues that of an earlier run.
    Start {
        /// Epoch of the run, greater than that of any host and of any earlier run.
        epoch: u64,
        /// Person, machine and process that run.
        owner: String,
    },
    /// A host sent a report.
    Reported {
        /// Name of the host.
        host: String,
        /// Report of the host.
        report: Report,
    },
    /// A host accepted the state that it was sent.
    Assigned {
        /// Name of the host.
        host: String,
        /// Generation of the state.
        generation: u64,
    },
    /// A host refused the state that it was sent. Sending it again does not help.
    AssignFailed {
        /// Name of the host.
        host: String,
        /// Generation of the refused state.
        generation: u64,
        /// Stacks whose state it refused; empty if it refused everything.
        stacks: BTreeSet<String>,
        /// Reason that the host gave.
        message: String,
    },
    /// A host cannot be reached. Its next report shows that it can be reached again.
    Lost {
        /// Name of the host.
        host: String,
    },
    /// Time passed. This event comes at least once a second.
    Tick,
    /// The user stops the rollout: no step begins any more.
    Cancel,
}

/// Output of the rollout: what the caller must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send a state to a host after the returned [`State`] is stored. Retry while the host is unreachable.
    Assign {
        /// Name of the host.
        host: String,
        /// State to send.
        state: Box<HostState>,
        /// Stacks to send even if nothing of them has changed, so that the host tries again what failed of them.
        again: BTreeSet<String>,
    },
    /// Report progress to the user.
    Report(ProgressLine),
    /// All steps are done.
    Done,
    /// The rollout ended before all steps were done.
    Failed(Failure),
}

/// New progress of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressLine {
    /// Index of the step in the plan.
    pub step: usize,
    /// Progress of the step.
    pub progress: Progress,
}

/// Progress of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The step has not begun.
    #[default]
    Waiting,
    /// The step was sent to its host.
    Running {
        /// Begin of the step, as Unix time in milliseconds.
        since: u64,
        /// Last observation, as in `running, not healthy yet`.
        seen: String,
    },
    /// The step is done.
    Done,
    /// The step failed.
    Failed {
        /// Reason for the failure.
        message: String,
    },
}

impl Progress {
    fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// Failure of a rollout: the reasons and the progress of every step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Reasons in the order in which they occurred.
    pub reasons: Vec<String>,
    /// Progress of each step of the plan.
    pub steps: Vec<Progress>,
}

impl Failure {
    /// Whether everything that the plan changes of a stack was done, although the rollout failed.
    pub fn is_done(&self, plan: &Plan, stack: &str) -> bool {
        let steps = plan.steps.iter().zip(&self.steps);
        let mut own = steps.filter(|(step, _)| step.action.stack() == Some(stack));
        own.all(|(_, progress)| *progress == Progress::Done)
    }
}

/// Handles one event: returns the new state and what to do. An event that does not apply changes nothing.
pub fn step(mut state: State, event: Event, now_ms: u64) -> (State, Vec<Action>) {
    if state.ended {
        return (state, Vec::new());
    }
    let host = match &event {
        Event::Reported { host, .. } => Some(host.clone()),
        _ => None,
    };
    events::apply(&mut state, event, now_ms);
    advance::update_statuses(&mut state, host.as_deref(), now_ms);
    advance::release(&mut state, now_ms);
    let assigned = advance::assign(&mut state, now_ms);
    advance::detect_timeouts(&mut state, now_ms);
    let news = std::mem::take(&mut state.news).into_iter();
    let news = news.map(|(at, before)| (at, before, state.steps[at].progress.clone()));
    let report = |(at, _, progress)| Action::Report(ProgressLine { step: at, progress });
    let mut actions: Vec<Action> = news.filter(|(_, before, now)| before != now).map(report).collect();
    actions.extend(assigned);
    actions.extend(advance::finish(&mut state, now_ms));
    (state, actions)
}
