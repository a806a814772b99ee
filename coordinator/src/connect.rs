//! Reaching agents: TCP, TLS 1.3 with both sides' certificates, and the check that it is the agent that was meant.

use std::net::SocketAddr;

use landfast_certs::Credentials;
use landfast_proto::v1::agent_client::AgentClient;
use landfast_proto::v1::blobs_client::BlobsClient;
use tonic::transport::Channel;

/// One agent, reached and recognised. Cheap to clone; all clones share the connection.
#[derive(Debug, Clone)]
pub struct Connection {
    pub agent: AgentClient<Channel>,
    pub blobs: BlobsClient<Channel>,
}

/// Dials the agents of one fleet.
#[derive(Debug, Clone)]
pub struct Dialer {}

/// Why an agent was not reached. Each says host and address, and [`ConnectError::hint`] what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{host} at {address} cannot be reached")]
    Unreachable {
        host: String,
        address: SocketAddr,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the credentials cannot be used")]
    Credentials(#[source] landfast_certs::Error),
}

impl ConnectError {
    /// What to do next.
    pub fn hint(&self) -> String {
        String::new()
    }
}

impl Dialer {
    /// As whom to dial.
    pub fn new(credentials: &Credentials) -> Result<Self, ConnectError> {
        let _config = landfast_certs::client_config(credentials).map_err(ConnectError::Credentials)?;
        Ok(Self {})
    }

    /// Connects and makes sure that the other side is the agent of this host of our fleet.
    pub async fn connect(&self, host: &str, address: SocketAddr) -> Result<Connection, ConnectError> {
        let source = "not built yet".into();
        Err(ConnectError::Unreachable { host: host.to_owned(), address, source })
    }
}
