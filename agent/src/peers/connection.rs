//! Owns a connection to the agent of another host: TCP, TLS 1.3 with both certificates, and HTTP/2.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::Uri;
use hyper_util::rt::TokioIo;
use landfast_certs::Identity;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};

/// Why a host cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("it has no certificate")]
    Anonymous,
    #[error(transparent)]
    Identity(#[from] landfast_certs::Error),
    #[error("the connection failed")]
    Transport(#[from] tonic::transport::Error),
}

/// Connects to the agent at an address, and returns the name of its host. The handshake has verified that it is an agent of
/// this fleet.
pub(super) async fn connect(
    host: Ipv4Addr,
    port: u16,
    tls: Arc<ClientConfig>,
) -> Result<(Channel, String), ConnectError> {
    let tcp = TcpStream::connect(SocketAddr::from((host, port))).await.map_err(ConnectError::Unreachable)?;
    tcp.set_nodelay(true).map_err(ConnectError::Unreachable)?;
    // The names of the other hosts are not known here, so the server name is only the address.
    let stream = TlsConnector::from(tls).connect(ServerName::from(std::net::IpAddr::from(host)), tcp).await;
    let stream = stream.map_err(ConnectError::Handshake)?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).ok_or(ConnectError::Anonymous)?;
    let name = Identity::of_certificate(certificate)?.name().to_owned();
    // The channel has this one connection and does not make another one.
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        std::future::ready(stream)
    });
    let endpoint = Endpoint::from_static("http://agent.landfast.internal").http2_max_header_list_size(16 << 10);
    Ok((endpoint.connect_with_connector(connector).await?, name))
}
