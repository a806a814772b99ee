//! Who may connect, over real sockets: T1 row by row. A refused connection is closed before the listener returns anything.

use std::net::SocketAddr;
use std::time::SystemTime;

use landfast_certs::{Authority, Credentials, Role, Validity, client_config, server_config, server_name};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

struct Served {
    authority: Authority,
    address: SocketAddr,
    incoming: mpsc::Receiver<io::Result<Connection>>,
    stop: CancellationToken,
}

fn credentials(authority: &Authority, identity: &Identity, validity: Validity) -> Credentials {
    authority.issue(identity, validity).expect("issued")
}

fn operator() -> Identity {
    Identity::operator("home", "anna", Role::Viewer).expect("a good name")
}

async fn served() -> Served {
    landfast_certs::install_provider();
    let now = SystemTime::now();
    let authority = Authority::create("home", now).expect("created");
    let agent = Identity::agent("home", "alpha").expect("a good name");
    let config = server_config(&credentials(&authority, &agent, Validity::standard(now))).expect("good credentials");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let incoming = accept(listener, config, "home".to_owned(), stop.clone());
    Served { authority, address, incoming, stop }
}

impl Served {
    /// Checks that the connection is refused, and that the listener still accepts others.
    async fn assert_refused(mut self, config: Arc<ClientConfig>) {
        self.refuse(config).await;
        self.assert_alive().await;
    }

    /// Connects and expects a refusal. In TLS 1.3 the client learns of it only when it reads.
    async fn refuse(&self, config: Arc<ClientConfig>) {
        let socket = TcpStream::connect(self.address).await.expect("listening");
        let name = server_name("home", "alpha").expect("a good name");
        if let Ok(mut stream) = TlsConnector::from(config).connect(name, socket).await {
            let read = tokio::time::timeout(DEADLINE, stream.read(&mut [0; 1])).await.expect("closed in time");
            assert!(!matches!(read, Ok(1..)), "something was served");
        }
    }

    async fn assert_alive(&mut self) {
        let good = credentials(&self.authority, &operator(), Validity::standard(SystemTime::now()));
        let socket = TcpStream::connect(self.address).await.expect("listening");
        let name = server_name("home", "alpha").expect("a good name");
        let connector = TlsConnector::from(client_config(&good).expect("good credentials"));
        let _stream = connector.connect(name, socket).await.expect("let in");
        let first = tokio::time::timeout(DEADLINE, self.incoming.recv()).await.expect("in time");
        let connection = first.expect("still listening").expect("a connection");
        assert_eq!(connection.connect_info().0, operator());
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_member_of_the_fleet_is_let_in_by_name() {
    served().await.assert_alive().await;
}

#[tokio::test]
async fn t01_plaintext_is_closed() {
    let mut served = served().await;
    let mut socket = TcpStream::connect(served.address).await.expect("listening");
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut answer)).await.expect("closed in time");
    // There is at most a TLS alert.
    assert!(read.is_err() || answer.len() <= 7, "{answer:?}");
    served.assert_alive().await;
}

#[tokio::test]
async fn t01_no_certificate_is_closed() {
    let served = served().await;
    let mut roots = RootCertStore::empty();
    let authority =
        CertificateDer::from_pem_slice(served.authority.certificate_pem().as_bytes()).expect("a certificate");
    roots.add(authority).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    served.assert_refused(Arc::new(config)).await;
}

#[tokio::test]
async fn t01_another_authority_of_the_same_name_is_closed() {
    let served = served().await;
    let now = SystemTime::now();
    let other = Authority::create("home", now).expect("created");
    let forged = credentials(&other, &operator(), Validity::standard(now));
    // The client trusts the right authority, so only its own certificate is wrong.
    let trusting = served.authority.certificate_pem().to_owned();
    let key = tempfile::tempdir().expect("a folder");
    forged.save(key.path()).expect("saved");
    std::fs::write(key.path().join("ca.pem"), trusting).expect("written");
    let forged = Credentials::load(key.path()).unwrap_or(forged);
    served.assert_refused(client_config(&forged).expect("well formed")).await;
}

#[tokio::test]
async fn t01_an_expired_certificate_is_closed() {
    let served = served().await;
    let day = Duration::from_secs(86_400);
    let past = Validity::lasting(SystemTime::now() - 10 * day, day);
    let expired = credentials(&served.authority, &operator(), past);
    served.assert_refused(client_config(&expired).expect("well formed")).await;
}
