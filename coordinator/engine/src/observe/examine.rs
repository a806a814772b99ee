//! Asks the hosts what is at the sources of the mounts that a plan creates.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use futures::future::try_join_all;
use landfast_core::plan::sources::{Answers, Place, Seen};
use landfast_proto::v1::{ExamineRequest, ExamineResponse};
use tonic::{Code, Status};

use crate::connect::Agent;
use crate::wire::{Wire as _, problem};

use super::ObservedFleet;
use crate::EngineError;

/// Time limit for a request. A host that mounts an unreachable file server may never answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks all hosts at the same time what is at these places.
pub(crate) async fn examine(
    observed: &ObservedFleet,
    places: BTreeMap<String, BTreeSet<Place>>,
) -> Result<Answers, EngineError> {
    let asked = places.into_iter().filter_map(|(host, places)| Some((observed.agents.get(&host)?, places)));
    let asked = asked
        .map(async |(agent, places)| Ok::<_, EngineError>((agent.host().to_owned(), of_host(agent, places).await?)));
    Ok(try_join_all(asked).await?.into_iter().collect())
}

/// Asks one host. The answer of an agent that does not support the request is empty; such an agent finds out when it
/// mounts.
async fn of_host(agent: &Agent, places: BTreeSet<Place>) -> Result<BTreeMap<Place, Seen>, EngineError> {
    let sources = places.iter().cloned().map(Place::to_wire).collect();
    let mut client = agent.agent();
    let asked = tokio::time::timeout(LIMIT, client.examine(ExamineRequest { sources })).await;
    let late = || {
        Status::deadline_exceeded(format!("no answer within {} s: a file server may be unreachable", LIMIT.as_secs()))
    };
    match asked.unwrap_or_else(|_| Err(late())) {
        Ok(answer) => {
            let ExamineResponse { sources } = answer.into_inner();
            Ok(places.into_iter().zip(sources.into_iter().map(Seen::of_wire)).collect())
        }
        Err(status) if status.code() == Code::Unimplemented => Ok(BTreeMap::new()),
        Err(status) => {
            let host = agent.host().to_owned();
            Err(EngineError::Host { host, step: "examine", problem: problem(&status) })
        }
    }
}
