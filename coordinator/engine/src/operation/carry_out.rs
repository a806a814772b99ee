//! Drives a rollout: it executes the actions of the core, passes events to the core, and writes the journal. It makes
//! no decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use landfast_core::desired::HostState;
use landfast_core::report::Report;
use landfast_core::rollout::{self, Action, Record};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connect::{Agents, Ask, targets};
use crate::event::{Event, NumberedRelease, Warning};
use crate::folder::owner;
use crate::observe::{ObservedFleet, memory};
use crate::store::{Change, Store};
use crate::wire::HeldUnits;
use crate::{Engine, EngineError, Version};

use super::claims::{Claims, RunId};
use super::failure::FailureReport;
use super::journal::{self, Entry, Journal, Unfinished};
use super::releases::{self, Ending, Hosts, Kind, Release};
use super::step_events::StepEvents;
use super::{Operation, Proposal, bring, host_events};

/// The result of an operation that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The hosts already matched the target.
    Unchanged,
    /// The hosts were changed, and match the target now.
    Done {
        /// Number of steps in the plan.
        steps: usize,
        /// Releases that were deployed.
        releases: Vec<NumberedRelease>,
        /// Steps that were left out because their host is away. If there are any, the deployment is partial.
        owed: Vec<String>,
    },
    /// Images were built.
    Built {
        /// References of the images.
        images: Vec<String>,
    },
}

/// Maximum number of events that wait while another one is handled. A host that sends more waits until there is room.
const EVENTS: usize = 64;
/// Interval of tick events. The core requires at least one each second.
const TICK: Duration = Duration::from_secs(1);
/// Time limit for the first report of every host, which an agent sends immediately.
const FIRST_REPORT_LIMIT: Duration = Duration::from_secs(20);

/// Values that a rollout needs after all files and images are on the hosts.
struct Run<'a> {
    id: RunId,
    entry: Entry,
    state: rollout::State,
    journal: Journal<'a>,
    store: &'a dyn Store,
    observed: &'a ObservedFleet,
    hosts: Hosts<'a>,
    stop: CancellationToken,
    /// Whether the rollout is new rather than the continuation of an interrupted one.
    is_new: bool,
}

impl Engine {
    /// Carries out a proposal, or continues an interrupted rollout that has the same target.
    ///
    /// When `stop` is cancelled, files and images are no longer sent, and a rollout ends after the running steps.
    ///
    /// # Errors
    /// [`EngineError::Claimed`] if another run changes the fleet, [`EngineError::Interrupted`] if `stop` was cancelled
    /// before the rollout began, [`EngineError::Stopped`] if the
    /// rollout failed or was stopped. Other errors name the host or image that prevented it.
    pub async fn carry_out(
        &self,
        store: &dyn Store,
        mut proposal: Proposal,
        stop: CancellationToken,
    ) -> Result<Outcome, EngineError> {
        if let Some(prepared) = proposal.prepared.take() {
            // When the future is dropped, its connections close, and the builder ends the build.
            let building = self.carry_out_builds(store, proposal.images, prepared, &proposal.builds);
            let images = unless_stopped(&stop, building).await?;
            return Ok(Outcome::Built { images });
        }
        let mut resumed = None;
        let mut superseded = Vec::new();
        for unfinished in journal::unfinished(store).await? {
            let releases = numbered(&unfinished.releases);
            if resumed.is_none() && is_aim(&unfinished, &proposal) {
                self.listener.report(Event::Resumed { releases });
                resumed = Some(unfinished);
            } else {
                self.listener.report(Event::Warning(Warning::Superseded { releases }));
                let ended = ended(unfinished.releases.clone(), &[], |_| Ending::Failed);
                let mut changes = recordings(store, &ended).await?;
                changes.extend(unfinished.removal());
                store.txn(changes).await?;
                superseded.extend(ended);
            }
        }
        if proposal.plan.is_empty() && resumed.is_none() {
            let owed = proposal.owed_steps;
            let nothing = Outcome::Done { steps: 0, releases: Vec::new(), owed: owed.clone() };
            return Ok(if owed.is_empty() { Outcome::Unchanged } else { nothing });
        }
        // When the future is dropped, the transfers end. The next run uses the parts that have arrived.
        unless_stopped(&stop, bring::bring(&self.folder.fleet, &proposal, &self.listener)).await?;
        let is_new = resumed.is_none();
        let observed = &proposal.observed;
        let id = RunId { epoch: observed.next_epoch(), owner: self.owner()? };
        let resumed = resumed.and_then(|unfinished| Some((Journal::resume(store, &unfinished), unfinished.entry?)));
        let (entry, state, journal) = match resumed {
            Some((journal, (entry, steps, _))) => {
                let (held, target) = (observed.held.clone(), proposal.target.clone());
                let state = entry.rollout.clone().resume(steps, held, target, id.epoch);
                (entry, state, journal)
            }
            None => {
                let (entry, state) = begin(&proposal, id.epoch);
                (entry, state, Journal::new(store, id.epoch))
            }
        };
        let state = state.without(observed.away.keys());
        let states = state.before.iter().chain(&state.target);
        let hosts = Hosts::new(states, &observed.agents, id.clone());
        // A run claims the hosts that it changes, and those that keep its history. The others stay free.
        let mut claimed = state.assigned();
        let stacks = entry.releases.iter().chain(&superseded).map(|release| release.stack.as_str());
        claimed.extend(stacks.flat_map(|stack| hosts.names(stack)));
        let agents = observed.agents.iter().filter(|(host, _)| claimed.contains(*host));
        let agents = agents.map(|(host, agent)| (host.clone(), agent.clone())).collect();
        let claims = Claims::take(store, &agents, id.clone(), &proposal.purpose).await?;
        // A rollout that is continued has recorded its releases already.
        let new = if is_new { proposal.releases.as_slice() } else { &[] };
        let run = Run { id, entry, state, journal, store, observed, hosts, stop, is_new };
        let outcome = match releases::begin(store, &run.hosts, new, superseded).await {
            Ok(()) => self.drive(run).await,
            Err(error) => Err(error),
        };
        claims.release().await;
        outcome
    }

    /// Creates the networks of the fleet where they are missing, as on a host that has just joined, and informs the
    /// other hosts. It does nothing while there is an interrupted rollout, whose continuation creates the networks too.
    pub async fn create_networks(&self, store: &dyn Store, stop: CancellationToken) -> Result<Outcome, EngineError> {
        if !journal::unfinished(store).await?.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        let proposal = self.propose(store, Operation::CreateNetworks).await?;
        self.carry_out(store, proposal, stop).await
    }

    /// Waits until no host is claimed, or until the deadline.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] if `stop` was cancelled.
    pub async fn until_free(
        &self,
        deadline: tokio::time::Instant,
        stop: &CancellationToken,
    ) -> Result<(), EngineError> {
        let credentials = self.folder.credentials()?;
        let fleet = &self.folder.fleet;
        while tokio::time::Instant::now() < deadline {
            let agents = Agents::connect(&fleet.name, &targets(fleet), &credentials, Ask::Described).await;
            if agents.connected().values().all(|agent| agent.description().claim.is_none()) {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => return Err(EngineError::Interrupted),
            }
        }
        Ok(())
    }

    /// Names this run to other operators: person, machine and process.
    fn owner(&self) -> Result<String, EngineError> {
        let credentials = self.folder.credentials()?;
        // Process ids are used again, so they do not identify a run.
        let run = &uuid::Uuid::new_v4().simple().to_string()[..4];
        Ok(format!("{}, run {run}", owner(credentials.identity().name())))
    }

    /// Records the end of releases on the hosts of their stacks.
    async fn record(&self, hosts: &Hosts<'_>, releases: &[Release]) {
        for (host, problem) in hosts.record(releases).await {
            self.listener.report(Event::Warning(Warning::NotRecorded { host, problem }));
        }
    }

    async fn drive(&self, run: Run<'_>) -> Result<Outcome, EngineError> {
        let Run { id: RunId { epoch, owner }, entry, mut state, mut journal, store, observed, hosts, stop, is_new } =
            run;
        let (sender, mut receiver) = mpsc::channel(EVENTS);
        let mut tasks = JoinSet::new();
        let watched = state.watched();
        let agents = || observed.agents.iter().filter(|(host, _)| watched.contains(*host));
        for (_, agent) in agents() {
            tasks.spawn(host_events::watch(agent.clone(), sender.clone()));
        }
        let first = first_reports(&mut receiver, &agents().map(|(host, _)| host).collect()).await?;
        if is_new {
            unmoved(observed, &first)?;
        }
        let share = |(host, units): (&String, &HeldUnits)| {
            (host.clone(), host_events::shared(units.clone(), observed.fabrics.clone()))
        };
        let units: BTreeMap<_, _> = observed.units.iter().map(share).collect();
        let mut queue = vec![rollout::Event::Start { epoch, owner: owner.clone() }];
        queue.extend(first.into_iter().map(|(host, report)| rollout::Event::Reported { host, report }));
        let mut ticks = tokio::time::interval(TICK);
        let mut steps = StepEvents::new(&*self.listener);
        let mut is_stopping = false;
        let mut sent: BTreeMap<String, Box<HostState>> = BTreeMap::new();
        // What hosts have accepted since the journal was written.
        let mut accepted = Vec::new();
        loop {
            steps.tick();
            for event in queue.drain(..) {
                if let rollout::Event::Assigned { host, generation } = &event
                    && sent.get(host).is_some_and(|state| state.generation == *generation)
                    && let Some(state) = sent.remove(host)
                {
                    accepted.retain(|change: &Change| !memory::is_of(host, &change.key));
                    accepted.extend(memory::remembering(store, &observed.fabrics, host, &state).await?);
                }
                let (next, actions) = rollout::step(state, event, now());
                state = next;
                let assigns = |action: &Action| matches!(action, Action::Assign { .. });
                if actions.iter().any(assigns) {
                    journal.write(&entry, &state, std::mem::take(&mut accepted)).await?;
                }
                for action in actions {
                    match action {
                        Action::Assign { host, state, again } => {
                            if let Some((agent, units)) = observed.agents.get(&host).zip(units.get(&host).cloned()) {
                                let (agent, owner) = (agent.clone(), owner.clone());
                                sent.insert(host, state.clone());
                                tasks.spawn(host_events::assign(agent, units, (*state, again), owner, sender.clone()));
                            }
                        }
                        Action::Report(line) => steps.progressed(&state.plan, &line),
                        Action::Done => {
                            let ending = if entry.owed.is_empty() { Ending::Done } else { Ending::Partial };
                            let ended = ended(entry.releases, &entry.owed, |_| ending);
                            self.record(&hosts, &ended).await;
                            accepted.extend(recordings(store, &ended).await?);
                            journal.close(accepted).await?;
                            let steps = state.plan.steps.len();
                            return Ok(Outcome::Done { steps, releases: deployed(&ended), owed: entry.owed });
                        }
                        Action::Failed(failure) => {
                            let report = FailureReport { plan: state.plan, failure, stopped: is_stopping };
                            // What was done of other stacks is recorded as done.
                            let complete = if entry.owed.is_empty() { Ending::Done } else { Ending::Partial };
                            let ended = ended(entry.releases, &entry.owed, |stack| match report.stopped {
                                _ if report.failure.is_done(&report.plan, stack) => complete,
                                true => Ending::Stopped,
                                false => Ending::Failed,
                            });
                            self.record(&hosts, &ended).await;
                            accepted.extend(recordings(store, &ended).await?);
                            journal.close(accepted).await?;
                            return Err(EngineError::Stopped(Box::new(report)));
                        }
                    }
                }
            }
            // Cancel-safe: a receive, a tick and a cancellation lose nothing when another branch completes first.
            queue.push(tokio::select! {
                Some(event) = receiver.recv() => event,
                _ = ticks.tick() => rollout::Event::Tick,
                () = stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    self.listener.report(Event::Warning(Warning::Stopping));
                    rollout::Event::Cancel
                }
            });
        }
    }
}

/// Runs work that can be dropped at any point until it is done or a stop is requested.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(EngineError::Interrupted),
    }
}

/// Whether an interrupted rollout has the same target as this proposal, and no other run has changed a host since. A
/// rollout is not continued while one of its hosts is away.
fn is_aim(unfinished: &Unfinished, proposal: &Proposal) -> bool {
    let Some((entry, _, last_epoch)) = &unfinished.entry else { return false };
    let observed = &proposal.observed;
    let mut epochs = observed.agents.values().map(|agent| agent.description().epoch);
    let is_away = |host: &String| observed.away.contains_key(host);
    if epochs.any(|epoch| epoch > *last_epoch) || entry.rollout.target.keys().any(is_away) {
        return false;
    }
    entry.rollout.is_aim(&observed.held, &proposal.target)
}

fn numbered(releases: &[Release]) -> Vec<NumberedRelease> {
    let numbered = |release: &Release| NumberedRelease { stack: release.stack.clone(), number: release.number };
    releases.iter().map(numbered).collect()
}

/// Begins the rollout of a proposal.
fn begin(proposal: &Proposal, epoch: u64) -> (Entry, rollout::State) {
    let (plan, held) = (proposal.plan.clone(), proposal.observed.held.clone());
    let state = rollout::State::new(plan, held, proposal.target.clone(), epoch);
    let entry = Entry {
        rollout: Record::of(&state),
        releases: proposal.releases.iter().map(|new| new.release.clone()).collect(),
        owed: proposal.owed_steps.clone(),
    };
    (entry, state)
}

/// Waits for one report of each of these hosts before anything is sent.
async fn first_reports(
    events: &mut mpsc::Receiver<rollout::Event>,
    hosts: &BTreeSet<&String>,
) -> Result<BTreeMap<String, Report>, EngineError> {
    let mut reports = BTreeMap::new();
    let deadline = tokio::time::Instant::now() + FIRST_REPORT_LIMIT;
    while reports.len() < hosts.len() {
        match tokio::time::timeout_at(deadline, events.recv()).await {
            Ok(Some(rollout::Event::Reported { host, report })) => drop(reports.insert(host, report)),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let silent = hosts.iter().find(|host| !reports.contains_key(**host)).map(|host| (*host).clone());
                let problem = "the host sent no report because the connection was lost; nothing was changed".to_owned();
                return Err(EngineError::Host { host: silent.unwrap_or_default(), step: "watch", problem });
            }
        }
    }
    Ok(reports)
}

/// Checks that no other operator has deployed since the plan was made.
fn unmoved(observed: &ObservedFleet, reports: &BTreeMap<String, Report>) -> Result<(), EngineError> {
    for (host, report) in reports {
        let planned = observed.version(host);
        let found = Version { epoch: report.epoch, generation: report.generation };
        if found.generation > planned.generation || found.epoch > planned.epoch {
            return Err(EngineError::FleetChanged { host: host.clone(), planned, found });
        }
    }
    Ok(())
}

/// Returns releases with the outcome of their stack. `owed` are the steps that were left out.
fn ended(releases: Vec<Release>, owed: &[String], ending: impl Fn(&str) -> Ending) -> Vec<Release> {
    let end = |release: Release| Release { outcome: ending(&release.stack), owed: owed.to_vec(), ..release };
    releases.into_iter().map(end).collect()
}

/// Returns the releases that deployed a stack.
fn deployed(releases: &[Release]) -> Vec<NumberedRelease> {
    let deployed = releases.iter().filter(|release| matches!(release.operation, Kind::Up | Kind::Rollback));
    numbered(&deployed.cloned().collect::<Vec<_>>())
}

/// Returns the changes that record releases in the store.
async fn recordings(store: &dyn Store, releases: &[Release]) -> Result<Vec<Change>, EngineError> {
    let mut changes = Vec::new();
    for release in releases {
        changes.push(releases::recording(store, release).await?);
    }
    Ok(changes)
}

/// Returns the Unix time in milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
