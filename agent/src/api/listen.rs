//! Accepts connections. One without a certificate of this fleet within a few seconds is closed, and the log has the reason.
//! Every connection that is passed on has an identity.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use landfast_certs::Identity;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// Maximum number of connections at a time. Each costs a file descriptor and some memory.
const CONNECTIONS: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Identity of the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer(pub(crate) Identity);

/// A connection with an identity.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
}

/// Reason to close a connection.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error("the TLS handshake took longer than {} s", HANDSHAKE.as_secs())]
    Slow,
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the caller has no certificate")]
    Anonymous,
    #[error(transparent)]
    Identity(#[from] landfast_certs::Error),
    #[error("{0} belongs to another fleet")]
    OtherFleet(Identity),
}

/// Accepts connections until `stop` is cancelled.
pub(crate) fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    fleet: String,
    stop: CancellationToken,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(16);
    let acceptor = TlsAcceptor::from(config);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::spawn(async move {
        loop {
            let Ok(permit) = places.clone().acquire_owned().await else { return };
            // Cancel safe: a connection that was not accepted stays in the kernel's queue.
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (socket, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // The process may be out of file descriptors, for example. The loop must continue until there are some
                    // again.
                    tracing::warn!(error = %error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (acceptor, fleet, sender) = (acceptor.clone(), fleet.clone(), sender.clone());
            tokio::spawn(async move {
                match handshake(socket, &acceptor, &fleet).await {
                    Ok((stream, peer)) => {
                        let connection = Connection { stream, peer, _permit: permit };
                        // Nothing receives the connection once the server has ended.
                        drop(sender.send(Ok(connection)).await);
                    }
                    Err(reason) => {
                        let reason = crate::error_text::in_one_line(&reason);
                        tracing::warn!(peer = %address, reason, "connection closed");
                    }
                }
            });
        }
    });
    receiver
}

async fn handshake(
    socket: TcpStream,
    acceptor: &TlsAcceptor,
    fleet: &str,
) -> Result<(TlsStream<TcpStream>, Peer), Rejected> {
    socket.set_nodelay(true).map_err(Rejected::Handshake)?;
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)).await;
    let stream = stream.map_err(|_| Rejected::Slow)?.map_err(Rejected::Handshake)?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let identity = Identity::of_certificate(certificates.first().ok_or(Rejected::Anonymous)?)?;
    if identity.fleet() != fleet {
        return Err(Rejected::OtherFleet(identity));
    }
    Ok((stream, Peer(identity)))
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
