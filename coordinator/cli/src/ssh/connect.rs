//! Connects to a host, through jump hosts if the route has any. Each host's key is verified before anything else is
//! sent.

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle};
use russh::keys::{Algorithm, HashAlg, PublicKeyOrCertificate};
use russh::{Error, Preferred};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::output::progress::Printer;

use super::error::SshError;
use super::host_key::{HostKeyError, HostKeyVerifier, kind_of};
use super::resolve::{self, NoAddress};
use super::route::Hop;

/// A connection without any traffic is closed after this time.
const INACTIVITY_LIMIT: Duration = Duration::from_secs(120);

/// An open connection to a host.
pub(super) struct Connection {
    pub(super) handle: Handle<ClientHandler>,
    disconnect_message: DisconnectMessage,
}

impl Connection {
    /// The message that the host sent when it closed the connection.
    pub(super) fn disconnect_message(&self) -> Option<String> {
        self.disconnect_message.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type DisconnectMessage = Arc<Mutex<Option<String>>>;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Verifies the host key, which russh asks for before it sends anything else.
pub(super) struct ClientHandler {
    host: String,
    verifier: HostKeyVerifier,
    disconnect_message: DisconnectMessage,
}

impl client::Handler for ClientHandler {
    type Error = SshError;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let verdict = match presented {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.verifier.verify(key),
            PublicKeyOrCertificate::Certificate(_) => Err(HostKeyError::Certificate { host: self.host.clone() }),
        };
        verdict.map(|()| true).map_err(SshError::HostKey)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SshError>) -> Result<(), SshError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                *self.disconnect_message.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.message);
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// Connects to a host, through the previous hop if there is one.
pub(super) async fn connect(
    hop: &Hop,
    over: Option<(&Hop, &Connection)>,
    say: &dyn Printer,
) -> Result<Connection, SshError> {
    let mut first_error = None;
    let mut excluded = Vec::new();
    loop {
        match attempt(hop, over, &excluded, say).await {
            // The fingerprint may belong to another of the host's keys, so the other key types are requested.
            Err(SshError::HostKey(error @ HostKeyError::NotAccepted { kind, .. })) if !excluded.contains(&kind) => {
                excluded.push(kind);
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(first_error.map_or(error, SshError::HostKey)),
            connected => return connected,
        }
    }
}

async fn attempt(
    hop: &Hop,
    over: Option<(&Hop, &Connection)>,
    excluded: &[&'static str],
    say: &dyn Printer,
) -> Result<Connection, SshError> {
    let (stream, address) = open_stream(hop, over).await?;
    let verifier = hop.trust.look_up(&hop.names, address.as_deref()).map_err(SshError::HostKey)?;
    if excluded.is_empty() {
        verifier.notes().iter().for_each(|note| say.warn(note));
    }
    let config = Arc::new(client::Config {
        preferred: preferred(verifier.algorithms(), excluded),
        inactivity_timeout: Some(INACTIVITY_LIMIT),
        nodelay: true,
        ..client::Config::default()
    });
    let disconnect_message = DisconnectMessage::default();
    let handler =
        ClientHandler { host: hop.names.name.clone(), verifier, disconnect_message: Arc::clone(&disconnect_message) };
    let connected = tokio::time::timeout(hop.limit, client::connect_stream(config, stream, handler)).await;
    let handle = connected.map_err(|_| timeout(hop))??;
    Ok(Connection { handle, disconnect_message })
}

fn timeout(hop: &Hop) -> SshError {
    SshError::Timeout { destination: hop.destination.to_string(), limit: hop.limit }
}

/// Opens a stream to the host. Returns it with the host's address in the notation of `known_hosts`, unless a jump host
/// resolves the name.
async fn open_stream(
    hop: &Hop,
    over: Option<(&Hop, &Connection)>,
) -> Result<(Box<dyn Stream>, Option<String>), SshError> {
    let destination = &hop.destination;
    let Some((jump, link)) = over else {
        let (stream, address) = dial(hop).await?;
        let as_known =
            if destination.port == 22 { address.to_string() } else { format!("[{address}]:{}", destination.port) };
        return Ok((Box::new(stream), Some(as_known)));
    };
    let port = destination.port.into();
    let opened = link.handle.channel_open_direct_tcpip(destination.host.as_str(), port, "127.0.0.1", 0);
    let opened = tokio::time::timeout(hop.limit, opened).await.map_err(|_| timeout(hop))?;
    let (host, jump) = (destination.to_string(), jump.destination.to_string());
    let channel = opened.map_err(|source| SshError::Forward { destination: host, jump, source: Box::new(source) })?;
    Ok((Box::new(channel.into_stream()), None))
}

/// Tries the host's addresses in turn.
async fn dial(hop: &Hop) -> Result<(TcpStream, IpAddr), SshError> {
    let destination = hop.destination.to_string();
    let found = resolve::addresses(&hop.destination.host, hop.family).await;
    let unknown = |source: NoAddress| SshError::Name { destination: destination.clone(), source };
    let mut last = SshError::Unreachable { destination: destination.clone(), source: io::ErrorKind::NotFound.into() };
    for address in found.map_err(unknown)? {
        let connecting = TcpStream::connect(SocketAddr::from((address, hop.destination.port)));
        match tokio::time::timeout(hop.limit, connecting).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).ok();
                return Ok((stream, address));
            }
            Ok(Err(source)) => last = SshError::Unreachable { destination: destination.clone(), source },
            Err(_) => last = timeout(hop),
        }
    }
    Err(last)
}

/// Orders the host key algorithms. The types of known keys come first and the others follow, so that a replaced key is
/// reported as changed instead of as a failed negotiation. `ssh-rsa` with SHA-1 is never requested.
fn preferred(known: Vec<Algorithm>, excluded: &[&'static str]) -> Preferred {
    let defaults = Preferred::default();
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let is_allowed = |algorithm: &&Algorithm| {
        !matches!(algorithm, Algorithm::Rsa { hash: None }) && !excluded.contains(&kind_of(algorithm))
    };
    for algorithm in defaults.key.iter().filter(is_allowed) {
        let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
        let is_known = known.iter().any(|known| known == algorithm || (is_rsa(known) && is_rsa(algorithm)));
        if is_known { first.push(algorithm.clone()) } else { others.push(algorithm.clone()) }
    }
    Preferred { key: Cow::Owned([first, others].concat()), ..defaults }
}

/// The hash for signatures with an RSA key: the one that the host announces, or SHA-512, which current servers support.
pub(super) async fn rsa_hash(link: &Connection) -> Result<HashAlg, Error> {
    Ok(link.handle.best_supported_rsa_hash().await?.flatten().unwrap_or(HashAlg::Sha512))
}

#[cfg(test)]
mod tests {
    use russh::keys::EcdsaCurve;

    use super::*;

    fn names(known: Vec<Algorithm>, excluded: &[&'static str]) -> Vec<String> {
        preferred(known, excluded).key.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn types_of_known_keys_are_requested_first() {
        let ecdsa = Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 };
        let all = [
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "rsa-sha2-512",
            "rsa-sha2-256",
        ];
        assert_eq!(names(vec![], &[]), all);
        let rsa = names(vec![Algorithm::Rsa { hash: None }], &[]);
        assert_eq!(rsa[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
        assert_eq!(names(vec![ecdsa], &[])[..2], ["ecdsa-sha2-nistp384", "ssh-ed25519"]);
        assert_eq!(names(vec![], &["ed25519", "ecdsa"]), ["rsa-sha2-512", "rsa-sha2-256"]);
    }
}
