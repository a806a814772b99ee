//! Asks the agents of other hosts. It decides nothing: when to ask whom, and what follows from the answers, is decided by
//! [`landfast_agent_core::peers`].
//!
//! The fabric has the LAN addresses of the other hosts and neither their names nor their ports. So the agent at an address may
//! be that of any host of the fleet, each host counts once, and the port is the one that this agent serves on.

mod connection;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use landfast_agent_core::desired::InstanceName;
use landfast_agent_core::peers::{Answer, Question};
use landfast_agreement::limits::MESSAGE_MAX;
use landfast_certs::{Credentials, peer_config};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::error_text::in_one_line;
use crate::observe::blocking;
use crate::state::{Holder, LearnError};
use crate::wire::{HealthRequest, NewerFabricRequest, PeerClient, seen};
use connection::ConnectError;

/// Number of hosts that are asked at a time.
const AT_ONCE: usize = 8;
/// Times that answers may take. All of them together take less than instances wait for them.
const LIMITS: Limits = Limits { answer: Duration::from_secs(2), all: Duration::from_secs(8) };
/// Size of the largest answer about health, in bytes.
const HEALTH_MAX: usize = 64 << 10;

/// Times that answers may take.
#[derive(Clone, Copy)]
struct Limits {
    /// Time for one host, including the connection.
    answer: Duration,
    /// Time for all hosts that are asked for a newer fabric.
    all: Duration,
}

/// Why a host gave no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("it did not answer in time")]
    Slow,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("it is this host")]
    Itself,
    #[error("it refused: {}", .0.message())]
    Refused(Status),
    #[error("its fabric is not used")]
    Learn(#[from] LearnError),
}

impl From<Status> for AskError {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// The agents of the other hosts.
pub(crate) struct Peers {
    /// Name of this host.
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    holder: Arc<Holder>,
    limits: Limits,
}

impl Peers {
    /// `port` is the port of the other agents.
    pub(crate) fn new(
        credentials: &Credentials,
        port: u16,
        holder: Arc<Holder>,
    ) -> Result<Self, landfast_certs::Error> {
        let host = credentials.identity().name().to_owned();
        Ok(Self { host, port, tls: peer_config(credentials)?, holder, limits: LIMITS })
    }

    /// Asks hosts for a newer fabric and takes it. Returns the number of hosts that answered.
    pub(crate) async fn catch_up(&self, question: Question) -> usize {
        let deadline = Instant::now() + self.limits.all;
        let asked = question.hosts.len();
        let answers = stream::iter(question.hosts).map(async |host| (host, self.ask_for_fabric(host).await));
        let mut answers = std::pin::pin!(answers.buffer_unordered(AT_ONCE));
        let mut answered = BTreeSet::new();
        while answered.len() < question.enough {
            let Ok(Some((host, answer))) = timeout_at(deadline, answers.next()).await else { break };
            match answer {
                Ok(name) => drop(answered.insert(name)),
                Err(error) => tracing::debug!(%host, error = in_one_line(&error), "no answer of another host"),
            }
        }
        tracing::info!(asked, answered = answered.len(), "other hosts asked for a newer fabric");
        answered.len()
    }

    /// Asks a host for a newer fabric and takes it. Returns the name of the host.
    async fn ask_for_fabric(&self, host: Ipv4Addr) -> Result<String, AskError> {
        let held = self.holder.fabric();
        let (version, digest) = held.map_or((None, String::new()), |(version, digest)| (Some(version), digest));
        let answer = timeout(self.limits.answer, async {
            let (channel, name) = self.connect(host).await?;
            let mut client = PeerClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
            let response = client.newer_fabric(NewerFabricRequest { version, digest }).await?;
            Ok::<_, AskError>((name, response.into_inner().fabric))
        });
        let (name, fabric) = answer.await.map_err(|_| AskError::Slow)??;
        if let Some(unit) = fabric {
            let holder = self.holder.clone();
            let is_taken = blocking(move || holder.learn(&unit)).await.inspect_err(|error| {
                tracing::warn!(host = name, error = in_one_line(error), "fabric of another host not used");
            })?;
            if is_taken {
                tracing::info!(host = name, version = self.holder.fabric().map(|(version, _)| version), "fabric taken");
            }
        }
        Ok(name)
    }

    /// Asks a host what instances do.
    pub(crate) async fn health(&self, host: Ipv4Addr, instances: &[InstanceName]) -> Answer {
        let answer = timeout(self.limits.answer, self.ask_for_health(host, instances)).await;
        match answer.unwrap_or(Err(AskError::Slow)) {
            Ok(answer) => answer,
            Err(AskError::Refused(status)) if is_too_old(&status) => Answer::Unsaid,
            Err(error) => {
                tracing::debug!(%host, error = in_one_line(&error), "no answer of another host");
                Answer::Silent
            }
        }
    }

    async fn ask_for_health(&self, host: Ipv4Addr, instances: &[InstanceName]) -> Result<Answer, AskError> {
        let (channel, _) = self.connect(host).await?;
        let mut client = PeerClient::new(channel).max_decoding_message_size(HEALTH_MAX);
        let request = HealthRequest { instances: instances.iter().map(ToString::to_string).collect() };
        let found = client.health(request).await?.into_inner().instances;
        let known = instances.iter().zip(&found).filter_map(|(name, found)| Some((name.clone(), seen(found)?)));
        Ok(Answer::Known(known.collect::<BTreeMap<_, _>>()))
    }

    /// Connects to the agent of another host and returns its name.
    async fn connect(&self, host: Ipv4Addr) -> Result<(Channel, String), AskError> {
        let (channel, name) = connection::connect(host, self.port, self.tls.clone()).await?;
        if name == self.host { Err(AskError::Itself) } else { Ok((channel, name)) }
    }
}

/// Whether an agent refused because it does not have the method. An agent of an earlier version has no role for it.
fn is_too_old(status: &Status) -> bool {
    matches!(status.code(), Code::Unimplemented | Code::PermissionDenied)
}

#[cfg(test)]
mod tests;
