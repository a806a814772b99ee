//! The loop's shell: waits for what happens, gives it to [`turn`], and carries out the effects. It decides nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use landfast_agent_core::desired::InstanceName;
use landfast_agent_core::peers::Question;
use landfast_agent_core::plan::{Action, Plan};
use landfast_agent_core::reconcile::{Busy, Effect, PERIOD, State, StepEnded, Wake, turn};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::apply::Executor;
use crate::observe::Observer;
use crate::peers::Peers;
use crate::report::{Inputs, report};
use crate::wire::{Held, Report};

/// Time that steps under way have to end when the agent shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The loop with its channels.
pub(crate) struct Reconciler {
    executor: Arc<Executor>,
    observer: Observer,
    held: watch::Receiver<Arc<Held>>,
    /// What [`crate::engine_session`] reports.
    engine: mpsc::Receiver<Wake>,
    /// A message for each change of the devices that overlays are made of.
    links: mpsc::Receiver<()>,
    reports: watch::Sender<Option<Arc<Report>>>,
    peers: Arc<Peers>,
    /// Questions to other hosts. Each ends with a wake.
    asks: JoinSet<Wake>,
    steps: JoinSet<StepEnded>,
    /// The units that steps are started for.
    current: Arc<Held>,
    state: State,
    started: Instant,
    wake_at: u64,
}

impl Reconciler {
    pub(crate) fn new(
        executor: Arc<Executor>,
        observer: Observer,
        mut held: watch::Receiver<Arc<Held>>,
        engine: mpsc::Receiver<Wake>,
        links: mpsc::Receiver<()>,
        reports: watch::Sender<Option<Arc<Report>>>,
        peers: Arc<Peers>,
    ) -> Self {
        let current = held.borrow_and_update().clone();
        let state = State::new(Some(current.assignment()));
        let (asks, steps, started) = (JoinSet::new(), JoinSet::new(), Instant::now());
        let wake_at = PERIOD;
        Reconciler {
            executor,
            observer,
            held,
            engine,
            links,
            reports,
            peers,
            asks,
            steps,
            current,
            state,
            started,
            wake_at,
        }
    }

    /// Runs until `stop` is cancelled, then waits for the steps under way.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        if let Some(question) = self.state.begin(self.now()) {
            self.ask_for_fabric(question);
        }
        while let Some(first) = self.next_wake(&stop).await {
            let wakes: Vec<Wake> = std::iter::once(first).chain(self.other_wakes()).collect();
            let reasons: Vec<&str> = wakes.iter().map(Wake::reason).collect();
            tracing::debug!(?reasons, "wake");
            self.turn(wakes).await;
        }
        let rest = async { while self.steps.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_GRACE, rest).await.is_err() {
            tracing::warn!("steps abandoned at shutdown; the next start continues from what they did");
        }
    }

    /// Waits for the next wake; `None` when the loop is to end.
    ///
    /// Cancel safe: a change of the watch is marked as seen only when it is returned, messages and ended steps are taken
    /// only then too, and the timer is created again each time.
    async fn next_wake(&mut self, stop: &CancellationToken) -> Option<Wake> {
        let timer = self.started + Duration::from_millis(self.wake_at);
        tokio::select! {
            () = stop.cancelled() => None,
            changed = self.held.changed() => changed.ok().map(|()| self.assigned()),
            Some(wake) = self.engine.recv() => Some(wake),
            Some(()) = self.links.recv() => Some(Wake::Links),
            Some(ended) = self.steps.join_next() => Some(step_ended(ended)),
            Some(asked) = self.asks.join_next() => Some(joined(asked)),
            () = tokio::time::sleep_until(timer) => Some(Wake::Timer),
        }
    }

    /// Takes everything else that has happened by now.
    fn other_wakes(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        wakes.extend(std::iter::from_fn(|| self.engine.try_recv().ok()));
        wakes.extend(std::iter::from_fn(|| self.steps.try_join_next()).map(step_ended));
        wakes.extend(std::iter::from_fn(|| self.asks.try_join_next()).map(joined));
        // A question that has ended may have brought a newer fabric, so what is held is looked at last.
        if self.held.has_changed().unwrap_or(false) {
            wakes.push(self.assigned());
        }
        wakes
    }

    /// Takes the units that were assigned last.
    fn assigned(&mut self) -> Wake {
        self.current = self.held.borrow_and_update().clone();
        let assignment = self.current.assignment();
        tracing::info!(epoch = assignment.epoch, generation = assignment.generation, "units to carry out");
        Wake::Assigned(assignment)
    }

    async fn turn(&mut self, mut wakes: Vec<Wake>) {
        while !wakes.is_empty() {
            let now = self.now();
            let (state, effects) = turn(std::mem::take(&mut self.state), wakes, now);
            (self.state, wakes) = (state, Vec::new());
            for effect in effects {
                match effect {
                    Effect::Observe { desired, busy } => {
                        let observation = self.observer.observe(&mut self.state.snapshot, &desired, &busy).await;
                        wakes.push(Wake::Observed(observation));
                    }
                    Effect::Start(action) => self.start(action),
                    Effect::AskForFabric(question) => self.ask_for_fabric(question),
                    Effect::AskForHealth { host, instances } => self.ask_for_health(host, instances),
                    Effect::Publish { plan, busy, engine_lost } => self.publish(&plan, &busy, engine_lost),
                    Effect::WakeAt(at) => self.wake_at = at,
                }
            }
        }
    }

    fn start(&mut self, action: Action) {
        self.steps.spawn(self.executor.clone().run(action, self.current.clone()));
    }

    fn ask_for_fabric(&mut self, question: Question) {
        let peers = self.peers.clone();
        self.asks.spawn(async move { Wake::AskedForFabric { answered: peers.catch_up(question).await } });
    }

    fn ask_for_health(&mut self, host: Ipv4Addr, instances: Vec<InstanceName>) {
        let peers = self.peers.clone();
        self.asks.spawn(async move {
            let answer = peers.health(host, &instances).await;
            Wake::AskedForHealth { host, instances, answer }
        });
    }

    /// Milliseconds since the loop was created.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn publish(&self, plan: &Plan, busy: &Busy, engine_lost: bool) {
        let (observed, attempts, kept) = (&self.state.snapshot.observed, self.state.attempts(), self.state.kept());
        let held = &*self.current;
        let (held_up, unanswered) = (self.state.held_up(), self.state.unanswered());
        let report = report(&Inputs { held, observed, plan, attempts, kept, busy, engine_lost, held_up, unanswered });
        self.reports.send_if_modified(|last| {
            let is_new = last.as_deref() != Some(&report);
            if is_new {
                *last = Some(Arc::new(report));
            }
            is_new
        });
    }
}

fn step_ended(ended: Result<StepEnded, JoinError>) -> Wake {
    Wake::StepEnded(Box::new(joined(ended)))
}

/// Steps and questions do not panic. If one did, the loop must not go on as if nothing were under way.
fn joined<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
