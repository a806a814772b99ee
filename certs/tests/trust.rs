//! TLS handshakes with every kind of peer that must be refused, and the files of keys and certificates.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use landfast_certs::{
    Authority, Credentials, Error, Identity, Role, Validity, client_config, key_and_request, peer_config,
    server_config, server_name,
};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Fleet {
    authority: Authority,
    agent: Credentials,
    operator: Credentials,
}

/// Creates a fleet with one agent, `alpha`, and one operator, `anna`.
fn fleet(name: &str) -> Fleet {
    let now = SystemTime::now();
    let authority = Authority::create(name, now).unwrap();
    let issue = |identity: Identity| authority.issue(&identity, Validity::standard(now)).unwrap();
    let agent = issue(Identity::agent(name, "alpha").unwrap());
    let operator = issue(Identity::operator(name, "anna", Role::Admin).unwrap());
    Fleet { authority, agent, operator }
}

/// Performs a handshake in memory and returns the client's identity as the server sees it.
fn handshake(agent: &Credentials, client: Arc<ClientConfig>, host: &str) -> Result<Identity, rustls::Error> {
    let mut server = ServerConnection::new(server_config(agent).unwrap()).unwrap();
    let mut client = ClientConnection::new(client, server_name("home", host).unwrap()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        transfer(|wire| client.write_tls(wire), |wire| server.read_tls(wire));
        server.process_new_packets()?;
        transfer(|wire| server.write_tls(wire), |wire| client.read_tls(wire));
        client.process_new_packets()?;
    }
    assert_eq!(server.alpn_protocol(), Some(b"h2".as_slice()));
    assert_eq!(server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    Ok(Identity::of_certificate(&server.peer_certificates().unwrap()[0]).unwrap())
}

fn transfer(from: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>, mut to: impl FnMut(&mut &[u8]) -> io::Result<usize>) {
    let mut wire = Vec::new();
    from(&mut wire).unwrap();
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to(&mut rest).unwrap();
    }
}

fn connect(agent: &Credentials, client: &Credentials) -> Result<Identity, rustls::Error> {
    handshake(agent, client_config(client).unwrap(), "alpha")
}

#[test]
fn an_agent_sees_the_identity_of_a_caller_of_its_fleet() {
    let home = fleet("home");
    let seen = connect(&home.agent, &home.operator).unwrap();
    assert_eq!(seen.to_string(), "landfast://home/operator/anna?role=admin");
}

#[test]
fn t01_a_caller_without_a_certificate_is_refused() {
    let home = fleet("home");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(home.authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let anonymous = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let error = handshake(&home.agent, Arc::new(anonymous), "alpha").unwrap_err();
    assert_eq!(error, rustls::Error::NoCertificatesPresented);
}

#[test]
fn t01_a_caller_of_an_authority_with_the_same_name_is_refused_by_the_agent() {
    let home = fleet("home");
    let impostor = fleet("home");
    let operator = Credentials::new(
        home.authority.certificate_pem().to_owned(),
        impostor.operator.certificate_pem().to_owned(),
        key_of(&impostor.operator),
    )
    .unwrap();
    let error = connect(&home.agent, &operator).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}

#[test]
fn t01_an_agent_of_another_fleet_is_refused_by_the_caller() {
    let error = connect(&fleet("away").agent, &fleet("home").operator).unwrap_err();
    assert_eq!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer));
}

#[test]
fn t01_a_certificate_that_is_expired_or_not_yet_valid_is_refused() {
    let home = fleet("home");
    let now = SystemTime::now();
    for (validity, what) in [
        (Validity { not_before: now - 2 * DAY, not_after: now - DAY }, "expired"),
        (Validity { not_before: now + DAY, not_after: now + 2 * DAY }, "not valid yet"),
    ] {
        let operator =
            home.authority.issue(&Identity::operator("home", "anna", Role::Admin).unwrap(), validity).unwrap();
        let error = connect(&home.agent, &operator).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_clock_that_is_ten_minutes_behind_is_tolerated() {
    let home = fleet("home");
    let ahead = SystemTime::now() + Duration::from_secs(600);
    let anna = Identity::operator("home", "anna", Role::Viewer).unwrap();
    connect(&home.agent, &home.authority.issue(&anna, Validity::standard(ahead)).unwrap()).unwrap();
}

#[test]
fn another_hosts_agent_is_refused_by_the_caller() {
    let home = fleet("home");
    let error = handshake(&home.agent, client_config(&home.operator).unwrap(), "beta").unwrap_err();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForNameContext { .. })),
        "{error}"
    );
}

#[test]
fn an_agent_accepts_the_agent_of_any_host_of_its_fleet_and_nobody_else() {
    let home = fleet("home");
    let beta = Identity::agent("home", "beta").unwrap();
    let beta = home.authority.issue(&beta, Validity::standard(SystemTime::now())).unwrap();
    let call = |server: &Credentials| handshake(server, peer_config(&beta).unwrap(), "some-other-name");
    assert_eq!(call(&home.agent).unwrap().to_string(), "landfast://home/agent/beta");
    assert!(call(&home.operator).is_err(), "an operator does not serve");
    let error = call(&fleet("home").agent).unwrap_err();
    assert_eq!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature));
    let error = call(&fleet("away").agent).unwrap_err();
    assert_eq!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName));
    let past = Validity { not_before: SystemTime::now() - 2 * DAY, not_after: SystemTime::now() - DAY };
    let expired = home.authority.issue(&Identity::agent("home", "gamma").unwrap(), past).unwrap();
    assert!(call(&expired).unwrap_err().to_string().contains("expired"));
}

#[test]
fn an_operator_cannot_serve_as_an_agent() {
    let home = fleet("home");
    assert!(connect(&home.operator, &home.operator).is_err());
}

#[test]
fn t07_a_request_that_asks_for_more_gets_its_key_certified_and_nothing_else() {
    let home = fleet("home");
    let key = KeyPair::generate().unwrap();
    let mut forged = CertificateParams::default();
    forged.distinguished_name.push(rcgen::DnType::CommonName, "landfast authority of home");
    forged.subject_alt_names = vec![
        SanType::URI("landfast://home/operator/mallory?role=admin".try_into().unwrap()),
        SanType::DnsName("beta.agent.home.landfast.internal".try_into().unwrap()),
    ];
    forged.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    forged.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    forged.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    let request = forged.serialize_request(&key).unwrap().pem().unwrap();

    let alpha = Identity::agent("home", "alpha").unwrap();
    let signed = home.authority.sign(&request, &alpha, Validity::standard(SystemTime::now())).unwrap();

    let der = CertificateDer::from_pem_slice(signed.as_bytes()).unwrap();
    assert_eq!(Identity::of_certificate(&der).unwrap(), alpha);
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(!certificate.is_ca());
    assert_eq!(certificate.subject().to_string(), "CN=alpha");
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && usage.server_auth && !usage.any);
    assert!(!certificate.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert!(!signed.contains("mallory") && !format!("{certificate:?}").contains("beta.agent"));
}

#[test]
fn t07_a_certificate_without_exactly_one_identity_is_refused() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    for uri in ["landfast://home/agent/alpha", "landfast://home/agent/beta"] {
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    }
    let two = params.self_signed(&key).unwrap();
    assert!(matches!(Identity::of_certificate(two.der()), Err(Error::Anonymous { found: 2 })));
    let none = CertificateParams::default().self_signed(&key).unwrap();
    assert!(matches!(Identity::of_certificate(none.der()), Err(Error::Anonymous { found: 0 })));
}

#[test]
fn an_authority_refuses_another_fleet_and_an_invalid_name() {
    let home = fleet("home");
    let validity = Validity::standard(SystemTime::now());
    let stranger = Identity::agent("away", "alpha").unwrap();
    assert!(matches!(home.authority.issue(&stranger, validity), Err(Error::OtherFleet { .. })));
    let smuggled = Identity::Operator { fleet: "home".into(), name: "x?role=admin#".into(), role: Role::Viewer };
    let folder = tempfile::tempdir().unwrap();
    let request = key_and_request(folder.path()).unwrap();
    assert!(home.authority.sign(&request, &smuggled, validity).is_err());
}

#[test]
fn a_malformed_request_and_a_key_of_another_type_are_refused() {
    let home = fleet("home");
    let alpha = Identity::agent("home", "alpha").unwrap();
    let validity = Validity::standard(SystemTime::now());
    assert!(home.authority.sign("hello", &alpha, validity).is_err());
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let request = CertificateParams::default().serialize_request(&ed25519).unwrap().pem().unwrap();
    let error = home.authority.sign(&request, &alpha, validity).unwrap_err();
    assert!(error.to_string().contains("P-256"), "{error}");
}

#[test]
fn a_request_reuses_the_key_of_the_folder_and_does_not_contain_it() {
    let home = fleet("home");
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("identity");
    let request = key_and_request(&host).unwrap();
    assert!(!request.contains("PRIVATE"));
    let key = std::fs::read_to_string(host.join("key.pem")).unwrap();
    key_and_request(&host).unwrap();
    assert_eq!(std::fs::read_to_string(host.join("key.pem")).unwrap(), key);

    let alpha = Identity::agent("home", "alpha").unwrap();
    let signed = home.authority.sign(&request, &alpha, Validity::standard(SystemTime::now())).unwrap();
    std::fs::write(host.join("cert.pem"), signed).unwrap();
    std::fs::write(host.join("ca.pem"), home.authority.certificate_pem()).unwrap();
    let joined = Credentials::load(&host).unwrap();
    assert_eq!(joined.identity(), &alpha);
    connect(&joined, &home.operator).unwrap();
}

#[test]
fn only_the_owner_can_read_a_key_and_an_exposed_key_is_refused() {
    let home = fleet("home");
    let folder = tempfile::tempdir().unwrap();
    let (authority, operator) = (folder.path().join("authority"), folder.path().join("operator"));
    home.authority.save(&authority).unwrap();
    home.operator.save(&operator).unwrap();
    assert_eq!((mode(&authority), mode(&authority.join("ca-key.pem"))), (0o700, 0o600));
    assert_eq!((mode(&operator), mode(&operator.join("key.pem"))), (0o700, 0o600));
    for key in [authority.join("ca-key.pem"), operator.join("key.pem")] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    }
    assert!(matches!(Authority::load(&authority), Err(Error::Exposed { mode: 0o640, .. })));
    let error = Credentials::load(&operator).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && error.contains("key.pem"), "{error}");
}

#[test]
fn a_saved_authority_can_be_loaded_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let home = fleet("home");
    home.authority.save(folder.path()).unwrap();
    let again = Authority::load(folder.path()).unwrap();
    assert_eq!(again.fleet(), "home");
    let beta = Identity::agent("home", "beta").unwrap();
    let validity = Validity::standard(SystemTime::now());
    let beta = again.issue(&beta, validity).unwrap();
    handshake(&beta, client_config(&home.operator).unwrap(), "beta").unwrap();
    assert!(matches!(fleet("home").authority.save(folder.path()), Err(Error::Exists { .. })));
}

#[test]
fn files_that_do_not_match_are_refused_with_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let home = fleet("home");
    home.agent.save(folder.path()).unwrap();
    std::fs::write(folder.path().join("cert.pem"), home.operator.certificate_pem()).unwrap();
    let error = Credentials::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&folder.path().display().to_string()) && error.contains("does not match"), "{error}");
    std::fs::remove_file(folder.path().join("cert.pem")).unwrap();
    let error = Credentials::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("cert.pem"), "{error}");
}

#[test]
fn secrets_are_not_printed() {
    let home = fleet("home");
    for text in [format!("{:?}", home.agent), format!("{:?}", home.authority)] {
        assert!(text.contains("[redacted]") && !text.contains("PRIVATE"), "{text}");
    }
}

fn key_of(credentials: &Credentials) -> String {
    let folder = tempfile::tempdir().unwrap();
    credentials.save(folder.path()).unwrap();
    std::fs::read_to_string(folder.path().join("key.pem")).unwrap()
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
