//! Drives a rollout: sends what the core says, tells the core what happens, and keeps the journal. Decides nothing.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use landfast_core::desired::HostState;
use landfast_core::report::Report;
use landfast_core::rollout::{self, Action, Event, Failure};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::images::Images;
use crate::observe::Ground;
use crate::store::Store;
use crate::{Engine, EngineError, Version};

use super::failure::Standing;
use super::journal::{Entry, Journal};
use super::releases::{self, Ending, Release};
use super::talk::Talk;
use super::{Proposal, Wanted, bring, host_events};

/// How a run ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was as it should be.
    Unchanged,
    /// It is now.
    Done {
        steps: usize,
        /// Stack and number.
        releases: Vec<(String, u64)>,
    },
}

/// Events that wait while one is dealt with; reports are whole, so a host that is ahead only waits.
const EVENTS: usize = 64;
/// The core asks for at least one a second.
const TICK: Duration = Duration::from_secs(1);
/// For the first report of every host, which an agent sends at once.
const FIRST_REPORT_LIMIT: Duration = Duration::from_secs(20);

/// What a run goes on with once everything is on the hosts.
struct Run<'a> {
    journal: Journal<'a>,
    store: &'a dyn Store,
    ground: &'a Ground,
    interrupts: Signal,
    /// Not one that was cut off.
    fresh: bool,
}

impl Engine<'_> {
    /// Carries out a proposal, or goes on with the rollout that was cut off when it had the same aim.
    pub async fn carry_out(&self, store: &dyn Store, proposal: Proposal) -> Result<Outcome, EngineError> {
        let (journal, unfinished) = Journal::open(store).await?;
        let resumed = match unfinished {
            Some(entry) if is_aim(&entry, &proposal) => {
                self.listener.say(&format!("going on with {}, which was cut off", names(&entry)));
                Some(entry)
            }
            Some(entry) => {
                self.listener.warn(&format!("{} was cut off, and is superseded", names(&entry)));
                record(store, entry.releases, Ending::Failed).await?;
                None
            }
            None => None,
        };
        if proposal.plan.is_empty() && resumed.is_none() {
            journal.close().await?;
            return Ok(Outcome::Unchanged);
        }
        // One for the whole run: a signal that comes when nobody listens is lost.
        let mut interrupts = signal(SignalKind::interrupt()).map_err(EngineError::Signals)?;
        tokio::select! {
            // Dropping it ends the transfers; what has arrived is used next time.
            brought = bring::bring(&self.folder.fleet, &proposal, self.listener) => brought?,
            _ = interrupts.recv() => return Err(EngineError::Interrupted),
        }
        let fresh = resumed.is_none();
        let entry = resumed.unwrap_or_else(|| entry(&proposal));
        self.drive(Run { journal, store, ground: &proposal.ground, interrupts, fresh }, entry).await
    }

    /// Makes the networks of the fleet where they are missing, as on a host that has just joined, and tells the others of it. A
    /// rollout that was cut off comes first: its next run does this too.
    pub async fn make_networks(&self, store: &dyn Store) -> Result<Outcome, EngineError> {
        let (_, unfinished) = Journal::open(store).await?;
        if unfinished.is_some() {
            return Ok(Outcome::Unchanged);
        }
        let ground = Ground::survey(self).await?;
        let proposal = self.propose(store, ground, Images::default(), Wanted::default()).await?;
        self.carry_out(store, proposal).await
    }

    async fn drive(&self, run: Run<'_>, mut entry: Entry) -> Result<Outcome, EngineError> {
        let Run { mut journal, store, ground, mut interrupts, fresh } = run;
        let (sender, mut receiver) = mpsc::channel(EVENTS);
        let mut tasks = JoinSet::new();
        for agent in ground.agents.values() {
            tasks.spawn(host_events::watch(agent.clone(), sender.clone()));
        }
        let first = first_reports(&mut receiver, ground).await?;
        if fresh {
            unmoved(ground, &first)?;
        }
        let mut queue = vec![Event::Start];
        queue.extend(first.into_iter().map(|(host, report)| Event::Reported { host, report }));
        let mut ticks = tokio::time::interval(TICK);
        let mut talk = Talk::new(self.listener);
        let mut stopped = false;
        loop {
            talk.tick();
            for event in queue.drain(..) {
                let (state, actions) = rollout::step(entry.state, event, now());
                entry.state = state;
                if actions.iter().any(|action| matches!(action, Action::Assign { .. })) {
                    journal.write(&entry).await?;
                }
                for action in actions {
                    match action {
                        Action::Assign { host, state } => {
                            if let Some(agent) = ground.agents.get(&host) {
                                tasks.spawn(host_events::assign(agent.clone(), *state, sender.clone()));
                            }
                        }
                        Action::Say(line) => talk.hear(&entry.state.plan, &line),
                        Action::Done => return finish(journal, store, entry).await,
                        Action::Failed(failure) => return fail(journal, store, entry, failure, stopped).await,
                    }
                }
            }
            // Cancel-safe: a receive, a tick and a signal lose nothing when another comes first.
            queue.push(tokio::select! {
                Some(event) = receiver.recv() => event,
                _ = ticks.tick() => Event::Tick,
                _ = interrupts.recv() => {
                    if stopped {
                        return Err(EngineError::Interrupted);
                    }
                    stopped = true;
                    self.listener.warn("stopping when the steps under way are done; once more to leave at once");
                    Event::Cancel
                }
            });
        }
    }
}

/// Whether the rollout that was cut off was to end where this one would.
fn is_aim(entry: &Entry, proposal: &Proposal) -> bool {
    let (before, now) = (&entry.state.target, &proposal.target);
    before.keys().eq(now.keys()) && before.values().zip(now.values()).all(|(before, now)| same_aim(before, now))
}

/// `release 3 of data`.
fn names(entry: &Entry) -> String {
    let names = entry.releases.iter().map(|release| format!("release {} of {}", release.number, release.stack));
    let names = names.collect::<Vec<_>>();
    if names.is_empty() { "a rollout".to_owned() } else { names.join(", ") }
}

/// Equal but for the numbers of releases: what was cut off and what is asked for now each have their own.
fn same_aim(before: &HostState, now: &HostState) -> bool {
    let unnumbered = |state: &HostState| {
        let mut state = state.clone();
        state.instances.iter_mut().for_each(|instance| instance.release = 0);
        state
    };
    unnumbered(before).same_contents(&unnumbered(now))
}

fn entry(proposal: &Proposal) -> Entry {
    let ground = &proposal.ground;
    let releases = proposal.deployments.iter().cloned();
    Entry {
        state: rollout::State::new(
            proposal.plan.clone(),
            ground.held.clone(),
            proposal.target.clone(),
            ground.next_epoch(),
        ),
        releases: releases.map(|deployment| Release::of(deployment, Ending::Failed)).collect(),
    }
}

/// One report of each host, before anything is sent.
async fn first_reports(
    events: &mut mpsc::Receiver<Event>,
    ground: &Ground,
) -> Result<BTreeMap<String, Report>, EngineError> {
    let mut reports = BTreeMap::new();
    let deadline = tokio::time::Instant::now() + FIRST_REPORT_LIMIT;
    while reports.len() < ground.agents.len() {
        match tokio::time::timeout_at(deadline, events.recv()).await {
            Ok(Some(Event::Reported { host, report })) => drop(reports.insert(host, report)),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let silent = ground.agents.keys().find(|host| !reports.contains_key(*host)).cloned();
                let problem = "no report: the connection was lost, nothing was touched".to_owned();
                return Err(EngineError::Host { host: silent.unwrap_or_default(), step: "watch", problem });
            }
        }
    }
    Ok(reports)
}

/// Nobody else deployed since the plan was made.
fn unmoved(ground: &Ground, reports: &BTreeMap<String, Report>) -> Result<(), EngineError> {
    for (host, report) in reports {
        let planned = ground.version(host);
        let found = Version { epoch: report.epoch, generation: report.generation };
        if found.generation > planned.generation || found.epoch > planned.epoch {
            return Err(EngineError::GroundMoved { host: host.clone(), planned, found });
        }
    }
    Ok(())
}

async fn finish(journal: Journal<'_>, store: &dyn Store, entry: Entry) -> Result<Outcome, EngineError> {
    let releases = entry.releases.iter().map(|release| (release.stack.clone(), release.number)).collect();
    record(store, entry.releases, Ending::Done).await?;
    journal.close().await?;
    Ok(Outcome::Done { steps: entry.state.plan.steps.len(), releases })
}

async fn fail(
    journal: Journal<'_>,
    store: &dyn Store,
    entry: Entry,
    failure: Failure,
    stopped: bool,
) -> Result<Outcome, EngineError> {
    record(store, entry.releases, if stopped { Ending::Stopped } else { Ending::Failed }).await?;
    journal.close().await?;
    Err(EngineError::Stopped(Box::new(Standing { plan: entry.state.plan, failure, stopped })))
}

async fn record(store: &dyn Store, releases: Vec<Release>, outcome: Ending) -> Result<(), EngineError> {
    for release in releases {
        releases::record(store, &Release { outcome, ..release }).await?;
    }
    Ok(())
}

/// Unix time in milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
