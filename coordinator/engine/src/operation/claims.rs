//! The claims of a run on the hosts that it changes: taken before the first assignment, renewed while the run lasts, and
//! released at its end. A run that is killed loses them after their time to live.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use landfast_proto::v1::{ClaimRequest, ClaimResponse, HostClaim, ReleaseRequest};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::EngineError;
use crate::connect::Agent;
use crate::store::Store;
use crate::wire::problem;

/// Key of the last run of this store.
const KEY: &str = "run";
/// Time for which a claim holds unless it is renewed.
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// Interval of renewals.
const RENEWAL: Duration = Duration::from_secs(10);
/// Time limit for a request.
const LIMIT: Duration = Duration::from_secs(10);

/// Identity of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunId {
    /// Epoch of the run.
    pub(super) epoch: u64,
    /// Person, machine and process that run.
    pub(super) owner: String,
}

/// The claims of a run. Dropping them ends their renewal.
pub(super) struct Claims {
    run: RunId,
    agents: Vec<Agent>,
    renewals: JoinSet<()>,
}

/// A claim of another run, in the words of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherClaim {
    /// Person, machine and process that run.
    pub owner: String,
    /// What the run does.
    pub purpose: String,
    /// Time at which it claimed the host.
    pub since: jiff::Timestamp,
    /// Seconds until the claim ends unless it is renewed.
    pub remaining: u32,
}

impl std::fmt::Display for OtherClaim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { owner, purpose, since, remaining } = self;
        write!(
            f,
            "{owner} changes the fleet (`landfast {purpose}`, since {since}); the claim ends in {remaining} s unless it is renewed"
        )
    }
}

impl From<HostClaim> for OtherClaim {
    fn from(claim: HostClaim) -> Self {
        Self {
            owner: claim.owner,
            purpose: claim.purpose,
            since: jiff::Timestamp::from_second(claim.since).unwrap_or_default(),
            remaining: claim.remaining.div_ceil(1000),
        }
    }
}

impl Claims {
    /// Claims all hosts for a run, or none.
    ///
    /// The first host by name is claimed before the others. Of two runs that begin at the same time and reach that host, one
    /// therefore fails before it has claimed a host that the other one needs.
    ///
    /// # Errors
    /// [`EngineError::Claimed`] if another run has a claim, and [`EngineError::Overtaken`] if one has deployed since the
    /// hosts were observed.
    pub(super) async fn take(
        store: &dyn Store,
        agents: &BTreeMap<String, Agent>,
        run: RunId,
        purpose: &str,
    ) -> Result<Self, EngineError> {
        let request = ClaimRequest {
            epoch: run.epoch,
            owner: run.owner.clone(),
            purpose: purpose.to_owned(),
            time_to_live: u32::try_from(TIME_TO_LIVE.as_millis()).unwrap_or(u32::MAX),
            ended_owner: replace_last_run(store, &run).await?,
        };
        let all: Vec<Agent> = agents.values().cloned().collect();
        let (first, others) = all.split_at(all.len().min(1));
        for group in [first, others] {
            let refused = join_all(group.iter().map(|agent| claim(agent, &request))).await;
            if let Some(error) = refused.into_iter().find_map(Result::err) {
                release(&all, &run).await;
                return Err(error);
            }
        }
        let mut renewals = JoinSet::new();
        for agent in all.clone() {
            renewals.spawn(renew(agent, request.clone()));
        }
        Ok(Self { run, agents: all, renewals })
    }

    /// Ends the claims. A host that does not answer ends its claim after the time to live.
    pub(super) async fn release(self) {
        let Self { run, agents, mut renewals } = self;
        // A renewal after the release would claim the host again.
        renewals.shutdown().await;
        release(&agents, &run).await;
    }
}

/// Records this run in the store, and returns the owner of the run before it; empty for none. That run has ended, because
/// one process at a time has the store open.
async fn replace_last_run(store: &dyn Store, run: &RunId) -> Result<String, EngineError> {
    let found = store.get(KEY).await?;
    let last = found.as_ref().and_then(|found| serde_json::from_slice::<RunId>(&found.value).ok());
    let value = serde_json::to_vec(run).map_err(|source| EngineError::Record { key: KEY.to_owned(), source })?;
    store.compare_and_set(KEY, found.map(|found| found.version), Some(value)).await?;
    Ok(last.map(|last| last.owner).unwrap_or_default())
}

async fn claim(agent: &Agent, request: &ClaimRequest) -> Result<(), EngineError> {
    let host = || agent.host().to_owned();
    let failed = |problem: String| EngineError::Host { host: host(), step: "claim", problem };
    let answer = tokio::time::timeout(LIMIT, agent.agent().claim(request.clone())).await;
    match answer.map(|answer| answer.map(tonic::Response::into_inner)) {
        Ok(Ok(ClaimResponse { granted: true, .. })) => Ok(()),
        Ok(Ok(ClaimResponse { held: Some(held), .. })) => {
            Err(EngineError::Claimed { host: host(), claim: Box::new(held.into()) })
        }
        Ok(Ok(ClaimResponse { held: None, .. })) => Err(EngineError::Overtaken { host: host() }),
        Ok(Err(status)) => Err(failed(problem(&status))),
        Err(_) => Err(failed(format!("no answer within {} s", LIMIT.as_secs()))),
    }
}

/// Renews a claim until it is dropped. A renewal that fails is repeated: the host may be restarting.
async fn renew(agent: Agent, request: ClaimRequest) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        if let Err(error) = claim(&agent, &request).await {
            tracing::debug!(host = agent.host(), %error, "claim not renewed");
        }
    }
}

async fn release(agents: &[Agent], run: &RunId) {
    let request = ReleaseRequest { epoch: run.epoch, owner: run.owner.clone() };
    let releases = agents.iter().map(async |agent| {
        tokio::time::timeout(LIMIT, agent.agent().release(request.clone())).await.is_ok_and(|answer| answer.is_ok())
    });
    let ended = join_all(releases).await;
    tracing::debug!(released = ended.iter().filter(|ended| **ended).count(), "claims released");
}
