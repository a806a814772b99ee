//! Agents that ask each other, over real sockets and mutual TLS. Each host has an address of its own on the loopback device.

use std::path::Path;
use std::time::SystemTime;

use landfast_agent_core::desired::Desired;
use landfast_agent_core::elsewhere::Elsewhere;
use landfast_agent_core::observed::{Health, State};
use landfast_agent_core::plan::Seen;
use landfast_certs::{Authority, Identity, Role, Validity, server_config};
use landfast_proto::v1::agent_client::AgentClient;
use landfast_proto::v1::blobs_client::BlobsClient;
use landfast_proto::v1::builder_client::BuilderClient;
use landfast_proto::v1::{DiscardRequest, WatchRequest};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response};

use super::*;
use crate::api::{self, Context};
use crate::blobs::BlobStore;
use crate::docker::Engine;
use crate::releases::History;
use crate::secrets::Secrets;
use crate::tree::Trees;
use crate::wire::{
    AssignRequest, Attachment, Container, Contents, DescribeRequest, Endpoint, Fabric, HealthResponse,
    HeldFabricRequest, HostBase, Instance, InstanceReport, MissingRequest, Network, NewerFabricResponse, Overlay, Peer,
    PeerServer, Report, StackState, Unit, UnitKey, WireStamp, endpoint, instance_report,
};

/// Time limit for what should happen at once, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Limits for hosts that answer.
const PATIENT: Limits = Limits { answer: Duration::from_secs(30), all: DEADLINE };
/// Limits for hosts that do not answer.
const SHORT: Limits = Limits { answer: Duration::from_millis(100), all: DEADLINE };

/// An authority, and a port that the agents of all hosts listen on.
struct Fleet {
    authority: Authority,
    port: u16,
    /// Keeps the port from other tests that run at the same time.
    _port: TcpListener,
}

/// Address of a host on the loopback device.
fn at(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 77, host)
}

impl Fleet {
    async fn of(name: &str) -> Self {
        landfast_certs::install_provider();
        let authority = Authority::create(name, SystemTime::now()).expect("created");
        // Only these tests use these addresses, so a port that is free at this one is free at all.
        let free = TcpListener::bind((at(200), 0)).await.expect("a port");
        Self { authority, port: free.local_addr().expect("bound").port(), _port: free }
    }

    fn credentials(&self, identity: &Identity) -> Credentials {
        self.authority.issue(identity, Validity::standard(SystemTime::now())).expect("issued")
    }

    fn agent(&self, host: &str) -> Credentials {
        self.credentials(&Identity::agent(self.authority.fleet(), host).expect("a good name"))
    }

    async fn listener(&self, host: u8) -> TcpListener {
        TcpListener::bind((at(host), self.port)).await.expect("the port is free")
    }

    /// Starts the agent of a host.
    async fn host(&self, name: &str, number: u8, version: u64) -> Host {
        let host = Host::new(self, name, number, version);
        let (listener, credentials) = (self.listener(number).await, self.agent(name));
        let context = host.context(self.authority.fleet());
        tokio::spawn(async move { api::serve(listener, &credentials, context).await.expect("it serves") });
        host
    }

    /// Serves the service of an agent that gives fixed answers.
    async fn fake(&self, name: &str, number: u8, answer: Fake) {
        let acceptor = TlsAcceptor::from(server_config(&self.agent(name)).expect("good credentials"));
        let (listener, (sender, incoming)) = (self.listener(number).await, mpsc::channel::<std::io::Result<_>>(8));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(mut tls) = acceptor.accept(tcp).await {
                        let (mut near, far) = tokio::io::duplex(64 * 1024);
                        drop(sender.send(Ok(far)).await);
                        drop(tokio::io::copy_bidirectional(&mut tls, &mut near).await);
                    }
                });
            }
        });
        let server = tonic::transport::Server::builder().add_service(PeerServer::new(answer));
        tokio::spawn(server.serve_with_incoming(ReceiverStream::new(incoming)));
    }

    /// Connects to a host with any credentials.
    async fn channel(&self, host: u8, credentials: &Credentials) -> Channel {
        let tls = peer_config(credentials).expect("good credentials");
        connection::connect(at(host), self.port, tls).await.expect("connected").0
    }
}

struct Fake(Result<NewerFabricResponse, Status>);

#[tonic::async_trait]
impl Peer for Fake {
    async fn newer_fabric(&self, _: Request<NewerFabricRequest>) -> Result<Response<NewerFabricResponse>, Status> {
        self.0.clone().map(Response::new)
    }
    async fn health(&self, _: Request<HealthRequest>) -> Result<Response<HealthResponse>, Status> {
        Err(self.0.clone().expect_err("the fake only answers about the fabric"))
    }
}

/// A host with an agent.
struct Host {
    holder: Arc<Holder>,
    peers: Peers,
    reports: watch::Sender<Option<Arc<Report>>>,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Host {
    /// A host that does not serve, with a fabric of this version. Version 0 is none.
    fn new(fleet: &Fleet, name: &str, number: u8, version: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let holder = open(folder.path(), fleet.authority.fleet(), name);
        if version > 0 {
            assert!(holder.learn(&fabric(version)).expect("valid"));
        }
        let peers = Peers::new(&fleet.agent(name), fleet.port, holder.clone()).expect("good credentials");
        let peers = Peers { limits: PATIENT, ..peers };
        assert_ne!(number, 0);
        Self { holder, peers, reports: watch::Sender::new(None), stop: CancellationToken::new(), folder }
    }

    fn context(&self, fleet: &str) -> Context {
        let blobs = BlobStore::open(self.folder.path()).expect("opened");
        Context {
            fleet: fleet.to_owned(),
            host: self.peers.host.clone(),
            state_dir: self.folder.path().to_owned(),
            engine: Engine::new("unix:///nowhere.sock"),
            images: Arc::default(),
            holder: self.holder.clone(),
            history: Arc::new(History::open(self.folder.path()).expect("opened")),
            trees: Arc::new(Trees::open(self.folder.path(), blobs.clone()).expect("opened")),
            blobs,
            secrets: Secrets::open(self.folder.path()).expect("opened"),
            about: watch::Sender::new(Err(String::new())).subscribe(),
            reports: self.reports.subscribe(),
            stop: self.stop.clone(),
        }
    }

    /// Assigns a unit to the host, as a coordinator does.
    fn assign(&self, contents: Contents) {
        let (fleet, host, unit) = ("home".to_owned(), self.peers.host.clone(), unit(&contents));
        let request = AssignRequest { fleet, host, stamp: unit.stamp.clone(), units: vec![unit] };
        let answers = self.holder.assign(&request, |_| true).expect("accepted");
        assert_eq!(answers[0].reason, "");
    }

    /// Asks these hosts for a newer fabric, and returns how many answered and which version is held then.
    async fn catch_up(&self, hosts: &[u8]) -> (usize, Option<u64>) {
        let hosts = hosts.iter().map(|host| at(*host)).collect();
        let answered = in_time(self.peers.catch_up(Question { hosts, enough: 8 })).await;
        (answered, self.holder.fabric().map(|(version, _)| version))
    }

    async fn health(&self, host: u8, names: &[InstanceName]) -> Answer {
        in_time(self.peers.health(at(host), names)).await
    }
}

fn open(folder: &Path, fleet: &str, host: &str) -> Arc<Holder> {
    Arc::new(Holder::open(folder, fleet, host).expect("opened"))
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("in time")
}

/// A fabric of this version, in which `demo/db.1` has its address at host 3 with the same number as epoch.
fn fabric(version: u64) -> Unit {
    let endpoint = Endpoint {
        network: "infra_net".to_owned(),
        address: "172.19.0.50".to_owned(),
        host: at(3).to_string(),
        epoch: version,
        holder: Some(endpoint::Holder::Instance("demo/db.1".to_owned())),
    };
    let contents = Contents::Fabric(Fabric::new(version, [endpoint], []));
    unit(&contents)
}

fn unit(contents: &Contents) -> Unit {
    let stamp = WireStamp { epoch: 7, owner: "anna".to_owned(), generation: 4, digest: contents.digest() };
    Unit { stamp: Some(stamp), if_digest: None, contents: Some(contents.encode()) }
}

fn name(service: &str) -> InstanceName {
    InstanceName::new("demo", service, 1)
}

#[tokio::test]
async fn f21_a_host_that_has_missed_changes_takes_the_newest_fabric_of_the_others() {
    let fleet = Fleet::of("home").await;
    let alpha = Host::new(&fleet, "alpha", 2, 7);
    let _beta = fleet.host("beta", 3, 9).await;
    let _gamma = fleet.host("gamma", 4, 8).await;
    assert_eq!(alpha.catch_up(&[3, 4]).await, (2, Some(9)));
    // It is the unit that beta holds, with the run that made it, and it is kept.
    let kept = open(alpha.folder.path(), "home", "alpha");
    assert_eq!(kept.current().units[&UnitKey::Fabric].encode(), {
        let mut unit = fabric(9);
        unit.stamp.as_mut().expect("there").generation = 0;
        unit
    });
    assert_eq!(alpha.catch_up(&[3, 4]).await, (2, Some(9)), "the same and an older one are answers too");
}

#[tokio::test]
async fn f21_what_was_learned_is_what_the_host_must_be_from_then_on() {
    let fleet = Fleet::of("home").await;
    let alpha = Host::new(&fleet, "alpha", 2, 7);
    let overlay = Overlay { vni: 9, local: at(2).to_string(), ..Overlay::default() };
    let network = Network {
        name: "infra_net".to_owned(),
        subnet: "172.19.0.0/16".to_owned(),
        gateway: "172.19.255.1".to_owned(),
        overlay: Some(overlay),
        ..Network::default()
    };
    alpha.assign(Contents::Base(HostBase { networks: vec![network] }));
    let end = Attachment {
        network: "infra_net".to_owned(),
        address: "172.19.0.50".to_owned(),
        epoch: 8,
        ..Attachment::default()
    };
    alpha.assign(stack_of_db(Container { networks: vec![end], ..Container::default() }, false));
    let moved = |desired: &Desired| {
        let assigned = &desired.instances[desired.main(&name("db")).expect("assigned")].addresses;
        desired.elsewhere.moved(assigned).map(|moved| moved.to_string())
    };
    assert_eq!(moved(&alpha.holder.current().desired), None);
    let _beta = fleet.host("beta", 3, 9).await;
    let mut held = alpha.holder.subscribe();
    held.mark_unchanged();
    alpha.catch_up(&[3]).await;
    assert!(held.has_changed().expect("open"), "the loop learns of it");
    let desired = held.borrow_and_update().desired.clone();
    let neighbours = &desired.networks["infra_net"].overlay.as_ref().expect("there").neighbours;
    assert_eq!(neighbours.values().map(|it| it.host).collect::<Vec<_>>(), [at(3)]);
    let Elsewhere { own, hosts, .. } = &desired.elsewhere;
    assert_eq!((*own, hosts.clone()), (Some(at(2)), [at(3)].into()));
    let expected = "172.19.0.50 on infra_net has moved to the host 127.0.77.3 (epoch 9)";
    assert_eq!(moved(&desired).as_deref(), Some(expected));
}

#[tokio::test]
async fn a_host_without_a_fabric_takes_one_and_one_without_it_has_an_answer() {
    let fleet = Fleet::of("home").await;
    let alpha = fleet.host("alpha", 2, 0).await;
    let beta = fleet.host("beta", 3, 9).await;
    assert_eq!(beta.catch_up(&[2]).await, (1, Some(9)));
    assert_eq!(alpha.catch_up(&[3]).await, (1, Some(9)));
}

#[tokio::test]
async fn hosts_that_are_off_or_stall_or_are_this_host_or_answer_twice_are_no_answers() {
    let fleet = Fleet::of("home").await;
    let mut alpha = fleet.host("alpha", 2, 7).await;
    let _stalls = fleet.listener(5).await;
    assert_eq!(alpha.catch_up(&[2, 6]).await, (0, Some(7)));
    alpha.peers.limits = SHORT;
    assert_eq!(alpha.catch_up(&[5]).await, (0, Some(7)));
    assert_eq!(alpha.health(5, &[name("db")]).await, Answer::Silent);
    alpha.peers.limits = PATIENT;
    let (beta, again) = (fleet.listener(3).await, fleet.listener(4).await);
    for listener in [beta, again] {
        let (credentials, host) = (fleet.agent("beta"), Host::new(&fleet, "beta", 3, 7));
        let context = host.context("home");
        tokio::spawn(async move { api::serve(listener, &credentials, context).await.map(|()| drop(host)) });
    }
    assert_eq!(alpha.catch_up(&[3, 4]).await, (1, Some(7)), "one host counts once");
}

#[tokio::test]
async fn no_further_host_is_asked_when_enough_have_answered() {
    let fleet = Fleet::of("home").await;
    let alpha = Host::new(&fleet, "alpha", 2, 7);
    let _beta = fleet.host("beta", 3, 7).await;
    let _stalls = fleet.listener(5).await;
    let question = Question { hosts: vec![at(5), at(3)], enough: 1 };
    let begun = Instant::now();
    assert_eq!(in_time(alpha.peers.catch_up(question)).await, 1);
    assert!(begun.elapsed() < PATIENT.answer, "it does not wait for the host that stalls");
}

#[tokio::test]
async fn all_answers_together_have_a_limit() {
    let fleet = Fleet::of("home").await;
    let mut alpha = Host::new(&fleet, "alpha", 2, 7);
    let _stalls = fleet.listener(5).await;
    alpha.peers.limits = Limits { all: SHORT.answer, ..PATIENT };
    let begun = Instant::now();
    assert_eq!(alpha.catch_up(&[5]).await, (0, Some(7)));
    assert!(begun.elapsed() < PATIENT.answer);
}

#[test]
fn instances_wait_longer_than_the_answers_may_take() {
    assert!(LIMITS.answer < LIMITS.all);
    assert!(LIMITS.all < Duration::from_millis(landfast_agent_core::peers::PATIENCE));
}

#[tokio::test]
async fn an_agent_that_does_not_know_the_service_is_no_answer() {
    let fleet = Fleet::of("home").await;
    let alpha = Host::new(&fleet, "alpha", 2, 7);
    fleet.fake("old", 3, Fake(Err(Status::unimplemented("")))).await;
    fleet.fake("older", 4, Fake(Err(Status::permission_denied("")))).await;
    fleet.fake("broken", 5, Fake(Err(Status::internal("")))).await;
    assert_eq!(alpha.catch_up(&[3, 4, 5]).await, (0, Some(7)));
    let answers = [alpha.health(3, &[name("db")]).await, alpha.health(4, &[name("db")]).await];
    assert_eq!(answers, [Answer::Unsaid, Answer::Unsaid]);
    assert_eq!(alpha.health(5, &[name("db")]).await, Answer::Silent);
}

#[tokio::test]
async fn t51_a_fabric_that_does_not_match_its_digest_is_no_answer() {
    let fleet = Fleet::of("home").await;
    let alpha = Host::new(&fleet, "alpha", 2, 7);
    let mut forged = fabric(9);
    forged.contents = fabric(10).contents;
    fleet.fake("beta", 3, Fake(Ok(NewerFabricResponse { fabric: Some(forged) }))).await;
    assert_eq!(alpha.catch_up(&[3]).await, (0, Some(7)));
}

#[tokio::test]
async fn t01_agents_of_another_fleet_neither_ask_nor_answer() {
    let (home, mut away) = (Fleet::of("home").await, Fleet::of("away").await);
    away.port = home.port;
    let beta = home.host("beta", 3, 9).await;
    let _stranger = away.host("beta", 4, 9).await;
    let alpha = Host::new(&home, "alpha", 2, 7);
    assert_eq!(alpha.catch_up(&[4]).await, (0, Some(7)));
    let spy = Host::new(&away, "alpha", 2, 7);
    assert_eq!(spy.catch_up(&[3]).await, (0, Some(7)));
    assert_eq!(spy.health(3, &[name("db")]).await, Answer::Silent);
    assert_eq!(beta.holder.fabric().map(|(version, _)| version), Some(9));
}

#[tokio::test]
async fn t06_operators_may_not_ask_what_agents_ask_and_agents_nothing_else() {
    let fleet = Fleet::of("home").await;
    let _beta = fleet.host("beta", 3, 9).await;
    let denied = |status: Status| assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    let operators = [Role::Viewer, Role::Deployer, Role::Admin].map(|role| Identity::operator("home", "anna", role));
    for identity in operators.into_iter().chain([Identity::coordinator("home", "main")]) {
        let mut client = PeerClient::new(fleet.channel(3, &fleet.credentials(&identity.expect("a good name"))).await);
        denied(client.newer_fabric(NewerFabricRequest::default()).await.expect_err("refused"));
        denied(client.health(HealthRequest::default()).await.expect_err("refused"));
    }
    let channel = fleet.channel(3, &fleet.agent("alpha")).await;
    let (mut agent, mut blobs) = (AgentClient::new(channel.clone()), BlobsClient::new(channel.clone()));
    denied(agent.describe(DescribeRequest::default()).await.expect_err("refused"));
    denied(agent.held_fabric(HeldFabricRequest {}).await.expect_err("refused"));
    denied(agent.watch(WatchRequest {}).await.expect_err("refused"));
    denied(blobs.missing(MissingRequest::default()).await.expect_err("refused"));
    denied(BuilderClient::new(channel.clone()).discard(DiscardRequest::default()).await.expect_err("refused"));
    assert!(PeerClient::new(channel).newer_fabric(NewerFabricRequest::default()).await.is_ok());
}

fn instance(service: &str, unmanaged: bool) -> InstanceReport {
    InstanceReport {
        stack: "demo".to_owned(),
        service: service.to_owned(),
        index: 1,
        state: instance_report::State::Running.into(),
        health: instance_report::Health::Starting.into(),
        output: "a secret".to_owned(),
        unmanaged,
        ..InstanceReport::default()
    }
}

/// A stack with `db`, which has this container.
fn stack_of_db(container: Container, stopped: bool) -> Contents {
    let container = Container { name: "demo-db-1".to_owned(), image: "db".to_owned(), ..container };
    let instance = Instance {
        stack: "demo".to_owned(),
        service: "db".to_owned(),
        index: 1,
        digest: "d".to_owned(),
        container: Some(container),
        stopped,
        ..Instance::default()
    };
    Contents::Stack(StackState { stack: "demo".to_owned(), instances: vec![instance], ..StackState::default() })
}

#[tokio::test]
async fn the_health_of_instances_is_known_of_those_that_the_host_manages() {
    let fleet = Fleet::of("home").await;
    let alpha = Host::new(&fleet, "alpha", 2, 7);
    let beta = fleet.host("beta", 3, 9).await;
    let names = [name("db"), name("lost"), name("other")];
    assert_eq!(alpha.health(3, &names).await, Answer::Silent, "it has not observed its host yet");
    let report = Report { instances: vec![instance("db", false), instance("lost", true)], ..Report::default() };
    beta.reports.send_replace(Some(Arc::new(report.clone())));
    let seen = Seen { state: State::Running, health: Health::Starting, exit_code: 0 };
    assert_eq!(alpha.health(3, &names).await, Answer::Known([(name("db"), seen)].into()));
    beta.reports.send_replace(Some(Arc::new(Report { engine_lost: true, ..report.clone() })));
    assert_eq!(alpha.health(3, &names).await, Answer::Silent);
    // Nobody waits for an instance that is kept stopped.
    beta.reports.send_replace(Some(Arc::new(report)));
    beta.assign(stack_of_db(Container::default(), true));
    assert_eq!(alpha.health(3, &names).await, Answer::Known([].into()));
}

#[tokio::test]
async fn a_question_about_health_is_limited() {
    let fleet = Fleet::of("home").await;
    let beta = fleet.host("beta", 3, 9).await;
    beta.reports.send_replace(Some(Arc::default()));
    let mut client = PeerClient::new(fleet.channel(3, &fleet.agent("alpha")).await);
    let mut ask = async |instances: Vec<String>| {
        let answer = client.health(HealthRequest { instances }).await;
        answer.map(|answer| answer.into_inner().instances.len()).map_err(|status| status.code())
    };
    assert_eq!(ask(vec!["demo/db.1".to_owned(); 256]).await, Ok(256));
    assert_eq!(ask(vec!["demo/db.1".to_owned(); 257]).await, Err(Code::InvalidArgument));
    assert_eq!(ask(vec!["demo".to_owned()]).await, Err(Code::InvalidArgument));
}
