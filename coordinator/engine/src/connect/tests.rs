//! Tests against real TLS servers on the loopback interface.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use landfast_certs::{Authority, Credentials, Identity, Role, Validity, server_config};
use landfast_proto::v1::DescribeResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tonic::Status;

use super::agent_server::serve_on;
use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn authority() -> Authority {
    Authority::create("home", SystemTime::now()).unwrap()
}

fn issue(authority: &Authority, identity: &str, validity: Validity) -> Credentials {
    authority.issue(&identity.parse::<Identity>().unwrap(), validity).unwrap()
}

fn now() -> Validity {
    Validity::standard(SystemTime::now())
}

fn anna(authority: &Authority) -> Credentials {
    issue(authority, &Identity::operator("home", "anna", Role::Deployer).unwrap().to_string(), now())
}

async fn listener() -> (TcpListener, Target) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Target { host: "alpha".to_owned(), address: Ipv4Addr::LOCALHOST, port })
}

async fn serve(config: Arc<ServerConfig>, answer: Result<DescribeResponse, Status>) -> Target {
    let (listener, target) = listener().await;
    serve_on(listener, config, answer);
    target
}

async fn agent(authority: &Authority, identity: &str, validity: Validity) -> Target {
    let config = server_config(&issue(authority, identity, validity)).unwrap();
    serve(config, Ok(DescribeResponse { host: "alpha".to_owned(), ..Default::default() })).await
}

async fn refusal(target: &Target, credentials: &Credentials) -> ConnectError {
    let error = Agent::connect("home", target, credentials, Ask::Described).await.unwrap_err();
    assert!(error.hint().is_some());
    error
}

#[tokio::test]
async fn an_agent_of_the_fleet_answers() {
    let authority = authority();
    let target = agent(&authority, "landfast://home/agent/alpha", now()).await;
    let agent = Agent::connect("home", &target, &anna(&authority), Ask::Held).await.unwrap();
    assert_eq!((agent.host(), agent.description().host.as_str()), ("alpha", "alpha"));
}

#[tokio::test]
async fn each_host_connects_or_reports_an_error() {
    let authority = authority();
    let alpha = agent(&authority, "landfast://home/agent/alpha", now()).await;
    let (closed, beta) = listener().await;
    drop(closed);
    let beta = Target { host: "beta".to_owned(), ..beta };
    let agents = Agents::connect("home", &[alpha, beta.clone()], &anna(&authority), Ask::Described).await;
    assert!(agents.get("alpha").is_some());
    let refused = ConnectError::unreachable(&beta, Unreachable::Refused);
    assert_eq!(agents.failed().iter().collect::<Vec<_>>(), [(&"beta".to_owned(), &refused)]);
    let failures = agents.all().unwrap_err().to_string();
    assert_eq!(
        failures,
        format!(
            "host beta ({}): connection refused: no process listens on this port; check that landfast-agent runs: \
             `systemctl status landfast-agent` on beta",
            beta.socket()
        )
    );
}

#[tokio::test]
async fn an_agent_of_another_fleet_is_reported() {
    let theirs = agent(&authority(), "landfast://home/agent/alpha", now()).await;
    let error = refusal(&theirs, &anna(&authority())).await;
    assert!(matches!(error, ConnectError::OtherFleet { .. }), "{error:?}");
}

#[tokio::test]
async fn another_hosts_agent_is_reported() {
    let authority = authority();
    let target = agent(&authority, "landfast://home/agent/beta", now()).await;
    let error = refusal(&target, &anna(&authority)).await;
    assert_eq!(error, ConnectError::other_host(&target, "the agent of host beta".to_owned()));
}

#[test]
fn the_identity_of_an_agent_is_checked_besides_its_name() {
    let authority = authority();
    let target = Target { host: "alpha".to_owned(), address: Ipv4Addr::LOCALHOST, port: 1 };
    let check = |identity: &str| {
        let issued = issue(&authority, identity, now());
        let certificate = CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap();
        dial::check_identity("home", &target, Some(certificate.as_ref()))
    };
    assert_eq!(check("landfast://home/agent/alpha"), Ok(()));
    for identity in
        ["landfast://home/agent/beta", "landfast://home/operator/alpha?role=admin", "landfast://home/coordinator/alpha"]
    {
        assert_eq!(check(identity), Err(ConnectError::other_host(&target, identity.to_owned())));
    }
    assert!(dial::check_identity("home", &target, None).is_err());
}

#[tokio::test]
async fn an_operators_certificate_is_not_accepted_from_an_agent() {
    let authority = authority();
    let target = agent(&authority, "landfast://home/operator/mallory?role=admin", now()).await;
    let error = refusal(&target, &anna(&authority)).await;
    assert!(matches!(error, ConnectError::OtherHost { .. } | ConnectError::NotAnAgent { .. }), "{error:?}");
}

#[tokio::test]
async fn t14_an_expired_or_early_certificate_reports_the_clock_difference() {
    let authority = authority();
    let clock = SystemTime::now();
    let old = Validity { not_before: clock - 4 * DAY, not_after: clock - 3 * DAY };
    let early = Validity { not_before: clock + Duration::from_secs(7_200), not_after: clock + DAY };
    for (validity, words) in [(old, "expired 3 days ago"), (early, "this machine's clock is behind")] {
        let target = agent(&authority, "landfast://home/agent/alpha", validity).await;
        let error = refusal(&target, &anna(&authority)).await;
        assert!(matches!(error, ConnectError::OutOfDate { .. }) && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_rejected_operator_certificate_is_reported() {
    let home = authority();
    let stranger = authority();
    let target = agent(&home, "landfast://home/agent/alpha", now()).await;
    // This operator trusts the agent's authority, but its certificate is signed by another one.
    let folder = tempfile::tempdir().unwrap();
    anna(&stranger).save(folder.path()).unwrap();
    std::fs::write(folder.path().join("ca.pem"), home.certificate_pem()).unwrap();
    let error = refusal(&target, &Credentials::load(folder.path()).unwrap()).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");

    let clock = SystemTime::now();
    let expired = Validity { not_before: clock - 2 * DAY, not_after: clock - DAY };
    let error = refusal(&target, &issue(&home, "landfast://home/operator/anna?role=admin", expired)).await;
    assert!(matches!(&error, ConnectError::Refused { problem, .. } if problem.contains("expired")), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_is_not_an_agent_is_reported() {
    let anna = anna(&authority());
    for greeting in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"] {
        let (listener, target) = listener().await;
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.read_u8().await.unwrap();
            tcp.write_all(greeting).await.unwrap();
        });
        let error = refusal(&target, &anna).await;
        assert!(
            matches!(
                error,
                ConnectError::NotAnAgent { .. } | ConnectError::Unreachable { reason: Unreachable::Closed, .. }
            ),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_peer_without_http2_is_not_an_agent() {
    let authority = authority();
    let ours = issue(&authority, "landfast://home/agent/alpha", now());
    let config = server_config(&ours).unwrap();
    let mut old = (*config).clone();
    old.alpn_protocols = vec![b"http/1.1".to_vec()];
    let target = serve(Arc::new(old), Ok(DescribeResponse::default())).await;
    let error = refusal(&target, &anna(&authority)).await;
    assert!(matches!(error, ConnectError::NotAnAgent { .. }), "{error:?}");
}

#[tokio::test]
async fn errors_of_the_agent_are_classified() {
    let authority = authority();
    let config = server_config(&issue(&authority, "landfast://home/agent/alpha", now())).unwrap();
    let denied = serve(Arc::clone(&config), Err(Status::permission_denied("anna is a viewer"))).await;
    assert!(matches!(refusal(&denied, &anna(&authority)).await, ConnectError::Denied { .. }));
    let old = serve(Arc::clone(&config), Err(Status::unimplemented("no Describe"))).await;
    assert!(matches!(refusal(&old, &anna(&authority)).await, ConnectError::TooOld { .. }));
    let failed = serve(config, Err(Status::internal("the disk is on fire"))).await;
    let error = refusal(&failed, &anna(&authority)).await;
    assert!(matches!(&error, ConnectError::Failed { problem, .. } if problem.contains("on fire")), "{error:?}");
}

#[tokio::test]
async fn a_host_that_accepts_and_does_not_respond_times_out() {
    let (listener, target) = listener().await;
    let error = refusal(&target, &anna(&authority())).await;
    assert!(matches!(error, ConnectError::Unreachable { reason: Unreachable::Silent(_), .. }), "{error:?}");
    drop(listener);
}
