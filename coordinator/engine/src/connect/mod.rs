//! Owns the connections to the agents. All hosts are dialled concurrently, and each either connects or reports an
//! error.

mod dial;
mod error;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use landfast_agreement::limits::MESSAGE_MAX;
use landfast_certs::{Credentials, client_config};
use landfast_core::fleet::Fleet;
use landfast_proto::v1::agent_client::AgentClient;
use landfast_proto::v1::blobs_client::BlobsClient;
use landfast_proto::v1::builder_client::BuilderClient;
use landfast_proto::v1::{DescribeRequest, DescribeResponse, HeldFabricRequest, Unit};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::Hint as _;
use dial::Route;
pub use error::{ConnectError, Unreachable};

/// Time limit for an agent to describe its host, including a busy engine.
const DESCRIBE_LIMIT: Duration = Duration::from_secs(20);

/// The agent of a host, as a target of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name of the host in the fleet. The agent must prove that it belongs to this host.
    pub host: String,
    /// Address of the host on the LAN.
    pub address: Ipv4Addr,
    /// Port of the agent.
    pub port: u16,
}

impl Target {
    /// The address with the port.
    pub fn socket(&self) -> SocketAddr {
        (self.address, self.port).into()
    }
}

/// The agents of a fleet's hosts, in the order of their names.
pub fn targets(fleet: &Fleet) -> Vec<Target> {
    let target = |(name, host): (&String, &landfast_core::fleet::Host)| Target {
        host: name.clone(),
        address: host.address,
        port: host.port,
    };
    fleet.hosts.iter().map(target).collect()
}

/// The amount of detail in a description of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A description of the host. Every role may request it.
    Described,
    /// The description and the units that the agent holds, which includes environment variables. Requires the role
    /// deployer.
    Held,
}

/// A connection to a host's agent, whose identity is verified, with the description that it sent on connecting. Cheap
/// to clone.
#[derive(Debug, Clone)]
pub struct Agent {
    target: Target,
    channel: Channel,
    description: Arc<DescribeResponse>,
}

/// Features that every agent must have.
pub const FEATURES: [&str; 5] = ["units", "claims", "ledger", "secrets", "incarnations"];

impl Agent {
    /// Whether the agent lacks a feature that every agent must have.
    pub fn is_too_old(&self) -> bool {
        !FEATURES.iter().all(|needed| self.description.features.iter().any(|feature| feature == needed))
    }

    /// Connects to a host's agent, verifies its identity and requests its description, which also shows that the agent
    /// accepts the operator's certificate.
    pub async fn connect(
        fleet: &str,
        target: &Target,
        credentials: &Credentials,
        ask: Ask,
    ) -> Result<Self, ConnectError> {
        let tls = client_config(credentials).map_err(ConnectError::credentials)?;
        let channel = dial::channel(Route { fleet: fleet.to_owned(), target: target.clone(), tls }).await?;
        let description = describe(target, channel.clone(), ask).await?;
        Ok(Self { target: target.clone(), channel, description: Arc::new(description) })
    }

    /// Name of the host.
    pub fn host(&self) -> &str {
        &self.target.host
    }

    /// The target of the connection.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The description that the agent sent on connecting.
    pub fn description(&self) -> &DescribeResponse {
        &self.description
    }

    /// Takes the units out of the description, if no other clone of the connection has it.
    pub fn take_held(&mut self) -> Vec<Unit> {
        std::mem::take(&mut Arc::make_mut(&mut self.description).held)
    }

    /// Requests a new description.
    pub async fn describe(&self, ask: Ask) -> Result<DescribeResponse, ConnectError> {
        describe(&self.target, self.channel.clone(), ask).await
    }

    /// Requests the fabric that the agent holds; `None` if it holds none.
    pub async fn fabric(&self) -> Result<Option<Unit>, ConnectError> {
        let mut client = agent_client(self.channel.clone());
        match tokio::time::timeout(DESCRIBE_LIMIT, client.held_fabric(HeldFabricRequest {})).await {
            Ok(Ok(response)) => Ok(response.into_inner().unit),
            Ok(Err(status)) => Err(error::of_first_call(&self.target, &status)),
            Err(_) => Err(ConnectError::unreachable(&self.target, Unreachable::Silent(DESCRIBE_LIMIT))),
        }
    }

    /// A client for the service `landfast.v1.Agent`.
    pub fn agent(&self) -> AgentClient<Channel> {
        agent_client(self.channel.clone())
    }

    /// A client for the service `landfast.v1.Blobs`.
    pub fn blobs(&self) -> BlobsClient<Channel> {
        BlobsClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX)
    }

    /// A client for the service `landfast.v1.Builder`.
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

/// The agents of a fleet: the connected ones, and the errors of the others.
#[derive(Debug, Default)]
pub struct Agents {
    connected: BTreeMap<String, Agent>,
    failed: BTreeMap<String, ConnectError>,
}

impl Agents {
    /// Connects to all agents concurrently. Returns when each has connected or failed, which takes a few seconds at
    /// most.
    pub async fn connect(fleet: &str, targets: &[Target], credentials: &Credentials, ask: Ask) -> Self {
        let (fleet, credentials): (Arc<str>, _) = (fleet.into(), Arc::new(credentials.clone()));
        // Each handshake needs processor time, so that the dials are tasks, which use all processors.
        let mut dials = JoinSet::new();
        for target in targets.iter().cloned() {
            let (fleet, credentials) = (Arc::clone(&fleet), Arc::clone(&credentials));
            dials.spawn(async move {
                let result = Agent::connect(&fleet, &target, &credentials, ask).await;
                (target.host, result)
            });
        }
        let mut agents = Self::default();
        while let Some(dialled) = dials.join_next().await {
            // A task fails only if it panics. The panic continues here.
            let (host, result) = dialled.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
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

    /// The connected agents, keyed by host.
    pub fn connected(&self) -> &BTreeMap<String, Agent> {
        &self.connected
    }

    /// The errors of the other agents, keyed by host.
    pub fn failed(&self) -> &BTreeMap<String, ConnectError> {
        &self.failed
    }

    /// The connected agents and the errors of the others, keyed by host.
    pub fn into_parts(self) -> (BTreeMap<String, Agent>, BTreeMap<String, ConnectError>) {
        (self.connected, self.failed)
    }

    /// Returns all agents, or the errors if any agent is not connected.
    pub fn all(self) -> Result<BTreeMap<String, Agent>, Failures> {
        if self.failed.is_empty() { Ok(self.connected) } else { Err(Failures(self.failed)) }
    }
}

/// Errors of agents that are not connected. Displays as one line per host, with the hint.
#[derive(Debug)]
pub struct Failures(pub BTreeMap<String, ConnectError>);

impl std::fmt::Display for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, error) in self.0.values().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", error.with_hint())?;
        }
        Ok(())
    }
}

impl std::error::Error for Failures {}

#[cfg(test)]
mod agent_server;
#[cfg(test)]
mod tests;
