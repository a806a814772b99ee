//! What happens on the hosts, as one stream of events: a report after every change, and connections that break and are
//! made again.

use std::time::Duration;

use landfast_core::desired::HostState;
use landfast_core::report::Report;
use landfast_core::rollout::Event;
use landfast_proto::v1::{AssignRequest, WatchRequest};
use tokio::sync::mpsc::Sender;
use tonic::{Code, Status};

use crate::connect::Agent;
use crate::wire::{Wire as _, problem};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An agent answers when the host state is on its disk.
const ASSIGN_LIMIT: Duration = Duration::from_secs(30);

/// Sends every report of a host, until nobody listens any more. Cancel-safe: it holds nothing.
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

/// Gives a host its state, again and again while it cannot be reached: the same one twice is no harm.
pub(super) async fn assign(agent: Agent, state: HostState, events: Sender<Event>) {
    let host = agent.host().to_owned();
    let generation = state.generation;
    let request = AssignRequest { state: Some(state.to_wire()) };
    let mut pause = FIRST_PAUSE;
    while !events.is_closed() {
        let answer = tokio::time::timeout(ASSIGN_LIMIT, agent.agent().assign(request.clone())).await;
        let event = match answer {
            Ok(Ok(_)) => Event::Assigned { host: host.clone() },
            Ok(Err(status)) if !is_passing(&status) => {
                Event::AssignFailed { host: host.clone(), generation, message: problem(&status) }
            }
            Ok(Err(_)) | Err(_) => Event::Lost { host: host.clone() },
        };
        let again = matches!(event, Event::Lost { .. });
        if events.send(event).await.is_err() || !again {
            return;
        }
        wait(&mut pause).await;
    }
}

/// The agent did not say no: it did not hear, or could not answer.
fn is_passing(status: &Status) -> bool {
    let transport = std::error::Error::source(status).is_some();
    transport || matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown)
}

async fn wait(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}
