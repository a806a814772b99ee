//! F21: the program asks the agents of other hosts when it starts. The hosts are addresses of the loopback device, and have no
//! engine.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use hyper_util::rt::TokioIo;
use landfast_certs::{Authority, Credentials, Identity, Role, Validity, client_config, server_name};
use landfast_proto::Contents;
use landfast_proto::v1::agent_client::AgentClient;
use landfast_proto::v1::{
    AssignRequest, ClaimRequest, DescribeRequest, Endpoint, Fabric, HeldFabricRequest, HostBase, Network, Overlay,
    Stamp, Unit, endpoint,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tonic::transport::Channel;

const DEADLINE: Duration = Duration::from_secs(60);

fn at(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 78, host)
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it ends");
    }
}

struct Fleet {
    authority: Authority,
    operator: Credentials,
    folder: tempfile::TempDir,
    port: u16,
    /// Keeps the port from other tests that run at the same time.
    _port: TcpListener,
}

impl Fleet {
    async fn new() -> Self {
        landfast_certs::install_provider();
        let now = SystemTime::now();
        let authority = Authority::create("home", now).expect("created");
        let anna = Identity::operator("home", "anna", Role::Deployer).expect("a good name");
        let operator = authority.issue(&anna, Validity::standard(now)).expect("issued");
        let free = TcpListener::bind((at(200), 0)).await.expect("a port");
        let port = free.local_addr().expect("bound").port();
        Self { authority, operator, folder: tempfile::tempdir().expect("a folder"), port, _port: free }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Issues the identity of a host.
    fn join(&self, host: &str) {
        let identity = Identity::agent("home", host).expect("a good name");
        let credentials = self.authority.issue(&identity, Validity::standard(SystemTime::now())).expect("issued");
        credentials.save(&self.folder().join(host)).expect("saved");
    }

    /// Starts the agent of a host and waits until it answers.
    async fn start(&self, host: &str, number: u8) -> (Running, AgentClient<Channel>) {
        let child = Command::new(env!("CARGO_BIN_EXE_landfast-agent"))
            .args(["run", "--identity", host, "--state", &format!("{host}-state"), "--docker", "unix:///nowhere.sock"])
            .args(["--listen", &format!("{}:{}", at(number), self.port)])
            .current_dir(self.folder())
            .stderr(Stdio::null())
            .spawn();
        let running = Running(child.expect("the program starts"));
        let began = Instant::now();
        loop {
            match self.connect(host, number).await {
                Ok(client) => return (running, client),
                Err(error) => assert!(began.elapsed() < DEADLINE, "{host} does not answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn connect(&self, host: &str, number: u8) -> io::Result<AgentClient<Channel>> {
        let tcp = TcpStream::connect((at(number), self.port)).await?;
        let tls = TlsConnector::from(client_config(&self.operator).map_err(io::Error::other)?);
        let name = server_name("home", host).map_err(io::Error::other)?;
        let mut stream = Some(TokioIo::new(tls.connect(name, tcp).await?));
        let connector = tower::service_fn(move |_| {
            std::future::ready(stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
        });
        let endpoint = tonic::transport::Endpoint::from_static("http://agent.landfast.internal");
        endpoint.connect_with_connector(connector).await.map(AgentClient::new).map_err(io::Error::other)
    }
}

/// A fabric of two hosts. The version is the epoch of an address that beta has.
fn fabric(version: u64) -> Contents {
    let endpoint = |last: u8, host: u8, epoch, holder| Endpoint {
        network: "infra_net".to_owned(),
        address: format!("198.51.100.{last}"),
        host: at(host).to_string(),
        epoch,
        holder: Some(holder),
    };
    let gateway = |number: u8| endpoint(number, number, 0, endpoint::Holder::Gateway(true));
    let db = endpoint(50, 3, version, endpoint::Holder::Instance("demo/db.1".to_owned()));
    Contents::Fabric(Fabric::new(version, [gateway(2), gateway(3), db], []))
}

/// Assigns the networks of a host and a fabric of this version.
async fn assign(client: &mut AgentClient<Channel>, host: &str, number: u8, version: u64) {
    let owner = "anna".to_owned();
    let claim = ClaimRequest { epoch: version, owner: owner.clone(), time_to_live: 30_000, ..ClaimRequest::default() };
    assert!(client.claim(claim).await.expect("answered").into_inner().granted);
    let network = Network {
        name: "infra_net".to_owned(),
        subnet: "198.51.100.0/24".to_owned(),
        gateway: format!("198.51.100.{number}"),
        overlay: Some(Overlay { vni: 9, local: at(number).to_string(), ..Overlay::default() }),
        ..Network::default()
    };
    let stamp = Stamp { epoch: version, owner, generation: 5, digest: String::new() };
    let units = [Contents::Base(HostBase { networks: vec![network] }), fabric(version)].map(|contents| Unit {
        stamp: Some(Stamp { digest: contents.digest(), ..stamp.clone() }),
        if_digest: None,
        contents: Some(contents.encode()),
    });
    let (fleet, host, units) = ("home".to_owned(), host.to_owned(), units.to_vec());
    let answers = client.assign(AssignRequest { fleet, host, stamp: Some(stamp), units }).await.expect("accepted");
    assert!(answers.into_inner().answers.iter().all(|answer| answer.reason.is_empty()));
}

/// Digest of the fabric that a host holds.
async fn held(client: &mut AgentClient<Channel>) -> String {
    let held = client.held_fabric(HeldFabricRequest {}).await.expect("answered").into_inner();
    held.unit.and_then(|unit| unit.stamp).map(|stamp| stamp.digest).unwrap_or_default()
}

#[tokio::test]
async fn f21_an_agent_that_starts_takes_the_newer_fabric_of_another_host() {
    let fleet = Fleet::new().await;
    fleet.join("alpha");
    fleet.join("beta");
    let (running, mut alpha) = fleet.start("alpha", 2).await;
    assign(&mut alpha, "alpha", 2, 1).await;
    drop((running, alpha));
    // Alpha is off while beta learns of a change.
    let (_running, mut beta) = fleet.start("beta", 3).await;
    assign(&mut beta, "beta", 3, 2).await;
    let (_running, mut alpha) = fleet.start("alpha", 2).await;
    let began = Instant::now();
    while held(&mut alpha).await != fabric(2).digest() {
        assert!(began.elapsed() < DEADLINE, "alpha has not learned of the change");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let described = alpha.describe(DescribeRequest::default()).await.expect("answered").into_inner();
    assert_eq!((described.epoch, described.generation), (1, 5), "the last assignment is still that of the coordinator");
    assert_eq!(held(&mut beta).await, fabric(2).digest());
}
