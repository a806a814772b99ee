//! Serves queries over UDP and TCP, with limits on how many are handled at a time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::answer::{Transport, Verdict, answer};
use super::framing::{read_message, write_message};
use super::{Settings, Zone, forward};

/// Maximum number of queries that wait for the host's server. Further queries are refused at once.
const FORWARDS_MAX: usize = 256;
const CONNECTIONS_MAX: usize = 64;
/// Size of the longest query in bytes.
const QUERY_MAX: usize = 4096;
/// Time after which an idle connection is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Delay between attempts to listen on an address that is in use.
const RETRY_DELAY: Duration = Duration::from_secs(5);

pub(super) struct Server {
    zone: watch::Receiver<Zone>,
    settings: Settings,
    turn: AtomicUsize,
    forwards: Semaphore,
    connections: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(zone: watch::Receiver<Zone>, settings: Settings) -> Self {
        let (forwards, connections) = (Semaphore::new(FORWARDS_MAX), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        Self { zone, settings, turn: AtomicUsize::new(0), forwards, connections }
    }

    /// Serves on one gateway address until the task is dropped.
    pub(super) async fn listen(self: Arc<Self>, gateway: Ipv4Addr) {
        loop {
            let at = SocketAddrV4::new(gateway, self.settings.port);
            let served = match (bind(at, SocketType::DGRAM), bind(at, SocketType::STREAM)) {
                (Ok(udp), Ok(tcp)) => Arc::clone(&self).serve(gateway, udp, tcp).await,
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
            if let Err(error) = served {
                tracing::warn!(%gateway, %error, "cannot serve dns, will try again");
            }
            sleep(RETRY_DELAY).await;
        }
    }

    async fn serve(self: Arc<Self>, gateway: Ipv4Addr, udp: OwnedFd, tcp: OwnedFd) -> io::Result<()> {
        let udp = Arc::new(UdpSocket::from_std(udp.into())?);
        let tcp = TcpListener::from_std(tcp.into())?;
        tracing::info!(%gateway, "serving dns");
        // Each of the two ends only with an error. Then both sockets are opened again.
        tokio::select! {
            ended = self.serve_udp(gateway, udp) => ended,
            ended = self.serve_tcp(gateway, tcp) => ended,
        }
    }

    async fn serve_udp(self: &Arc<Self>, gateway: Ipv4Addr, socket: Arc<UdpSocket>) -> io::Result<()> {
        let mut buffer = vec![0; QUERY_MAX];
        loop {
            let (got, from) = socket.recv_from(&mut buffer).await?;
            if !self.may_ask(gateway, from.ip()) {
                continue;
            }
            match self.decide(&buffer[..got], Transport::Udp) {
                Verdict::Answer(answer) => send(&socket, &answer, from).await,
                Verdict::Forward { otherwise } => {
                    let (server, socket, query) = (Arc::clone(self), Arc::clone(&socket), buffer[..got].to_vec());
                    tokio::spawn(async move {
                        send(&socket, &server.forward(&query, otherwise, Transport::Udp).await, from).await;
                    });
                }
                Verdict::Ignore => {}
            }
        }
    }

    async fn serve_tcp(self: &Arc<Self>, gateway: Ipv4Addr, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, from) = listener.accept().await?;
            if !self.may_ask(gateway, from.ip()) {
                continue;
            }
            let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else { continue };
            let server = Arc::clone(self);
            tokio::spawn(async move {
                let _permit = permit;
                if let Err(error) = server.converse(stream).await {
                    tracing::debug!(%from, %error, "dns connection ended");
                }
            });
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let query = timeout(IDLE, read_message(&mut stream, QUERY_MAX)).await??;
            let answer = match self.decide(&query, Transport::Tcp) {
                Verdict::Answer(answer) => answer,
                Verdict::Forward { otherwise } => self.forward(&query, otherwise, Transport::Tcp).await,
                Verdict::Ignore => return Ok(()),
            };
            timeout(IDLE, write_message(&mut stream, &answer)).await??;
        }
    }

    /// Whether a client may ask: it must be on the network of this gateway. The host itself uses the gateway's address
    /// there.
    fn may_ask(&self, gateway: Ipv4Addr, from: IpAddr) -> bool {
        let zone = self.zone.borrow();
        matches!(from, IpAddr::V4(from) if zone.gateways.get(&gateway).is_some_and(|subnet| subnet.contains(&from)))
    }

    fn decide(&self, query: &[u8], transport: Transport) -> Verdict {
        answer(query, &self.zone.borrow(), self.turn.fetch_add(1, Ordering::Relaxed), transport)
    }

    async fn forward(&self, query: &[u8], otherwise: Vec<u8>, transport: Transport) -> Vec<u8> {
        let Ok(_permit) = self.forwards.try_acquire() else { return otherwise };
        let ours = self.zone.borrow().gateways.clone();
        let asked = async {
            let upstream = forward::upstream(&self.settings, &ours).await?;
            forward::forward(query, upstream, transport).await
        };
        asked.await.unwrap_or_else(|error| {
            tracing::debug!(%error, "query not forwarded");
            otherwise
        })
    }
}

async fn send(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(answer, to).await {
        tracing::debug!(%to, %error, "dns answer not sent");
    }
}

/// Binds a socket, even before the address exists: the engine creates the bridge together with the network.
pub(super) fn bind(at: SocketAddrV4, kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, kind, flags, None)?;
    sockopt::set_ip_freebind(&socket, true)?;
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &at)?;
        rustix::net::listen(&socket, 128)?;
    } else {
        rustix::net::bind(&socket, &at)?;
    }
    Ok(socket)
}
