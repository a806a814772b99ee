//! Drives a rollout: it executes the actions of the core, passes events to the core, and writes the journal. It makes
//! no decisions.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use landfast_core::desired::HostState;
use landfast_core::report::Report;
use landfast_core::rollout::{self, Action, Failure};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connect::{Agents, Ask, targets};
use crate::event::{Event, NumberedRelease, Warning};
use crate::observe::{ObservedFleet, memory};
use crate::store::{Change, Store};
use crate::{Engine, EngineError, Version};

use super::claims::{Claims, RunId};
use super::failure::FailureReport;
use super::journal::{Entry, Journal, Unfinished};
use super::releases::{self, Ending, Release};
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
    journal: Journal<'a>,
    store: &'a dyn Store,
    observed: &'a ObservedFleet,
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
        let (journal, unfinished) = Journal::open(store).await?;
        let resumed = match unfinished {
            Some(Unfinished::Entry(entry)) if is_aim(&entry, &proposal) => {
                self.listener.report(Event::Resumed { releases: numbered(&entry.releases) });
                Some(*entry)
            }
            Some(unfinished) => {
                let releases = unfinished.releases();
                self.listener.report(Event::Warning(Warning::Superseded { releases: numbered(&releases) }));
                store.txn(recordings(store, releases, Ending::Failed).await?).await?;
                None
            }
            None => None,
        };
        if proposal.plan.is_empty() && resumed.is_none() {
            journal.close(Vec::new()).await?;
            let owed = proposal.owed_steps;
            let nothing = Outcome::Done { steps: 0, releases: Vec::new(), owed: owed.clone() };
            return Ok(if owed.is_empty() { Outcome::Unchanged } else { nothing });
        }
        // When the future is dropped, the transfers end. The next run uses the parts that have arrived.
        unless_stopped(&stop, bring::bring(&self.folder.fleet, &proposal, &self.listener)).await?;
        let is_new = resumed.is_none();
        let entry = resumed.unwrap_or_else(|| entry(&proposal));
        let observed = &proposal.observed;
        let id = RunId { epoch: observed.next_epoch(), owner: self.owner()? };
        let claims = Claims::take(store, &observed.agents, id.clone(), &proposal.purpose).await?;
        let outcome = self.drive(Run { id, journal, store, observed, stop, is_new }, entry).await;
        claims.release().await;
        outcome
    }

    /// Creates the networks of the fleet where they are missing, as on a host that has just joined, and informs the
    /// other hosts. It does nothing while there is an interrupted rollout, whose continuation creates the networks too.
    pub async fn create_networks(&self, store: &dyn Store, stop: CancellationToken) -> Result<Outcome, EngineError> {
        let (_, unfinished) = Journal::open(store).await?;
        if unfinished.is_some() {
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
        let person = credentials.identity().name();
        let system = rustix::system::uname();
        let machine = system.nodename().to_string_lossy();
        // Process ids are used again, so they do not identify a run.
        let (process, run) = (std::process::id(), &uuid::Uuid::new_v4().simple().to_string()[..4]);
        Ok(format!("{person}@{machine}, process {process}, run {run}"))
    }

    async fn drive(&self, run: Run<'_>, mut entry: Entry) -> Result<Outcome, EngineError> {
        let Run { id: RunId { epoch, owner }, mut journal, store, observed, stop, is_new } = run;
        let (sender, mut receiver) = mpsc::channel(EVENTS);
        let mut tasks = JoinSet::new();
        for agent in observed.agents.values() {
            tasks.spawn(host_events::watch(agent.clone(), sender.clone()));
        }
        let first = first_reports(&mut receiver, observed).await?;
        if is_new {
            unmoved(observed, &first)?;
        }
        let units: BTreeMap<_, _> =
            observed.units.iter().map(|(host, units)| (host, host_events::shared(units.clone()))).collect();
        let mut queue = vec![rollout::Event::Start { epoch, owner: owner.clone() }];
        queue.extend(first.into_iter().map(|(host, report)| rollout::Event::Reported { host, report }));
        let mut ticks = tokio::time::interval(TICK);
        let mut steps = StepEvents::new(&*self.listener);
        let mut is_stopping = false;
        loop {
            steps.tick();
            for event in queue.drain(..) {
                let (state, actions) = rollout::step(entry.state, event, now());
                entry.state = state;
                let mut sent = Vec::new();
                for action in &actions {
                    if let Action::Assign { host, state } = action {
                        sent.push(memory::remembering(store, host, state).await?);
                    }
                }
                if !sent.is_empty() {
                    journal.write(&entry, sent.into_iter().flatten()).await?;
                }
                for action in actions {
                    match action {
                        Action::Assign { host, state } => {
                            let units = units.get(&host).cloned().unwrap_or_default();
                            if let Some(agent) = observed.agents.get(&host) {
                                let (agent, owner) = (agent.clone(), owner.clone());
                                tasks.spawn(host_events::assign(agent, units, *state, owner, sender.clone()));
                            }
                        }
                        Action::Report(line) => steps.progressed(&entry.state.plan, &line),
                        Action::Done => return finish(journal, store, entry).await,
                        Action::Failed(failure) => return fail(journal, store, entry, failure, is_stopping).await,
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
fn is_aim(entry: &Entry, proposal: &Proposal) -> bool {
    let observed = &proposal.observed;
    let is_away = |host: &String| observed.away.contains_key(host);
    let mut epochs = observed.agents.values().map(|agent| agent.description().epoch);
    if epochs.any(|epoch| epoch > entry.state.epoch) || entry.state.sent().any(|(host, _)| is_away(host)) {
        return false;
    }
    let (before, now) = (&entry.state.target, &proposal.target);
    before.keys().eq(now.keys()) && before.values().zip(now.values()).all(|(before, now)| same_aim(before, now))
}

fn numbered(releases: &[Release]) -> Vec<NumberedRelease> {
    let numbered = |release: &Release| NumberedRelease { stack: release.stack.clone(), number: release.number };
    releases.iter().map(numbered).collect()
}

/// Whether two host states are equal apart from release numbers, because each rollout has numbers of its own.
fn same_aim(before: &HostState, now: &HostState) -> bool {
    let unnumbered = |state: &HostState| {
        let mut state = state.clone();
        state.instances.iter_mut().for_each(|instance| instance.release = 0);
        state
    };
    unnumbered(before).same_contents(&unnumbered(now))
}

fn entry(proposal: &Proposal) -> Entry {
    let observed = &proposal.observed;
    let releases = proposal.deployments.iter().cloned();
    Entry {
        state: rollout::State::new(
            proposal.plan.clone(),
            observed.held.clone(),
            proposal.target.clone(),
            observed.next_epoch(),
        )
        .without(observed.away.keys()),
        releases: releases.map(|deployment| Release::of(deployment, Ending::Failed)).collect(),
        owed: proposal.owed_steps.clone(),
    }
}

/// Waits for one report of each host before anything is sent.
async fn first_reports(
    events: &mut mpsc::Receiver<rollout::Event>,
    observed: &ObservedFleet,
) -> Result<BTreeMap<String, Report>, EngineError> {
    let mut reports = BTreeMap::new();
    let deadline = tokio::time::Instant::now() + FIRST_REPORT_LIMIT;
    while reports.len() < observed.agents.len() {
        match tokio::time::timeout_at(deadline, events.recv()).await {
            Ok(Some(rollout::Event::Reported { host, report })) => drop(reports.insert(host, report)),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let silent = observed.agents.keys().find(|host| !reports.contains_key(*host)).cloned();
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

async fn finish(journal: Journal<'_>, store: &dyn Store, entry: Entry) -> Result<Outcome, EngineError> {
    let releases = numbered(&entry.releases);
    let ending = if entry.owed.is_empty() { Ending::Done } else { Ending::Partial };
    let mut changes = recordings(store, entry.releases, ending).await?;
    for (host, state) in entry.state.sent() {
        changes.extend(memory::remembering(store, host, state).await?);
    }
    journal.close(changes).await?;
    Ok(Outcome::Done { steps: entry.state.plan.steps.len(), releases, owed: entry.owed })
}

async fn fail(
    journal: Journal<'_>,
    store: &dyn Store,
    entry: Entry,
    failure: Failure,
    stopped: bool,
) -> Result<Outcome, EngineError> {
    let ending = if stopped { Ending::Stopped } else { Ending::Failed };
    journal.close(recordings(store, entry.releases, ending).await?).await?;
    Err(EngineError::Stopped(Box::new(FailureReport { plan: entry.state.plan, failure, stopped })))
}

/// Returns the changes that record releases with this outcome.
async fn recordings(store: &dyn Store, releases: Vec<Release>, outcome: Ending) -> Result<Vec<Change>, EngineError> {
    let mut changes = Vec::new();
    for release in releases {
        changes.push(releases::recording(store, &Release { outcome, ..release }).await?);
    }
    Ok(changes)
}

/// Returns the Unix time in milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
