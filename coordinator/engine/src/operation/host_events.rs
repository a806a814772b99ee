//! The events of all hosts as one stream: a report after every change, and every lost connection. It connects again
//! after a connection is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use landfast_core::desired::HostState;
use landfast_core::report::Report;
use landfast_core::rollout::Event;
use landfast_proto::v1::WatchRequest;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Sender;
use tonic::{Code, Status};

use crate::connect::{Agent, Ask};
use crate::observe::frame;
use crate::wire::{Fabrics, HeldUnits, Settled, Wire as _, problem};

/// Pause before the first retry. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time limit for an assignment. The agent answers when the host state is on its disk.
const ASSIGN_LIMIT: Duration = Duration::from_secs(30);

/// Sends every report of a host until the receiver is dropped. It is cancel-safe, because it keeps no state.
pub(super) async fn watch(agent: Agent, events: Sender<Event>) {
    let host = agent.host().to_owned();
    let mut pause = FIRST_PAUSE;
    while !events.is_closed() {
        if let Ok(answer) = agent.agent().watch(WatchRequest {}).await {
            let mut reports = answer.into_inner();
            while let Ok(Some(report)) = reports.message().await {
                pause = FIRST_PAUSE;
                let report = Report::of_wire(report);
                if events.send(Event::Reported { host: host.clone(), report }).await.is_err() {
                    return;
                }
            }
        }
        if events.send(Event::Lost { host: host.clone() }).await.is_err() {
            return;
        }
        wait(&mut pause).await;
    }
}

/// The units of one host, which its assignments change one after the other.
#[derive(Default)]
pub(super) struct HostUnits {
    held: HeldUnits,
    /// Fabrics of all hosts.
    fabrics: Arc<Fabrics>,
    /// Whether the answer to an assignment was lost, so that the host may hold other units.
    uncertain: bool,
}

/// The units of one host, shared by its assignments. One that is retried and the next one may overlap.
pub(super) type SharedUnits = Arc<Mutex<HostUnits>>;

/// Shares the units that a host holds.
pub(super) fn shared(held: HeldUnits, fabrics: Arc<Fabrics>) -> SharedUnits {
    Arc::new(Mutex::new(HostUnits { held, fabrics, uncertain: false }))
}

/// Assigns the units of its state that have changed to a host, and retries while the host cannot be reached. Assigning the
/// same units twice has no effect.
///
/// `wanted` is the state, and the stacks to send even if nothing of them has changed.
pub(super) async fn assign(
    agent: Agent,
    units: SharedUnits,
    wanted: (HostState, BTreeSet<String>),
    owner: String,
    events: Sender<Event>,
) {
    let host = agent.host().to_owned();
    let generation = wanted.0.generation;
    let mut pause = FIRST_PAUSE;
    while !events.is_closed() {
        let refused = |stacks, message| Event::AssignFailed { host: host.clone(), generation, stacks, message };
        let event = match send(&agent, &units, &wanted, &owner).await {
            Some(Ok(Settled::Done)) => Event::Assigned { host: host.clone(), generation },
            Some(Ok(Settled::Again)) => continue,
            Some(Ok(Settled::Refused { stacks, message })) => refused(stacks, message),
            Some(Err(status)) => refused(BTreeSet::new(), problem(&status)),
            None => Event::Lost { host: host.clone() },
        };
        let again = matches!(event, Event::Lost { .. });
        if events.send(event).await.is_err() || !again {
            return;
        }
        wait(&mut pause).await;
    }
}

/// Sends the units that change, and records the answers. Returns `None` if there was no answer, and an error if the host
/// refused the whole assignment.
async fn send(
    agent: &Agent,
    units: &SharedUnits,
    (state, again): &(HostState, BTreeSet<String>),
    owner: &str,
) -> Option<Result<Settled, Status>> {
    let mut units = units.lock().await;
    if units.uncertain {
        let description = agent.describe(Ask::Held).await.ok()?;
        units.held = HeldUnits::of_wire(frame(&description), description.held, &units.fabrics).ok()?.0;
        units.uncertain = false;
    }
    let assignment = units.held.assignment(state.clone(), owner, again);
    // If the future is dropped or the answer is lost, nobody knows what the host has taken.
    units.uncertain = true;
    let answer = tokio::time::timeout(ASSIGN_LIMIT, agent.agent().assign(assignment.request.clone())).await;
    match answer.ok()? {
        Ok(response) => {
            units.uncertain = false;
            Some(Ok(units.held.settle(&assignment, &response.into_inner().answers)))
        }
        Err(status) if is_passing(&status) => None,
        Err(status) => {
            units.uncertain = false;
            Some(Err(status))
        }
    }
}

/// Whether a retry may succeed: the agent did not refuse the request, but did not receive it or could not answer.
fn is_passing(status: &Status) -> bool {
    let transport = std::error::Error::source(status).is_some();
    transport || matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown)
}

async fn wait(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}
