//! Serves the agent's API. Every caller needs a certificate of the fleet, and may call what its role allows.

mod agent;
mod blobs;
mod builder;
mod examine;
mod guard;
mod listen;
mod peer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfast_agreement::limits::MESSAGE_MAX;
use landfast_certs::Credentials;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::blobs::BlobStore;
use crate::docker::{About, Engine, ImageCache};
use crate::releases::History;
use crate::secrets::Secrets;
use crate::state::Holder;
use crate::tree::Trees;
use crate::wire::{AgentServer, BlobsServer, BuilderServer, PeerServer, Report};
use guard::Guard;

/// Time that calls have to end when the agent shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Error of serving the API.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot listen on {address}: check that no other agent runs and that the address belongs to this host")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Identity(#[from] landfast_certs::Error),
    #[error("the API server failed")]
    Serve(#[from] tonic::transport::Error),
}

/// Everything that the services answer from.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) fleet: String,
    pub(crate) host: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) engine: Engine,
    pub(crate) images: Arc<ImageCache>,
    pub(crate) holder: Arc<Holder>,
    pub(crate) history: Arc<History>,
    pub(crate) blobs: BlobStore,
    pub(crate) secrets: Secrets,
    pub(crate) trees: Arc<Trees>,
    pub(crate) about: watch::Receiver<Result<About, String>>,
    pub(crate) reports: watch::Receiver<Option<Arc<Report>>>,
    /// Ends streams that have no end of their own.
    pub(crate) stop: CancellationToken,
}

/// Binds the address, before the service manager learns that the agent is ready.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Serves until `stop` is cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    credentials: &Credentials,
    context: Context,
) -> Result<(), ServeError> {
    let config = landfast_certs::server_config(credentials)?;
    let incoming = listen::accept(listener, config, context.fleet.clone(), context.stop.clone());
    let stop = context.stop.clone();
    let agent = AgentServer::new(agent::AgentService::new(context.clone()))
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX);
    let blobs = BlobsServer::new(blobs::BlobsService::new(context.clone()))
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX);
    let peer = PeerServer::new(peer::PeerService::new(context.clone())).max_encoding_message_size(MESSAGE_MAX);
    let builder = BuilderServer::new(builder::BuilderService::new(context));
    let served = Server::builder()
        .http2_adaptive_window(Some(true))
        .tcp_nodelay(true)
        .max_concurrent_streams(128)
        .http2_max_header_list_size(16 << 10)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .layer(Guard)
        .add_service(agent)
        .add_service(blobs)
        .add_service(builder)
        .add_service(peer)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.clone().cancelled_owned());
    let mut served = std::pin::pin!(served);
    // Cancel safe: the server is polled by reference, and is lost only when the agent ends.
    tokio::select! {
        ended = &mut served => return Ok(ended?),
        () = stop.cancelled() => {}
    }
    match tokio::time::timeout(SHUTDOWN_GRACE, served).await {
        Ok(ended) => Ok(ended?),
        Err(_) => Ok(()),
    }
}
