//! Reaches a host, over others where the route says so. Of each, the host key is judged before anything is sent to it.

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
use super::host_key::{HostKeyError, Vouched, kind_of};
use super::resolve::{self, NoAddress};
use super::route::Hop;

/// A connection that says nothing for so long is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);

/// A host that is connected.
pub(super) struct Link {
    pub(super) handle: Handle<Judge>,
    last_words: LastWords,
}

impl Link {
    /// What the host said when it ended the connection.
    pub(super) fn last_words(&self) -> Option<String> {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type LastWords = Arc<Mutex<Option<String>>>;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Judges the host key; russh asks before anything else is sent.
pub(super) struct Judge {
    host: String,
    vouched: Vouched,
    last_words: LastWords,
}

impl client::Handler for Judge {
    type Error = SshError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.vouched.judge(key),
            PublicKeyOrCertificate::Certificate(_) => Err(HostKeyError::Certificate { host: self.host.clone() }),
        };
        verdict.map(|()| true).map_err(SshError::HostKey)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SshError>) -> Result<(), SshError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.message);
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// Connects to the host, over the one before it on the way.
pub(super) async fn connect(hop: &Hop, over: Option<(&Hop, &Link)>, say: &dyn Printer) -> Result<Link, SshError> {
    let mut first_refusal = None;
    let mut left_out = Vec::new();
    loop {
        match attempt(hop, over, &left_out, say).await {
            // The fingerprint may be that of another of the host's keys: it is asked for the other kinds.
            Err(SshError::HostKey(error @ HostKeyError::NotAccepted { kind, .. })) if !left_out.contains(&kind) => {
                left_out.push(kind);
                first_refusal.get_or_insert(error);
            }
            Err(error) => return Err(first_refusal.map_or(error, SshError::HostKey)),
            connected => return connected,
        }
    }
}

async fn attempt(
    hop: &Hop,
    over: Option<(&Hop, &Link)>,
    left_out: &[&'static str],
    say: &dyn Printer,
) -> Result<Link, SshError> {
    let (stream, address) = reach(hop, over).await?;
    let vouched = hop.trust.look_up(&hop.names, address.as_deref()).map_err(SshError::HostKey)?;
    if left_out.is_empty() {
        vouched.notes().iter().for_each(|note| say.warn(note));
    }
    let config = Arc::new(client::Config {
        preferred: preferred(vouched.algorithms(), left_out),
        inactivity_timeout: Some(SILENCE_LIMIT),
        nodelay: true,
        ..client::Config::default()
    });
    let last_words = LastWords::default();
    let judge = Judge { host: hop.names.name.clone(), vouched, last_words: Arc::clone(&last_words) };
    let connected = tokio::time::timeout(hop.limit, client::connect_stream(config, stream, judge)).await;
    let handle = connected.map_err(|_| silent(hop))??;
    Ok(Link { handle, last_words })
}

fn silent(hop: &Hop) -> SshError {
    SshError::Silent { destination: hop.destination.to_string(), limit: hop.limit }
}

/// A stream to the host, and its address as `known_hosts` writes it, if it is looked up here.
async fn reach(hop: &Hop, over: Option<(&Hop, &Link)>) -> Result<(Box<dyn Stream>, Option<String>), SshError> {
    let destination = &hop.destination;
    let Some((jump, link)) = over else {
        let (stream, address) = dial(hop).await?;
        let as_known =
            if destination.port == 22 { address.to_string() } else { format!("[{address}]:{}", destination.port) };
        return Ok((Box::new(stream), Some(as_known)));
    };
    let port = destination.port.into();
    let opened = link.handle.channel_open_direct_tcpip(destination.host.as_str(), port, "127.0.0.1", 0);
    let opened = tokio::time::timeout(hop.limit, opened).await.map_err(|_| silent(hop))?;
    let (host, jump) = (destination.to_string(), jump.destination.to_string());
    let channel = opened.map_err(|source| SshError::Forward { destination: host, jump, source: Box::new(source) })?;
    Ok((Box::new(channel.into_stream()), None))
}

/// Tries the addresses of the host in turn.
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
            Err(_) => last = silent(hop),
        }
    }
    Err(last)
}

/// A host that is known by some keys is asked for those kinds first; for others after them, so that another key is
/// noticed as changed and not as a failure to agree. `ssh-rsa` with SHA-1 is no kind to ask for.
fn preferred(known: Vec<Algorithm>, left_out: &[&'static str]) -> Preferred {
    let defaults = Preferred::default();
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let wanted = |algorithm: &&Algorithm| {
        !matches!(algorithm, Algorithm::Rsa { hash: None }) && !left_out.contains(&kind_of(algorithm))
    };
    for algorithm in defaults.key.iter().filter(wanted) {
        let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
        let is_known = known.iter().any(|known| known == algorithm || (is_rsa(known) && is_rsa(algorithm)));
        if is_known { first.push(algorithm.clone()) } else { others.push(algorithm.clone()) }
    }
    Preferred { key: Cow::Owned([first, others].concat()), ..defaults }
}

/// The hash to sign with under an RSA key: what the host says it takes, or the one that every host of today takes.
pub(super) async fn rsa_hash(link: &Link) -> Result<HashAlg, Error> {
    Ok(link.handle.best_supported_rsa_hash().await?.flatten().unwrap_or(HashAlg::Sha512))
}

#[cfg(test)]
mod tests {
    use russh::keys::EcdsaCurve;

    use super::*;

    fn names(known: Vec<Algorithm>, left_out: &[&'static str]) -> Vec<String> {
        preferred(known, left_out).key.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn kinds_of_key_that_are_known_are_asked_for_first() {
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
