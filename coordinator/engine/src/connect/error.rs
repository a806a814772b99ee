//! Classifies failures to reach an agent, and decides the hint for each.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};
use tonic::{Code, Status};

use super::Target;
use crate::{Hint, causes};

/// Alerts that a server sends when it rejects a certificate (RFC 8446, 6.2).
const CERTIFICATE_ALERTS: [AlertDescription; 9] = [
    AlertDescription::UnknownCA,
    AlertDescription::DecryptError,
    AlertDescription::BadCertificate,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateRequired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::AccessDenied,
];

/// A failure to communicate with a host's agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The operator's own key or certificate is unusable.
    #[error("{0}")]
    Credentials(String),
    /// No agent responds at the address.
    #[error("host {host} ({address}): {reason}")]
    Unreachable {
        /// Name of the host.
        host: String,
        /// Address and port of the agent.
        address: SocketAddr,
        /// The reason why the agent is unreachable.
        reason: Unreachable,
    },
    /// The agent's certificate is signed by another authority.
    #[error("host {host} ({address}): the agent there belongs to another fleet")]
    OtherFleet {
        /// Name of the host.
        host: String,
        /// Address and port of the agent.
        address: SocketAddr,
    },
    /// The certificate belongs to the fleet, but not to this host's agent.
    #[error("host {host} ({address}): {found} answers at this address")]
    OtherHost {
        /// Name of the host.
        host: String,
        /// Address and port of the agent.
        address: SocketAddr,
        /// Owner of the certificate.
        found: String,
    },
    /// The agent's certificate is expired or not yet valid, according to this machine's clock.
    #[error("host {host} ({address}): the agent's certificate {problem}")]
    OutOfDate {
        /// Name of the host.
        host: String,
        /// Address and port of the agent.
        address: SocketAddr,
        /// The reason, with the time difference.
        problem: String,
    },
    /// The peer does not use TLS 1.3 and HTTP/2 like an agent.
    #[error("host {host} ({address}): the service at this address is not a landfast agent ({problem})")]
    NotAnAgent {
        /// Name of the host.
        host: String,
        /// Address and port of the peer.
        address: SocketAddr,
        /// The unexpected behaviour of the peer.
        problem: String,
    },
    /// The agent rejected the operator's certificate.
    #[error("host {host} ({address}): the agent rejected your certificate ({problem})")]
    Refused {
        /// Name of the host.
        host: String,
        /// Address and port of the agent.
        address: SocketAddr,
        /// The reason that the agent gave.
        problem: String,
    },
    /// The operator's role does not permit the call.
    #[error("host {host}: {problem}")]
    Denied {
        /// Name of the host.
        host: String,
        /// The operator, its role and the required role.
        problem: String,
    },
    /// The agent does not implement a method that the coordinator calls.
    #[error("host {host}: the agent is older than this landfast requires ({problem})")]
    TooOld {
        /// Name of the host.
        host: String,
        /// The missing method.
        problem: String,
    },
    /// The agent responded with an error.
    #[error("host {host}: {problem}")]
    Failed {
        /// Name of the host.
        host: String,
        /// The agent's error message.
        problem: String,
    },
}

/// The reason why an agent is unreachable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host refused the connection, because no process listens on the port.
    #[error("connection refused: no process listens on this port")]
    Refused,
    /// The host did not respond to the connection request.
    #[error("the connection timed out")]
    TimedOut,
    /// This machine has no route to the host.
    #[error("no route to the host")]
    NoRoute,
    /// The connection was established, but the agent did not respond.
    #[error("no response within {} s", _0.as_secs())]
    Silent(Duration),
    /// The connection was closed.
    #[error("the connection was closed")]
    Closed,
    /// Any other error, as the operating system describes it.
    #[error("{0}")]
    Other(String),
}

impl Unreachable {
    pub(super) fn of(failure: &io::Error) -> Self {
        match failure.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::NoRoute,
            kind if is_closed(kind) => Self::Closed,
            _ => Self::Other(failure.to_string()),
        }
    }
}

impl ConnectError {
    pub(super) fn credentials(error: landfast_certs::Error) -> Self {
        Self::Credentials(error.to_string())
    }

    pub(super) fn unreachable(target: &Target, reason: Unreachable) -> Self {
        Self::Unreachable { host: target.host.clone(), address: target.socket(), reason }
    }

    pub(super) fn other_host(target: &Target, found: String) -> Self {
        Self::OtherHost { host: target.host.clone(), address: target.socket(), found }
    }

    fn not_an_agent(target: &Target, problem: String) -> Self {
        Self::NotAnAgent { host: target.host.clone(), address: target.socket(), problem }
    }

    fn refused(target: &Target, problem: String) -> Self {
        Self::Refused { host: target.host.clone(), address: target.socket(), problem }
    }
}

impl Hint for ConnectError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Credentials(_) => {
                "issue a new certificate with `landfast cert issue operator NAME --role ROLE --out DIR`".to_owned()
            }
            Self::Unreachable { host, reason: Unreachable::Refused | Unreachable::Closed, .. } => {
                format!("check that landfast-agent runs: `systemctl status landfast-agent` on {host}")
            }
            Self::Unreachable { host, .. } => {
                format!("check that {host} is running and that its address in landfast.toml is correct")
            }
            Self::OtherFleet { host, address } => format!(
                "check {host}'s address in landfast.toml; to add the host to this fleet, run `landfast host add {host} \
                 {} --ssh USER@{}`",
                address.ip(),
                address.ip()
            ),
            Self::OtherHost { .. } => "check the hosts' addresses in landfast.toml".to_owned(),
            Self::OutOfDate { host, address, .. } => format!(
                "compare the clocks of both machines; if they agree, run `landfast host add {host} {} --ssh USER@{}` to renew \
                 the certificate",
                address.ip(),
                address.ip()
            ),
            Self::NotAnAgent { .. } => "check the host's address and port in landfast.toml".to_owned(),
            Self::Refused { host, .. } => format!(
                "run `landfast cert show` to see your certificate; the agent's log on {host} has the reason; compare the \
                 clocks of both machines"
            ),
            Self::Denied { .. } => "ask an admin of the fleet for a certificate with that role".to_owned(),
            Self::TooOld { host, .. } => {
                format!("update the agent with `landfast host add {host} --upgrade --ssh USER@`")
            }
            Self::Failed { host, .. } => format!("see the agent's log: `journalctl -u landfast-agent` on {host}"),
        };
        Some(hint)
    }
}

/// Classifies a failed TLS handshake.
pub(super) fn of_handshake(target: &Target, failure: &io::Error) -> ConnectError {
    match find::<rustls::Error>(failure) {
        Some(rustls::Error::InvalidCertificate(problem)) => of_certificate(target, problem),
        Some(rustls::Error::AlertReceived(alert)) => of_alert(target, *alert),
        Some(problem) => ConnectError::not_an_agent(target, problem.to_string()),
        None if is_closed(failure.kind()) => {
            ConnectError::not_an_agent(target, "it closed the connection during the TLS handshake".to_owned())
        }
        None => ConnectError::unreachable(target, Unreachable::of(failure)),
    }
}

fn of_certificate(target: &Target, problem: &CertificateError) -> ConnectError {
    let (host, address) = (target.host.clone(), target.socket());
    match problem {
        // rustls reports BadSignature when another authority has the same fleet's name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => ConnectError::OtherFleet { host, address },
        CertificateError::NotValidForName => ConnectError::other_host(target, "another host's agent".to_owned()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            ConnectError::other_host(target, named(presented))
        }
        CertificateError::Expired | CertificateError::NotValidYet => {
            ConnectError::OutOfDate { host, address, problem: "is expired or not yet valid".to_owned() }
        }
        CertificateError::ExpiredContext { time, not_after } => {
            let problem = format!("expired {} ago", span(time.as_secs().saturating_sub(not_after.as_secs())));
            ConnectError::OutOfDate { host, address, problem }
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let skew = span(not_before.as_secs().saturating_sub(time.as_secs()));
            let problem = format!("becomes valid only in {skew}: this machine's clock is behind by at least that");
            ConnectError::OutOfDate { host, address, problem }
        }
        other => ConnectError::not_an_agent(target, other.to_string()),
    }
}

/// Extracts the agent's host from names in rustls's notation, such as `DnsName("beta.agent.home.landfast.internal")`.
fn named(presented: &[String]) -> String {
    let host = presented.iter().find_map(|name| {
        let (host, rest) = name.strip_prefix("DnsName(\"")?.split_once('.')?;
        rest.starts_with("agent.").then_some(host)
    });
    host.map_or_else(|| "an operator's certificate".to_owned(), |host| format!("the agent of host {host}"))
}

fn of_alert(target: &Target, alert: AlertDescription) -> ConnectError {
    let words = match alert {
        AlertDescription::UnknownCA | AlertDescription::DecryptError | AlertDescription::BadCertificate => {
            "it is signed by another authority".to_owned()
        }
        AlertDescription::CertificateExpired => "it has expired, or the host's clock is wrong".to_owned(),
        AlertDescription::CertificateRevoked => "it is revoked".to_owned(),
        AlertDescription::CertificateRequired => "it received none".to_owned(),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::NoApplicationProtocol => {
            return ConnectError::not_an_agent(target, format!("TLS alert {alert:?}"));
        }
        other => format!("TLS alert {other:?}"),
    };
    ConnectError::refused(target, words)
}

/// Classifies a failed connection. The error of the connector is part of tonic's error chain.
pub(super) fn of_transport(target: &Target, failure: &tonic::transport::Error) -> ConnectError {
    find::<ConnectError>(failure)
        .cloned()
        .or_else(|| of_refusal(target, failure))
        .unwrap_or_else(|| ConnectError::not_an_agent(target, deepest(failure)))
}

/// Classifies a failed first call. With TLS 1.3, the client's handshake completes before the server verifies the
/// client's certificate, so the first call may be the first to report a rejection.
pub(super) fn of_first_call(target: &Target, status: &Status) -> ConnectError {
    let (host, problem) = (target.host.clone(), status.message().to_owned());
    if let Some(error) = find::<ConnectError>(status).cloned().or_else(|| of_refusal(target, status)) {
        return error;
    }
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => ConnectError::Denied { host, problem },
        Code::Unimplemented => ConnectError::TooOld { host, problem },
        Code::Unavailable | Code::Unknown if status.source().is_some() => {
            ConnectError::unreachable(target, Unreachable::Other(deepest(status)))
        }
        _ => ConnectError::Failed { host, problem },
    }
}

fn of_refusal(target: &Target, failure: &(dyn Error + 'static)) -> Option<ConnectError> {
    if let Some(alert) = alert_in(failure) {
        return Some(of_alert(target, alert));
    }
    let closed = find::<io::Error>(failure).is_some_and(|error| is_closed(error.kind()));
    closed.then(|| ConnectError::refused(target, "it closed the connection after the handshake".to_owned()))
}

/// Finds a TLS alert in an error chain. h2 passes on only the text of an alert, so the text is compared with that of
/// rustls.
fn alert_in(failure: &(dyn Error + 'static)) -> Option<AlertDescription> {
    if let Some(rustls::Error::AlertReceived(alert)) = find::<rustls::Error>(failure) {
        return Some(*alert);
    }
    let text = deepest(failure);
    CERTIFICATE_ALERTS.into_iter().find(|alert| text == rustls::Error::AlertReceived(*alert).to_string())
}

fn is_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Finds the first error of type `E` in a chain, including errors inside an `io::Error`, which `source()` skips.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| {
        let carried = || error.downcast_ref::<io::Error>()?.get_ref();
        error.downcast_ref::<E>().or_else(|| carried().and_then(|carried| find(carried)))
    })
}

fn deepest(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
