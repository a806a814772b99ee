//! The loop: wake, look, plan, publish, act.
//!
//! It is level-triggered. Steps run beside it, one at a time for each resource, and when one ends the host is looked at
//! again and planned anew; nothing is carried from one turn to the next but what was seen and what failed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use landfast_agent_core::attempts::{Attempts, Resource, Severity};
use landfast_agent_core::desired::InstanceName;
use landfast_agent_core::plan::{Action, Plan, plan};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::apply::{Done, Hands, StepError};
use crate::docker::{About, Changed, EngineError, Event, chain};
use crate::observe::{Observer, Stale};
use crate::report::{Sources, report};
use crate::wire::{Held, Report};

/// Steps under way at a time. Stops do not count: they are other processes' time, not ours.
const AT_ONCE: usize = 8;
/// What changes without an event is looked at this often.
const PERIOD: Duration = Duration::from_secs(30);
/// To a look that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// For steps under way when the agent is to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// What comes from the engine, see [`crate::attend`].
#[derive(Debug)]
pub(crate) enum Notice {
    /// It answers, perhaps another than before.
    Up(About),
    /// It does not.
    Down(String),
    /// Something changed.
    Event(Event),
}

/// Why the loop turns.
#[derive(Debug)]
enum Wake {
    Assigned,
    Notice(Notice),
    Links,
    Ended(Box<Ended>),
    Timer,
    Retry,
    Stop,
}

/// A step that ended.
#[derive(Debug)]
struct Ended {
    action: Action,
    generation: u64,
    outcome: Result<Done, StepError>,
    took: Duration,
}

pub(crate) struct Reconciler {
    hands: Arc<Hands>,
    observer: Observer,
    held: watch::Receiver<Option<Arc<Held>>>,
    notices: mpsc::Receiver<Notice>,
    /// Somebody changed what overlays are made of.
    links: mpsc::Receiver<()>,
    reports: watch::Sender<Option<Arc<Report>>>,
    attempts: Attempts,
    /// The generation that the attempts are of.
    generation: Option<(u64, u64)>,
    steps: JoinSet<Ended>,
    /// Resources with a step under way, and whether it is a stop.
    busy: BTreeMap<Resource, bool>,
    /// Stack > files that its last sync kept as they are on the host.
    kept: BTreeMap<String, Vec<String>>,
    /// None until the first word about it.
    engine_up: Option<bool>,
    /// A look failed, or not all was to be seen.
    look_again: bool,
    started: Instant,
    next_period: Instant,
}

impl Reconciler {
    pub(crate) fn new(
        hands: Arc<Hands>,
        observer: Observer,
        held: watch::Receiver<Option<Arc<Held>>>,
        notices: mpsc::Receiver<Notice>,
        links: mpsc::Receiver<()>,
        reports: watch::Sender<Option<Arc<Report>>>,
    ) -> Self {
        let started = Instant::now();
        Reconciler {
            hands,
            observer,
            held,
            notices,
            links,
            reports,
            attempts: Attempts::default(),
            generation: None,
            steps: JoinSet::new(),
            busy: BTreeMap::new(),
            kept: BTreeMap::new(),
            engine_up: None,
            look_again: false,
            started,
            next_period: started + PERIOD,
        }
    }

    /// Turns until told to stop; then waits a little for the steps under way.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let wake = self.wake(&stop).await;
            tracing::debug!(reason = ?wake, "wake");
            if matches!(wake, Wake::Stop) {
                break;
            }
            self.note(wake);
            self.note_all_there_is();
            self.turn().await;
        }
        let farewell = async { while self.steps.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("steps under way are left; the next start goes on from what they did");
        }
    }

    /// Cancel safe, all of it: a change of the watch is marked as seen only when it is returned, messages are taken from
    /// the channel and ended steps from the set only then too, and timers are made anew each time.
    async fn wake(&mut self, stop: &CancellationToken) -> Wake {
        let retry = self.next_retry();
        tokio::select! {
            () = stop.cancelled() => Wake::Stop,
            changed = self.held.changed() => if changed.is_ok() { Wake::Assigned } else { Wake::Stop },
            Some(notice) = self.notices.recv() => Wake::Notice(notice),
            Some(()) = self.links.recv() => Wake::Links,
            Some(ended) = self.steps.join_next() => Wake::Ended(Box::new(whole(ended))),
            () = tokio::time::sleep_until(self.next_period) => Wake::Timer,
            () = tokio::time::sleep_until(retry) => Wake::Retry,
        }
    }

    fn next_retry(&self) -> Instant {
        let now = self.now();
        let attempt = self.attempts.next_retry(now).map(|at| self.started + Duration::from_millis(at));
        let look = self.look_again.then(|| Instant::now() + AGAIN);
        attempt.into_iter().chain(look).min().unwrap_or(self.next_period)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What happened at the same time is noted before the next look, not one after another.
    fn note_all_there_is(&mut self) {
        while let Ok(notice) = self.notices.try_recv() {
            self.note(Wake::Notice(notice));
        }
        while let Some(ended) = self.steps.try_join_next() {
            self.note(Wake::Ended(Box::new(whole(ended))));
        }
    }

    fn note(&mut self, wake: Wake) {
        match wake {
            Wake::Assigned => (self.observer.stale.trees, self.observer.stale.images) = (true, true),
            Wake::Notice(Notice::Up(about)) => {
                tracing::info!(
                    version = about.version,
                    api = about.api_version,
                    store = about.image_store,
                    "engine answers"
                );
                self.engine_up = Some(true);
                self.attempts.forget_waits();
                self.observer.stale = Stale::all();
            }
            Wake::Notice(Notice::Down(error)) => {
                if self.engine_up != Some(false) {
                    tracing::warn!(error, "engine lost");
                }
                self.engine_up = Some(false);
            }
            Wake::Notice(Notice::Event(event)) => self.note_event(event),
            Wake::Links => self.observer.stale.overlays = true,
            Wake::Ended(ended) => self.note_end(*ended),
            Wake::Timer => {
                self.next_period = Instant::now() + PERIOD;
                self.observer.stale.by_time();
            }
            Wake::Retry | Wake::Stop => {}
        }
    }

    fn note_event(&mut self, event: Event) {
        tracing::debug!(action = event.action, changed = ?event.changed, "engine event");
        // A step under way ends with a look of its own, which sees all that its events tell.
        let own = match &event.changed {
            Changed::Container { instance: Some(instance), .. } => {
                self.busy.contains_key(&Resource::Instance(instance.clone()))
            }
            Changed::Networks => self.busy.keys().any(|resource| matches!(resource, Resource::Network(_))),
            Changed::Volumes => self.busy.keys().any(|resource| matches!(resource, Resource::Volume(_))),
            Changed::Container { instance: None, id } => {
                let seen = self.observer.seen.containers.get(id);
                seen.is_some_and(|seen| self.busy.contains_key(&Resource::Instance(seen.instance.clone())))
            }
            Changed::Images => false,
        };
        if !own {
            self.observer.stale.by_event(event.changed);
        }
    }

    fn note_end(&mut self, ended: Ended) {
        let resource = ended.action.resource();
        let step = ended.action.verb();
        self.busy.remove(&resource);
        self.mark(&ended.action, ended.outcome.as_ref().ok());
        let milliseconds = u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX);
        match ended.outcome {
            Ok(done) => {
                tracing::info!(step, resource = %resource, generation = ended.generation, milliseconds, "step done");
                self.attempts.succeeded(&resource, step);
                if let (Resource::Tree(stack), Some(kept)) = (resource, done.kept) {
                    self.kept.insert(stack, kept);
                }
            }
            Err(error) => {
                let (message, severity) = (chain(&error), error.severity());
                tracing::warn!(step, resource = %resource, generation = ended.generation, error = message, ?severity, "step failed");
                let of_now = self.generation.is_some_and(|(_, generation)| generation == ended.generation);
                // What failed for a state that is past may go through for this one.
                let severity = if of_now { severity } else { Severity::EngineAway };
                self.attempts.failed(resource, step, message, severity, self.now());
            }
        }
    }

    /// What a step has changed, or may have.
    fn mark(&mut self, action: &Action, done: Option<&Done>) {
        let stale = &mut self.observer.stale;
        match action {
            Action::CreateNetwork { .. } | Action::RemoveNetwork { .. } => {
                (stale.networks, stale.overlays) = (true, true)
            }
            Action::Program { .. } => stale.overlays = true,
            Action::CreateVolume { .. } | Action::RemoveVolume { .. } => stale.volumes = true,
            Action::SyncTree { .. } | Action::RemoveTree { .. } => stale.trees = true,
            // What was just made need not be asked about before it is started.
            Action::Create { .. } => match done.and_then(|done| done.container.clone()) {
                Some((id, container)) => drop(self.observer.seen.containers.insert(id, container)),
                None => stale.list = true,
            },
            Action::Start { container, .. }
            | Action::Stop { container, .. }
            | Action::Remove { container, .. }
            | Action::Rename { container, .. } => {
                if self.observer.seen.containers.contains_key(container) {
                    stale.containers.insert(container.clone());
                } else {
                    // Known by name only: the list tells its id.
                    stale.list = true;
                }
            }
        }
    }

    /// Looks, plans, publishes, and starts what can be started.
    async fn turn(&mut self) {
        let held = self.held.borrow_and_update().clone();
        self.note_generation(held.as_deref());
        let mut blind = false;
        if self.engine_up == Some(true) {
            let busy = &self.busy;
            let is_busy = |name: &InstanceName| busy.contains_key(&Resource::Instance(name.clone()));
            let looked = self.observer.look(held.as_deref(), is_busy).await;
            self.look_again = looked.is_err() || self.observer.has_waiting(is_busy);
            blind = looked.is_err();
            if let Err(error) = looked {
                self.note_blindness(&error);
            }
        }
        let lost = self.engine_up != Some(true) || blind;
        let plan = match &held {
            Some(held) => plan(&held.desired, &self.observer.seen, &self.attempts.given_up()),
            None => Plan::default(),
        };
        if let (false, Some(held)) = (lost, &held) {
            self.act(&plan, held);
        }
        self.publish(held.as_deref(), &plan, lost);
    }

    fn note_generation(&mut self, held: Option<&Held>) {
        let generation = held.map(|held| (held.stamp.epoch, held.stamp.generation));
        if generation != self.generation {
            self.generation = generation;
            self.attempts.forget();
            self.kept.retain(|stack, _| held.is_some_and(|held| held.desired.trees.contains_key(stack)));
            if let Some((epoch, generation)) = generation {
                tracing::info!(epoch, generation, "state to carry out");
            }
        }
    }

    fn note_blindness(&mut self, error: &EngineError) {
        tracing::warn!(error = chain(error), "host not looked at");
        if let EngineError::Refused { .. } | EngineError::Strange(_) = error {
            // Half of what was known may be wrong now.
            self.observer.stale = Stale::all();
        }
    }

    fn act(&mut self, plan: &Plan, held: &Arc<Held>) {
        let now = self.now();
        let ready: Vec<Action> = plan
            .ready(|resource| self.busy.contains_key(resource) || !self.attempts.may_try(resource, now))
            .cloned()
            .collect();
        for action in ready {
            let stops = matches!(action, Action::Stop { .. });
            let full = self.busy.values().filter(|stops| !**stops).count() >= AT_ONCE;
            if (full && !stops) || self.busy.contains_key(&action.resource()) {
                continue;
            }
            self.busy.insert(action.resource(), stops);
            let (hands, held) = (self.hands.clone(), held.clone());
            self.steps.spawn(async move {
                let (generation, begun) = (held.stamp.generation, Instant::now());
                let outcome = hands.apply(&action, &held).await;
                Ended { action, generation, outcome, took: begun.elapsed() }
            });
        }
    }

    fn publish(&self, held: Option<&Held>, plan: &Plan, engine_lost: bool) {
        let idle = self.steps.is_empty() && self.observer.stale.containers.is_empty();
        let sources = Sources {
            held,
            observed: &self.observer.seen,
            plan,
            attempts: &self.attempts,
            kept: &self.kept,
            idle,
            engine_lost,
        };
        let report = report(&sources);
        self.reports.send_if_modified(|last| {
            let changed = last.as_deref() != Some(&report);
            if changed {
                *last = Some(Arc::new(report));
            }
            changed
        });
    }
}

/// Steps do not panic; if one did, the loop must not go on as if nothing were under way.
fn whole(ended: Result<Ended, tokio::task::JoinError>) -> Ended {
    match ended {
        Ok(ended) => ended,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
