//! Owns the connections to the agents: all hosts are dialled at once, and each either answers or says why not.

mod dial;
mod error;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use landfast_agreement::limits::MESSAGE_MAX;
use landfast_certs::{Credentials, client_config};
use landfast_core::fleet::Fleet;
use landfast_proto::v1::agent_client::AgentClient;
use landfast_proto::v1::blobs_client::BlobsClient;
use landfast_proto::v1::builder_client::BuilderClient;
use landfast_proto::v1::{DescribeRequest, DescribeResponse};
use tonic::transport::Channel;

use dial::Route;
pub use error::{ConnectError, Unreachable};

/// A host that answers is described within this time, even when its engine is busy.
const DESCRIBE_LIMIT: Duration = Duration::from_secs(20);

/// A host to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name in the fleet: the agent must prove to be this one.
    pub host: String,
    /// Its address on the LAN.
    pub address: Ipv4Addr,
    /// The agent's port.
    pub port: u16,
}

impl Target {
    /// The address and the port together.
    pub fn socket(&self) -> SocketAddr {
        (self.address, self.port).into()
    }
}

/// The hosts of a fleet, by name.
pub fn targets(fleet: &Fleet) -> Vec<Target> {
    let target = |(name, host): (&String, &landfast_core::fleet::Host)| Target {
        host: name.clone(),
        address: host.address,
        port: host.port,
    };
    fleet.hosts.iter().map(target).collect()
}

/// What to ask a host for when it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What it is: any role may.
    Described,
    /// And the host state it holds, environments included: deployers may.
    Held,
}

/// One host's agent, proven to be that host's, with what it said of itself when it was dialled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Agent {
    target: Target,
    channel: Channel,
    description: DescribeResponse,
}

impl Agent {
    /// Dials one host, checks who answers, and asks it to describe itself: only its answer shows that it accepts us.
    pub async fn connect(
        fleet: &str,
        target: &Target,
        credentials: &Credentials,
        ask: Ask,
    ) -> Result<Self, ConnectError> {
        let tls = client_config(credentials).map_err(ConnectError::credentials)?;
        let channel = dial::channel(Route { fleet: fleet.to_owned(), target: target.clone(), tls }).await?;
        let description = describe(target, channel.clone(), ask).await?;
        Ok(Self { target: target.clone(), channel, description })
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        &self.target.host
    }

    /// Where it was dialled.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What it said of itself when it was dialled.
    pub fn description(&self) -> &DescribeResponse {
        &self.description
    }

    /// Asks it again.
    pub async fn describe(&self, ask: Ask) -> Result<DescribeResponse, ConnectError> {
        describe(&self.target, self.channel.clone(), ask).await
    }

    /// To call `landfast.v1.Agent`.
    pub fn agent(&self) -> AgentClient<Channel> {
        agent_client(self.channel.clone())
    }

    /// To call `landfast.v1.Blobs`.
    pub fn blobs(&self) -> BlobsClient<Channel> {
        BlobsClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX)
    }

    /// To call `landfast.v1.Builder`.
    pub fn builder(&self) -> BuilderClient<Channel> {
        BuilderClient::new(self.channel.clone())
    }
}

fn agent_client(channel: Channel) -> AgentClient<Channel> {
    AgentClient::new(channel).max_decoding_message_size(MESSAGE_MAX).max_encoding_message_size(MESSAGE_MAX)
}

async fn describe(target: &Target, channel: Channel, ask: Ask) -> Result<DescribeResponse, ConnectError> {
    let mut client = agent_client(channel);
    let request = DescribeRequest { with_held: ask == Ask::Held };
    match tokio::time::timeout(DESCRIBE_LIMIT, client.describe(request)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(error::of_first_call(target, &status)),
        Err(_) => Err(ConnectError::unreachable(target, Unreachable::Silent(DESCRIBE_LIMIT))),
    }
}

/// All hosts of a fleet, each connected or not.
#[derive(Debug, Default)]
pub struct Agents {
    connected: BTreeMap<String, Agent>,
    failed: BTreeMap<String, ConnectError>,
}

impl Agents {
    /// Dials all hosts at once, and returns when each has answered or failed: within seconds.
    pub async fn connect(fleet: &str, targets: &[Target], credentials: &Credentials, ask: Ask) -> Self {
        let dials = targets
            .iter()
            .map(async |target| (target.host.clone(), Agent::connect(fleet, target, credentials, ask).await));
        let mut agents = Self::default();
        for (host, result) in join_all(dials).await {
            match result {
                Ok(agent) => drop(agents.connected.insert(host, agent)),
                Err(error) => drop(agents.failed.insert(host, error)),
            }
        }
        agents
    }

    /// The agent of a host, if it is connected.
    pub fn get(&self, host: &str) -> Option<&Agent> {
        self.connected.get(host)
    }

    /// The agents that are connected, by host.
    pub fn connected(&self) -> &BTreeMap<String, Agent> {
        &self.connected
    }

    /// Why the others are not, by host.
    pub fn failed(&self) -> &BTreeMap<String, ConnectError> {
        &self.failed
    }

    /// All agents, or every reason why not.
    pub fn all(self) -> Result<BTreeMap<String, Agent>, Failures> {
        if self.failed.is_empty() { Ok(self.connected) } else { Err(Failures(self.failed)) }
    }
}

/// Hosts that are not connected, and why. Displays as one line each, with what to do next.
#[derive(Debug)]
pub struct Failures(pub BTreeMap<String, ConnectError>);

impl std::fmt::Display for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, error) in self.0.values().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}: {}", error.hint())?;
        }
        Ok(())
    }
}

impl std::error::Error for Failures {}

#[cfg(test)]
mod agent_server;
#[cfg(test)]
mod tests;
