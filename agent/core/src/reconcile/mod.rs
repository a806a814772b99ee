//! The agent's loop as a function: [`turn`] takes the state and what has happened, and returns the next state and the
//! effects to carry out.
//!
//! The loop is level-triggered. A turn plans from the snapshot of the host, from the steps that failed and from the answers of
//! other hosts, and from nothing else, so a host converges from any state. Steps run in parallel, one at a time for each [`Resource`].
//!
//! A turn has two halves when the engine answers: the first returns [`Effect::Observe`], and the caller reports with
//! [`Wake::Observed`] how that went. The second half plans, starts steps and publishes. Times are milliseconds since the
//! loop started.

mod messages;
mod snapshot;
mod under_way;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use messages::{Assignment, Busy, Effect, Observation, StepEnded, StepFailure, StepOutput, Wake};
pub use snapshot::{Changed, Snapshot, Stale};
use under_way::UnderWay;

use crate::attempts::{Attempts, Resource, Severity};
use crate::desired::InstanceName;
use crate::elsewhere::Elsewhere;
use crate::peers::{CatchUp, Dependencies, NAMES_AT_ONCE, Question};
use crate::plan::{Action, Plan, plan_with};

/// Maximum number of steps that run at a time. Stops are not counted: they wait for other processes and cost nothing here.
/// Changes of live trees are not counted either: one that hangs on its file system must not keep others from their turn.
pub const STEPS_AT_ONCE: usize = 8;
/// Interval at which the parts of a host that change without an event are observed, in milliseconds.
pub const PERIOD: u64 = 30_000;
/// Delay before the next observation after one that was incomplete, in milliseconds.
pub const OBSERVE_AGAIN: u64 = 1_000;
/// Longest delay until the engine is asked again about what it could not answer, in milliseconds.
pub const LOOK_AGAIN_MAX: u64 = 60_000;

/// Everything that the loop remembers between turns. It is lost with the process.
#[derive(Clone, Debug)]
pub struct State {
    /// The host as it was last observed.
    pub snapshot: Snapshot,
    assignment: Option<Assignment>,
    attempts: Attempts,
    /// Resources with a step under way.
    busy: BTreeMap<Resource, UnderWay>,
    /// Files that the last sync of a stack left unchanged, by stack.
    kept: BTreeMap<String, Vec<String>>,
    /// Whether other hosts know a newer fabric.
    catch_up: CatchUp,
    /// What instances wait for on other hosts.
    dependencies: Dependencies,
    /// Instances that would start now if they did not wait for others on other hosts.
    held_up: BTreeSet<InstanceName>,
    engine_up: bool,
    observe_again: bool,
    next_period: u64,
    /// Number of observations in a row after which a part of the host was unknown.
    unknown_count: u32,
    /// Time at which the engine is asked again about what is unknown.
    look_again: Option<u64>,
}

impl Default for State {
    /// State of a loop that starts at time 0: nothing is assigned, and nothing is known of the host.
    fn default() -> Self {
        State {
            snapshot: Snapshot::default(),
            assignment: None,
            attempts: Attempts::default(),
            busy: BTreeMap::new(),
            kept: BTreeMap::new(),
            catch_up: CatchUp::default(),
            dependencies: Dependencies::default(),
            held_up: BTreeSet::new(),
            engine_up: false,
            observe_again: false,
            next_period: PERIOD,
            unknown_count: 0,
            look_again: None,
        }
    }
}

/// Takes the loop one turn further. `wakes` is everything that has happened since the last turn: things that happen at the
/// same time lead to one observation and not to one each.
pub fn turn(mut state: State, wakes: impl IntoIterator<Item = Wake>, now: u64) -> (State, Vec<Effect>) {
    let mut observation = None;
    for wake in wakes {
        match wake {
            Wake::Observed(found) => observation = Some(found),
            wake => state.note(wake, now),
        }
    }
    let effects = match observation {
        None if state.engine_up => vec![state.observe()],
        observation => state.act(observation, now),
    };
    (state, effects)
}

impl State {
    /// State of a loop that starts with an assignment that it kept from an earlier run.
    pub fn new(assignment: Option<Assignment>) -> Self {
        let (catch_up, dependencies) = match &assignment {
            Some(Assignment { desired, .. }) => (CatchUp::new(&desired.elsewhere), Dependencies::new(desired)),
            None => Default::default(),
        };
        State { assignment, catch_up, dependencies, ..State::default() }
    }

    /// Returns what to ask other hosts before the first turn, as by [`Effect::AskForFabric`].
    pub fn begin(&mut self, now: u64) -> Option<Question> {
        self.question(now)
    }

    /// Number of other hosts that were asked whether addresses have moved, if none of them answered and instances were
    /// started nevertheless.
    pub fn unanswered(&self) -> Option<usize> {
        self.catch_up.unanswered()
    }

    /// Steps that failed for this generation.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Paths of the files that the last sync of a stack left unchanged because they were edited on the host, by stack.
    pub fn kept(&self) -> &BTreeMap<String, Vec<String>> {
        &self.kept
    }

    /// Instances that would start now if they did not wait for others on other hosts. The plan has the reasons.
    pub fn held_up(&self) -> &BTreeSet<InstanceName> {
        &self.held_up
    }

    fn note(&mut self, wake: Wake, now: u64) {
        match wake {
            Wake::Assigned(assignment) => self.assign(assignment),
            Wake::EngineUp => {
                self.engine_up = true;
                self.attempts.forget_waits();
                self.snapshot.stale = Stale::all();
            }
            Wake::EngineDown => self.engine_up = false,
            Wake::EngineEvent(changed) => {
                if !self.comes_from_own_step(&changed) {
                    self.snapshot.by_event(changed);
                }
            }
            Wake::Links => self.snapshot.stale.overlays = true,
            Wake::StepEnded(ended) => self.end_step(*ended, now),
            Wake::AskedForFabric { answered } => self.catch_up.answered(answered, now),
            Wake::AskedForHealth { host, instances, answer } => {
                self.dependencies.answered(host, &instances, &answer, now);
            }
            Wake::Timer => {
                if now >= self.next_period {
                    self.next_period = now + PERIOD;
                    self.snapshot.stale.by_time();
                }
                if self.look_again.is_some_and(|at| at <= now) {
                    self.snapshot.look_again();
                }
            }
            Wake::Observed(_) => {}
        }
    }

    fn assign(&mut self, assignment: Assignment) {
        self.snapshot.stale.by_assignment();
        let stamp = |assignment: &Assignment| (assignment.epoch, assignment.generation);
        if self.assignment.as_ref().map(stamp) != Some(stamp(&assignment)) {
            let before = self.assignment.as_ref().map(|it| &it.stacks);
            let is_again = |stack: &str| before.and_then(|stacks| stacks.get(stack)) != assignment.stacks.get(stack);
            self.attempts.forget(|resource| match resource {
                Resource::Instance(name) => is_again(&name.instance.stack),
                Resource::Tree(stack) => is_again(stack),
                // They stop no container, so it does no harm to try them again.
                Resource::Network(_) | Resource::Overlay(_) | Resource::Volume(_) => true,
            });
            self.dependencies.leave(is_again);
            self.kept.retain(|stack, _| assignment.desired.trees.contains_key(stack));
        }
        self.assignment = Some(assignment);
    }

    /// Whether a step under way may have caused an event. When that step ends, what it changed is observed anyway.
    fn comes_from_own_step(&self, changed: &Changed) -> bool {
        let is_of = |instance: &InstanceName| self.busy_incarnations().any(|(busy, _)| busy.instance == *instance);
        match changed {
            Changed::Container { instance, id } => match self.snapshot.observed.containers.get(id) {
                Some(container) => self.is_busy(container),
                // A step may be creating it just now.
                None => instance.as_ref().is_some_and(is_of),
            },
            Changed::Networks => self.busy.keys().any(|resource| matches!(resource, Resource::Network(_))),
            Changed::Volumes => self.busy.keys().any(|resource| matches!(resource, Resource::Volume(_))),
            Changed::Images => false,
        }
    }

    fn end_step(&mut self, ended: StepEnded, now: u64) {
        let (resource, step) = (ended.action.resource(), ended.action.verb());
        self.busy.remove(&resource);
        match ended.outcome {
            Ok(output) => {
                self.snapshot.after_step(&ended.action, output.container);
                self.attempts.succeeded(&resource, step);
                if let (Resource::Tree(stack), Some(kept)) = (resource, output.kept) {
                    self.kept.insert(stack, kept);
                }
            }
            Err(StepFailure { message, severity }) => {
                self.snapshot.after_step(&ended.action, None);
                let is_current = self.assignment.as_ref().is_some_and(|it| it.generation == ended.generation);
                // What failed for a past generation may succeed for this one.
                let severity = if is_current { severity } else { Severity::Uncounted };
                self.attempts.failed(resource, step, message, severity, now);
            }
        }
    }

    fn observe(&self) -> Effect {
        let desired = self.assignment.as_ref().map(|assignment| assignment.desired.clone()).unwrap_or_default();
        Effect::Observe { desired, busy: self.busy_containers() }
    }

    /// Plans, starts the steps that may be started, and publishes. `observation` is `None` when the engine is not up.
    fn act(&mut self, observation: Option<Observation>, now: u64) -> Vec<Effect> {
        let engine_lost = observation != Some(Observation::Complete);
        let is_waiting = self.snapshot.to_inspect(&self.busy_containers()).next().is_some();
        self.observe_again = observation.is_some() && (engine_lost || is_waiting);
        if observation == Some(Observation::Unreliable) {
            self.snapshot.stale = Stale::all();
        }
        if observation == Some(Observation::Complete) {
            self.plan_to_look_again(now);
        }
        let mut effects: Vec<Effect> = self.question(now).map(Effect::AskForFabric).into_iter().collect();
        let mut plan = self.plan(now);
        // What was seen of a resource while a step worked on it is not reported as being in the way. The engine shows a volume
        // that it removes without its labels, as if somebody else had created it.
        let is_uncertain = |resource: &Resource| match resource {
            _ if self.busy.contains_key(resource) => true,
            Resource::Volume(_) => self.snapshot.stale.volumes,
            Resource::Network(_) => self.snapshot.stale.networks,
            Resource::Overlay(_) | Resource::Tree(_) | Resource::Instance(_) => false,
        };
        let before = plan.obstacles.len();
        plan.obstacles.retain(|obstacle| !is_uncertain(&obstacle.resource));
        let was_uncertain = plan.obstacles.len() < before;
        if engine_lost {
            self.dependencies.pause();
        } else {
            effects.extend(self.ask_for_health(&plan, now));
            effects.extend(self.start(&plan, now));
        }
        let mut busy = self.unsettled();
        busy.others |= was_uncertain;
        effects.push(Effect::Publish { plan, busy, engine_lost });
        effects.push(Effect::WakeAt(self.next_timer(now)));
        effects
    }

    /// Decides when to ask the engine again about what is unknown. The waits grow while it does not answer.
    fn plan_to_look_again(&mut self, now: u64) {
        if !self.snapshot.observed.unknown.is_any() {
            (self.unknown_count, self.look_again) = (0, None);
        } else if self.look_again.is_none_or(|at| at <= now) {
            let wait = (OBSERVE_AGAIN << self.unknown_count.min(6)).min(LOOK_AGAIN_MAX);
            (self.unknown_count, self.look_again) = (self.unknown_count.saturating_add(1), Some(now + wait));
        }
    }

    fn plan(&mut self, now: u64) -> Plan {
        let Some(Assignment { desired, .. }) = &self.assignment else { return Plan::default() };
        let observed = &self.snapshot.observed;
        self.dependencies.observe(observed);
        let waits = self.dependencies.waits(desired, now);
        let plan = plan_with(desired, observed, &self.attempts.given_up(), &waits);
        let held_up = plan.waiting.iter().filter(|(name, waiting)| waits.get(&name.instance) == Some(*waiting));
        self.held_up = held_up.map(|(name, _)| name.instance.clone()).collect();
        plan
    }

    fn question(&mut self, now: u64) -> Option<Question> {
        let nothing = Elsewhere::default();
        let known = self.assignment.as_ref().map_or(&nothing, |assignment| &assignment.desired.elsewhere);
        self.catch_up.question(known, now)
    }

    fn ask_for_health(&mut self, plan: &Plan, now: u64) -> Vec<Effect> {
        let Some(Assignment { desired, .. }) = &self.assignment else { return Vec::new() };
        let questions = self.dependencies.questions(desired, plan.waiting.keys().map(|name| &name.instance), now);
        let parts = questions.iter().flat_map(|(host, all)| {
            all.chunks(NAMES_AT_ONCE).map(|some| Effect::AskForHealth { host: *host, instances: some.to_vec() })
        });
        parts.collect()
    }

    /// What has a step under way, or a container that waits to be inspected.
    fn unsettled(&self) -> Busy {
        let mut busy = Busy::default();
        for resource in self.busy.keys() {
            match resource {
                Resource::Instance(name) => drop(busy.stacks.insert(name.instance.stack.clone())),
                Resource::Tree(stack) => drop(busy.stacks.insert(stack.clone())),
                Resource::Network(_) | Resource::Overlay(_) | Resource::Volume(_) => busy.others = true,
            }
        }
        for id in &self.snapshot.stale.containers {
            match self.snapshot.observed.containers.get(id) {
                Some(container) => drop(busy.stacks.insert(container.instance.stack.clone())),
                None => busy.others = true,
            }
        }
        busy
    }

    fn start(&mut self, plan: &Plan, now: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for action in plan.ready(|resource| !self.attempts.may_try(resource, now)) {
            let is_uncounted =
                matches!(action, Action::Stop { .. } | Action::SyncTree { .. } | Action::RemoveTree { .. });
            let is_full = self.busy.values().filter(|step| !step.is_uncounted).count() >= STEPS_AT_ONCE;
            // A stop may be half of an update whose other half is a start.
            let is_held = self.catch_up.is_holding() && action.instance().is_some();
            if (is_full && !is_uncounted) || is_held || self.is_blocked(&action.resource()) {
                continue;
            }
            let assigned = action.instance().map_or(0, |name| self.assigned(&name.instance.stack));
            self.busy.insert(action.resource(), UnderWay { is_uncounted, assigned });
            effects.push(Effect::Start(action.clone()));
        }
        effects
    }

    fn next_timer(&self, now: u64) -> u64 {
        let observe = self.observe_again.then_some(now + OBSERVE_AGAIN);
        let retry = self.attempts.next_retry(now);
        let look = self.look_again.filter(|at| *at > now);
        let peers = self.catch_up.next().into_iter().chain(self.dependencies.next());
        observe.into_iter().chain(retry).chain(look).chain(peers).fold(self.next_period, u64::min)
    }
}
