//! Decides what a failure to reach an agent means, and what to do next.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};
use tonic::{Code, Status};

use super::Target;

/// What a server says of a certificate that it does not accept (RFC 8446, 6.2).
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

/// Why a host's agent cannot be talked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Our own key or certificate is not usable.
    #[error("{0}")]
    Credentials(String),
    /// Nothing answers at that address.
    #[error("host {host} ({address}): {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// Where it was dialled.
        address: SocketAddr,
        /// What happened instead.
        reason: Unreachable,
    },
    /// What answers is not signed by this fleet's authority.
    #[error("host {host} ({address}): the agent there belongs to another fleet")]
    OtherFleet {
        /// The host.
        host: String,
        /// Where it was dialled.
        address: SocketAddr,
    },
    /// What answers is of this fleet, but not the agent of this host.
    #[error("host {host} ({address}): it is {found} that answers there")]
    OtherHost {
        /// The host.
        host: String,
        /// Where it was dialled.
        address: SocketAddr,
        /// Who it is.
        found: String,
    },
    /// The agent's certificate is out of date, as this machine's clock sees it.
    #[error("host {host} ({address}): the agent's certificate {problem}")]
    OutOfDate {
        /// The host.
        host: String,
        /// Where it was dialled.
        address: SocketAddr,
        /// Since or until when.
        problem: String,
    },
    /// What answers does not speak TLS 1.3 as an agent does.
    #[error("host {host} ({address}): what answers there is no agent ({problem})")]
    NotAnAgent {
        /// The host.
        host: String,
        /// Where it was dialled.
        address: SocketAddr,
        /// What it did.
        problem: String,
    },
    /// The agent does not accept our certificate.
    #[error("host {host} ({address}): the agent refuses your certificate ({problem})")]
    Refused {
        /// The host.
        host: String,
        /// Where it was dialled.
        address: SocketAddr,
        /// What it said.
        problem: String,
    },
    /// The agent knows us, and our role does not suffice.
    #[error("host {host}: {problem}")]
    Denied {
        /// The host.
        host: String,
        /// Who we are and what is needed.
        problem: String,
    },
    /// The agent lacks a method this coordinator needs.
    #[error("host {host}: the agent is too old for this landfast ({problem})")]
    TooOld {
        /// The host.
        host: String,
        /// What it lacks.
        problem: String,
    },
    /// The agent answered with an error.
    #[error("host {host}: {problem}")]
    Failed {
        /// The host.
        host: String,
        /// The agent's words.
        problem: String,
    },
}

/// What happened instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host is there, and nothing listens.
    #[error("nothing listens there (connection refused)")]
    Refused,
    /// No answer to the connection.
    #[error("no answer (timed out)")]
    TimedOut,
    /// This machine knows no way there.
    #[error("no route to the host")]
    NoRoute,
    /// The connection stands, and nothing comes.
    #[error("no answer within {} s", _0.as_secs())]
    Silent(Duration),
    /// The connection was closed.
    #[error("the connection was closed")]
    Closed,
    /// Something else, in the system's words.
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

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Credentials(_) => {
                "`landfast cert issue operator NAME --role ROLE --out DIR` makes a new certificate".to_owned()
            }
            Self::Unreachable { host, reason: Unreachable::Refused | Unreachable::Closed, .. } => {
                format!("is landfast-agent running on {host}? look there with `systemctl status landfast-agent`")
            }
            Self::Unreachable { host, .. } => {
                format!("is {host} switched on, and is its address in landfast.toml right?")
            }
            Self::OtherFleet { host, address } => format!(
                "check {host}'s address in landfast.toml; to take the host into this fleet: `landfast host add {host} \
                 {} --ssh USER@{}`",
                address.ip(),
                address.ip()
            ),
            Self::OtherHost { .. } => "check the hosts' addresses in landfast.toml".to_owned(),
            Self::OutOfDate { host, address, .. } => format!(
                "compare the clocks of both machines; if they agree, `landfast host add {host} {} --ssh USER@{}` renews \
                 the certificate",
                address.ip(),
                address.ip()
            ),
            Self::NotAnAgent { .. } => "check the host's address and port in landfast.toml".to_owned(),
            Self::Refused { host, .. } => format!(
                "`landfast cert show` says what your certificate is; {host}'s log says why it was refused; compare the \
                 clocks of both machines"
            ),
            Self::Denied { .. } => "ask an admin of the fleet for a certificate with that role".to_owned(),
            Self::TooOld { host, .. } => {
                format!("bring the agent up to date: `landfast host add {host} ADDRESS --ssh USER@ADDRESS`")
            }
            Self::Failed { host, .. } => format!("{host}'s log says more: `journalctl -u landfast-agent`"),
        }
    }
}

/// The handshake did not go through on our side.
pub(super) fn of_handshake(target: &Target, failure: &io::Error) -> ConnectError {
    match find::<rustls::Error>(failure) {
        Some(rustls::Error::InvalidCertificate(problem)) => of_certificate(target, problem),
        Some(rustls::Error::AlertReceived(alert)) => of_alert(target, *alert),
        Some(problem) => ConnectError::not_an_agent(target, problem.to_string()),
        None if is_closed(failure.kind()) => {
            ConnectError::not_an_agent(target, "it closes the connection instead of answering".to_owned())
        }
        None => ConnectError::unreachable(target, Unreachable::of(failure)),
    }
}

fn of_certificate(target: &Target, problem: &CertificateError) -> ConnectError {
    let (host, address) = (target.host.clone(), target.socket());
    match problem {
        // The second when both authorities bear the same fleet's name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => ConnectError::OtherFleet { host, address },
        CertificateError::NotValidForName => ConnectError::other_host(target, "another host's agent".to_owned()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            ConnectError::other_host(target, named(presented))
        }
        CertificateError::Expired | CertificateError::NotValidYet => {
            ConnectError::OutOfDate { host, address, problem: "is out of date".to_owned() }
        }
        CertificateError::ExpiredContext { time, not_after } => {
            let problem = format!("expired {} ago", span(time.as_secs().saturating_sub(not_after.as_secs())));
            ConnectError::OutOfDate { host, address, problem }
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let skew = span(not_before.as_secs().saturating_sub(time.as_secs()));
            let problem = format!("holds only in {skew}: this machine's clock is behind by at least that");
            ConnectError::OutOfDate { host, address, problem }
        }
        other => ConnectError::not_an_agent(target, other.to_string()),
    }
}

/// rustls writes the names as `DnsName("beta.agent.home.landfast.internal")`.
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
            "it is of another authority".to_owned()
        }
        AlertDescription::CertificateExpired => "it has expired, or the host's clock is wrong".to_owned(),
        AlertDescription::CertificateRevoked => "it is revoked".to_owned(),
        AlertDescription::CertificateRequired => "it did not receive one".to_owned(),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::NoApplicationProtocol => {
            return ConnectError::not_an_agent(target, format!("TLS alert {alert:?}"));
        }
        other => format!("TLS alert {other:?}"),
    };
    ConnectError::refused(target, words)
}

/// tonic could not connect. Our connector's own error is somewhere in the chain.
pub(super) fn of_transport(target: &Target, failure: &tonic::transport::Error) -> ConnectError {
    find::<ConnectError>(failure)
        .cloned()
        .or_else(|| of_refusal(target, failure))
        .unwrap_or_else(|| ConnectError::not_an_agent(target, deepest(failure)))
}

/// The first call failed. With TLS 1.3 that is also how one learns that the other side refuses one's certificate: our
/// side of the handshake is over before it has looked.
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

/// Below HTTP/2 an alert is a value; h2 passes on only its text, so that is compared with what rustls writes.
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

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The first error of that type in a chain. `io::Error` hides what it carries from `source()`, so it is opened too.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| {
        let carried = || error.downcast_ref::<io::Error>()?.get_ref();
        error.downcast_ref::<E>().or_else(|| carried().and_then(|carried| find(carried)))
    })
}

fn deepest(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
