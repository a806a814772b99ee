//! Owns the connection to one agent: TCP, TLS 1.3 with both certificates, the check of the agent's identity, and
//! HTTP/2.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use landfast_certs::{Identity, server_name};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tonic::transport::{Channel, Endpoint};

use super::Target;
use super::error::{self, ConnectError, Unreachable};

const TCP_LIMIT: Duration = Duration::from_secs(5);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(10);

/// The agent to connect to, with the identity that it must prove.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) fleet: String,
    pub(super) target: Target,
    pub(super) tls: Arc<ClientConfig>,
}

/// Opens a channel to the agent. The channel reconnects by itself after a failure and repeats the same checks.
pub(super) async fn channel(route: Route) -> Result<Channel, ConnectError> {
    let target = route.target.clone();
    // The scheme and the host are only names for HTTP/2. The connector has the address and handles TLS itself.
    let endpoint = Endpoint::from_static("http://agent.landfast.internal")
        .connect_timeout(TCP_LIMIT + HANDSHAKE_LIMIT)
        .http2_adaptive_window(true)
        .http2_max_header_list_size(16 * 1024)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_LIMIT)
        .keep_alive_while_idle(true);
    let connector = tower::service_fn(move |_: Uri| {
        let route = route.clone();
        async move { stream(&route).await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await.map_err(|failure| error::of_transport(&target, &failure))
}

async fn stream(route: &Route) -> Result<TlsStream<TcpStream>, ConnectError> {
    let target = &route.target;
    let name = server_name(&route.fleet, &target.host).map_err(ConnectError::credentials)?;
    let tcp = tokio::time::timeout(TCP_LIMIT, TcpStream::connect(target.socket()))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
        .map_err(|failure| ConnectError::unreachable(target, Unreachable::of(&failure)))?;
    let handshake = TlsConnector::from(Arc::clone(&route.tls)).connect(name, tcp);
    let stream = tokio::time::timeout(HANDSHAKE_LIMIT, handshake)
        .await
        .map_err(|_| ConnectError::unreachable(target, Unreachable::Silent(HANDSHAKE_LIMIT)))?
        .map_err(|failure| error::of_handshake(target, &failure))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    check_identity(&route.fleet, target, certificate.map(AsRef::as_ref))?;
    Ok(stream)
}

/// Checks the agent's identity. TLS has checked the name in the certificate, but authorization uses the identity, so
/// both must match.
pub(super) fn check_identity(fleet: &str, target: &Target, certificate: Option<&[u8]>) -> Result<(), ConnectError> {
    let found = certificate.and_then(|certificate| Identity::of_certificate(certificate).ok());
    let expected = Identity::Agent { fleet: fleet.to_owned(), host: target.host.clone() };
    if found.as_ref() == Some(&expected) {
        return Ok(());
    }
    let found =
        found.map_or_else(|| "a machine without an identity of this fleet".to_owned(), |identity| identity.to_string());
    Err(ConnectError::other_host(target, found))
}
