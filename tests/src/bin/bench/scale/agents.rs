//! The process of the simulated agents. Each agent has its own loopback address and its own certificate; they share one
//! server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use landfast_certs::server_config;
use landfast_proto::v1::agent_server::AgentServer;
use landfast_proto::v1::blobs_server::BlobsServer;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::agent::{Fabrics, Host};
use super::child;
use super::counters::{Activity, Traffic};
use super::fleet;
use super::service::Service;
use super::stream::{Connection, Counted};

/// Argument that makes this program serve simulated agents.
pub(crate) const VERB: &str = "scale-agents";

/// Time without traffic after which nothing is under way.
const PAUSE: Duration = Duration::from_millis(100);
/// Time limit for the traffic to end.
const QUIET_LIMIT: Duration = Duration::from_secs(30);

/// A request to the process of the agents.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Wait until nothing is under way, and return the traffic since the last request.
    Traffic {
        /// Whether to wait until all connections are closed, too.
        closed: bool,
    },
}

/// Serves the agents, and answers requests on the standard input until it is closed.
pub(crate) fn agents(words: &[String]) -> Result<()> {
    let [authority, hosts] = words else { anyhow::bail!("usage: {VERB} AUTHORITY HOSTS") };
    child::raise_file_limit()?;
    landfast_certs::install_provider();
    let runtime = tokio::runtime::Runtime::new()?;
    let activity = Arc::new(Activity::default());
    let hosts = runtime.block_on(start(Path::new(authority), hosts.parse()?, &activity))?;
    child::answer(|request: Request| {
        let Request::Traffic { closed } = request;
        runtime.block_on(traffic(&hosts, &activity, closed))
    })
}

/// Starts all agents.
async fn start(authority: &Path, count: usize, activity: &Arc<Activity>) -> Result<Vec<Arc<Host>>> {
    let (connections, incoming) = mpsc::channel(64);
    let fabrics = Arc::new(Fabrics::default());
    let mut hosts = Vec::new();
    for (number, credentials) in fleet::agents(authority, count)? {
        let host = Arc::new(Host::new(number, Arc::clone(activity), Arc::clone(&fabrics)));
        let address = (fleet::address(number), fleet::PORT);
        let listener = TcpListener::bind(address).await.with_context(|| format!("{}:{}", address.0, address.1))?;
        let acceptor = TlsAcceptor::from(server_config(&credentials)?);
        tokio::spawn(accept(listener, acceptor, Arc::clone(&host), connections.clone()));
        hosts.push(host);
    }
    // The settings are those of the real agent.
    let server = Server::builder()
        .http2_adaptive_window(Some(true))
        .max_concurrent_streams(128)
        .http2_max_header_list_size(16 << 10)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_service(AgentServer::new(Service).max_decoding_message_size(usize::MAX))
        .add_service(BlobsServer::new(Service).max_decoding_message_size(usize::MAX));
    tokio::spawn(server.serve_with_incoming(ReceiverStream::new(incoming)));
    Ok(hosts)
}

/// Accepts the connections of one agent, each with its handshake in a task of its own.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    host: Arc<Host>,
    connections: mpsc::Sender<Result<Connection, std::io::Error>>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, host, connections) = (acceptor.clone(), Arc::clone(&host), connections.clone());
        tokio::spawn(async move {
            drop(socket.set_nodelay(true));
            if let Ok(stream) = acceptor.accept(Counted::new(socket, host)).await {
                drop(connections.send(Ok(Connection(stream))).await);
            }
        });
    }
}

/// Waits until nothing is under way, and returns the traffic since the last call.
async fn traffic(hosts: &[Arc<Host>], activity: &Activity, closed: bool) -> Result<Traffic> {
    let quiet = async {
        loop {
            activity.quiet(PAUSE).await;
            if !closed || activity.open() == 0 {
                break;
            }
        }
    };
    let open =
        || format!("traffic has not ended within {} s; open connections: {}", QUIET_LIMIT.as_secs(), activity.open());
    tokio::time::timeout(QUIET_LIMIT, quiet).await.with_context(open)?;
    let mut traffic = Traffic::default();
    hosts.iter().for_each(|host| host.counters.take(&mut traffic));
    Ok(traffic)
}
