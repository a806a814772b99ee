//! An agent for tests: the real services over real mTLS, with a map instead of an engine. Assigned instances run at
//! once, except those that a test holds back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt as _};
use landfast_certs::{Credentials, server_config};
use landfast_proto::v1::agent_server::{Agent, AgentServer};
use landfast_proto::v1::blobs_server::{Blobs, BlobsServer};
use landfast_proto::v1::{self, instance_report, push_request, unit_answer};
use landfast_proto::{Contents, UnitKey, join};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::WatchStream;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Request, Response, Status, Streaming};
use tower::util::MapRequestLayer;

/// The state of a test agent, and a record of the calls that it received.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The units that were assigned, joined to one host state.
    pub(crate) held: Option<v1::HostState>,
    pub(crate) units: BTreeMap<UnitKey, Contents>,
    pub(crate) images: Vec<v1::Image>,
    pub(crate) networks: Vec<v1::EngineNetwork>,
    /// Files and other sources at paths of the host. At any other path is a folder.
    pub(crate) sources: BTreeMap<String, v1::ExaminedSource>,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
    /// Instances (`data/postgres.1`) that do not become healthy, or do not start, as long as this set contains them.
    pub(crate) unhealthy: BTreeSet<String>,
    /// Exit codes of containers that exit as soon as they are started, keyed by instance.
    pub(crate) exits: BTreeMap<String, i32>,
    /// All host states that were assigned and differ from the one before, in order.
    pub(crate) assigned: Vec<v1::HostState>,
    /// Records of the history by stack and number.
    pub(crate) releases: BTreeMap<(String, u64), v1::ReleaseRecord>,
    /// Keys of the units that were received, in order.
    pub(crate) received: Vec<UnitKey>,
    /// Whether the agent is older than units.
    pub(crate) is_old: bool,
    /// Claim in force.
    pub(crate) claim: Option<v1::HostClaim>,
    /// Owner of the last assignment.
    pub(crate) owner: String,
    /// Paths of all requests (`/landfast.v1.Agent/Describe`), including methods that a test agent does not have.
    pub(crate) requested: BTreeSet<String>,
    /// Number of calls, keyed by method.
    pub(crate) calls: BTreeMap<&'static str, usize>,
    /// Fingerprints of the images that the registry has, keyed by reference.
    pub(crate) registry: BTreeMap<String, String>,
    /// Processor of the host's engine.
    pub(crate) architecture: String,
    /// Processor of the images that Fetch pulls; `None` means that of the host's engine.
    pub(crate) fetches: Option<String>,
}

/// A running test agent. Dropping it closes its connections.
pub(crate) struct Host {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
    reports: watch::Sender<v1::Report>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Host {
    /// Starts an agent on a free port of a loopback address.
    pub(crate) async fn start(fleet: &str, name: &str, address: Ipv4Addr, credentials: &Credentials) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(Mutex::new(State::default()));
        let (reports, _) = watch::channel(v1::Report::default());
        let service = Service {
            fleet: fleet.to_owned(),
            host: name.to_owned(),
            state: Arc::clone(&state),
            reports: reports.clone(),
        };
        let acceptor = TlsAcceptor::from(server_config(credentials).expect("a server's settings"));
        let incoming = futures::stream::unfold(listener, move |listener| {
            let acceptor = acceptor.clone();
            async move {
                loop {
                    let (tcp, _) = listener.accept().await.ok()?;
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        return Some((Ok::<_, std::io::Error>(stream), listener));
                    }
                }
            }
        });
        let recorded = Arc::clone(&state);
        let record = MapRequestLayer::new(move |request: http::Request<Body>| {
            lock(&recorded).requested.insert(request.uri().path().to_owned());
            request
        });
        let server = tokio::spawn(async move {
            let router = tonic::transport::Server::builder()
                .layer(record)
                .add_service(AgentServer::new(service.clone()))
                .add_service(BlobsServer::new(service));
            router.serve_with_incoming(incoming.map(|stream| stream.map(Tls))).await.expect("the server runs");
        });
        Self { port, state, reports, server }
    }

    /// Reads or changes the state, and notifies watchers.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let seen = look(&mut state);
        self.reports.send_replace(report(&state));
        seen
    }

    /// Adds an image with this reference.
    pub(crate) fn has_image(&self, reference: &str, fingerprint: &str) {
        self.with(|state| {
            state.images.push(v1::Image {
                id: format!("sha256:{fingerprint}"),
                references: vec![reference.to_owned()],
                fingerprint: fingerprint.to_owned(),
                size: 1 << 20,
                ..v1::Image::default()
            });
        });
    }

    /// Adds an image for this processor.
    pub(crate) fn has_image_for(&self, architecture: &str, reference: &str, fingerprint: &str) {
        self.has_image(reference, fingerprint);
        self.with(|state| {
            let image = state.images.last_mut().expect("just added");
            (image.os, image.architecture) = ("linux".to_owned(), architecture.to_owned());
        });
    }

    /// Fingerprints of the images of the assigned instances.
    pub(crate) fn runs(&self) -> Vec<String> {
        let of = |instance: &v1::Instance| instance.container.clone().unwrap_or_default().image_fingerprint;
        self.with(|state| state.held.iter().flat_map(|held| held.instances.iter().map(of)).collect())
    }

    /// Number of calls of a method.
    pub(crate) fn calls(&self, method: &str) -> usize {
        self.with(|state| state.calls.get(method).copied().unwrap_or(0))
    }

    /// Names of the assigned instances.
    pub(crate) fn instances(&self) -> Vec<String> {
        self.with(|state| state.held.iter().flat_map(|held| held.instances.iter().map(name_of)).collect())
    }
}

/// A TLS connection. The test agent does not check the client's identity.
struct Tls(tokio_rustls::server::TlsStream<tokio::net::TcpStream>);

impl tonic::transport::server::Connected for Tls {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl tokio::io::AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl tokio::io::AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[derive(Clone)]
struct Service {
    fleet: String,
    host: String,
    state: Arc<Mutex<State>>,
    reports: watch::Sender<v1::Report>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    fn called(&self, method: &'static str) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        *state.calls.entry(method).or_default() += 1;
        state
    }
}

fn held_epoch(state: &State) -> u64 {
    state.held.as_ref().map_or(0, |held| held.epoch)
}

/// A unit as Describe returns it.
fn kept(contents: &Contents) -> v1::Unit {
    let stamp = v1::Stamp { digest: contents.digest(), ..v1::Stamp::default() };
    let is_fabric = matches!(contents, Contents::Fabric(_));
    v1::Unit { stamp: Some(stamp), if_digest: None, contents: (!is_fabric).then(|| contents.encode()) }
}

/// Takes a unit unless its bundle or one of its secrets is missing.
fn take(state: &mut State, unit: &v1::Unit) -> Result<(), String> {
    let contents = match (unit.contents.as_ref().ok_or("no contents")?, state.units.get(&UnitKey::Fabric)) {
        (v1::unit::Contents::FabricDelta(delta), Some(Contents::Fabric(fabric))) => {
            Contents::Fabric(fabric.changed(delta))
        }
        (contents, _) => Contents::decode(contents).map_err(|problem| problem.to_string())?,
    };
    if let Contents::Stack(stack) = &contents
        && !stack.manifest.is_empty()
        && !state.blobs.contains_key(&stack.manifest)
    {
        return Err(format!("the bundle of {} is not here", stack.stack));
    }
    if let Contents::Stack(stack) = &contents {
        let files = stack.instances.iter().flat_map(|it| &it.container).flat_map(|container| &container.files);
        if let Some(file) = files.into_iter().find(|file| !state.secrets.contains_key(&file.digest)) {
            return Err(format!("the contents of {} are not here", file.target));
        }
    }
    state.received.push(contents.key());
    state.units.insert(contents.key(), contents);
    Ok(())
}

fn answer(taken: Result<(), String>) -> v1::UnitAnswer {
    let verdict = if taken.is_ok() { unit_answer::Verdict::Taken } else { unit_answer::Verdict::Refused };
    v1::UnitAnswer { verdict: verdict.into(), reason: taken.err().unwrap_or_default() }
}

fn name_of(instance: &v1::Instance) -> String {
    format!("{}/{}.{}", instance.stack, instance.service, instance.index)
}

/// The report of the agent: all assigned instances run, except those that the test holds back.
fn report(state: &State) -> v1::Report {
    let Some(held) = &state.held else { return v1::Report { converged: true, ..v1::Report::default() } };
    let instances = held.instances.iter().map(|instance| instance_report(state, instance)).collect();
    let trees = held.trees.iter().map(|tree| v1::TreeReport {
        stack: tree.stack.clone(),
        manifest: tree.manifest.clone(),
        ..v1::TreeReport::default()
    });
    v1::Report {
        epoch: held.epoch,
        generation: held.generation,
        converged: state.unhealthy.is_empty(),
        instances,
        trees: trees.collect(),
        owner: state.owner.clone(),
        ..v1::Report::default()
    }
}

fn instance_report(state: &State, instance: &v1::Instance) -> v1::InstanceReport {
    use instance_report::{Health, State as Container};
    let name = name_of(instance);
    let container = instance.container.clone().unwrap_or_default();
    let exited = state.exits.get(&name);
    let health = match (&container.healthcheck, state.unhealthy.contains(&name)) {
        (None, _) => Health::Unspecified,
        (Some(_), true) => Health::Starting,
        (Some(_), false) => Health::Healthy,
    };
    let running = match (exited, state.unhealthy.contains(&name) && container.healthcheck.is_none()) {
        (Some(_), _) => Container::Exited,
        (None, true) => Container::Created,
        (None, false) => Container::Running,
    };
    let addresses = container.networks.iter().map(|end| (end.network.clone(), end.address.clone()));
    v1::InstanceReport {
        stack: instance.stack.clone(),
        service: instance.service.clone(),
        index: instance.index,
        container_id: format!("{:.12}", blake3::hash(format!("{name}{}", instance.digest).as_bytes()).to_hex()),
        state: running.into(),
        health: if exited.is_some() { 0 } else { health.into() },
        exit_code: exited.copied().unwrap_or(0),
        image: container.image.clone(),
        digest: instance.digest.clone(),
        release: instance.release,
        incarnation: instance.incarnation,
        addresses: addresses.collect(),
        started_at: 1,
        ..v1::InstanceReport::default()
    }
}

type Sent<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Agent for Service {
    type WatchStream = Sent<v1::Report>;
    type LogsStream = Sent<v1::LogsResponse>;

    async fn describe(&self, request: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        let state = self.called("describe");
        let held = state.held.clone();
        Ok(Response::new(v1::DescribeResponse {
            fleet: self.fleet.clone(),
            host: self.host.clone(),
            agent_version: "0.1.0".to_owned(),
            engine: Some(v1::Engine {
                version: "20.10.24".to_owned(),
                image_store: "classic".to_owned(),
                os: "linux".to_owned(),
                architecture: state.architecture.clone(),
                ..v1::Engine::default()
            }),
            epoch: held.as_ref().map_or(0, |held| held.epoch),
            generation: held.as_ref().map_or(0, |held| held.generation),
            held: state.units.values().filter(|_| request.get_ref().with_held).map(kept).collect(),
            features: if state.is_old {
                Vec::new()
            } else {
                ["units", "claims", "ledger", "secrets", "incarnations"].map(str::to_owned).to_vec()
            },
            highest_epoch: held_epoch(&state),
            claim: state.claim.clone(),
            releases: state.releases.values().cloned().collect(),
            report: Some(report(&state)),
            images: state.images.clone(),
            networks: state.networks.clone(),
            volumes: Vec::new(),
            ports: Vec::new(),
            disk_free: 1 << 40,
        }))
    }

    async fn watch(&self, _request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.reports.send_replace(report(&self.called("watch")));
        Ok(Response::new(WatchStream::new(self.reports.subscribe()).map(Ok).boxed()))
    }

    async fn assign(&self, request: Request<v1::AssignRequest>) -> Result<Response<v1::AssignResponse>, Status> {
        let v1::AssignRequest { fleet, host, stamp, units } = request.into_inner();
        let stamp = stamp.ok_or_else(|| Status::invalid_argument("no stamp"))?;
        let mut state = self.called("assign");
        if state.claim.as_ref().is_none_or(|claim| (claim.epoch, &claim.owner) != (stamp.epoch, &stamp.owner)) {
            return Err(Status::failed_precondition(format!("{} has no claim", stamp.owner)));
        }
        let held = state.held.as_ref().map(|held| (held.epoch, held.generation)).unwrap_or_default();
        let offered = (stamp.epoch, stamp.generation);
        if offered != held && (offered.0 < held.0 || offered.1 <= held.1) {
            return Err(Status::failed_precondition(format!("holds {held:?}, and this is {offered:?}")));
        }
        let before = state.units.clone();
        let answers = units.iter().map(|unit| answer(take(&mut state, unit))).collect();
        let frame =
            v1::HostState { fleet, host, epoch: stamp.epoch, generation: stamp.generation, ..v1::HostState::default() };
        let next = join(frame, state.units.values().cloned());
        state.owner = stamp.owner;
        if state.units != before {
            state.assigned.push(next.clone());
        }
        state.held = Some(next);
        self.reports.send_replace(report(&state));
        Ok(Response::new(v1::AssignResponse { answers }))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Result<Response<v1::ClaimResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.called("claim");
        let held = state.claim.clone().filter(|held| ![&request.owner, &request.ended_owner].contains(&&held.owner));
        let granted = held.is_none() && (request.epoch > held_epoch(&state) || state.claim.is_some());
        if granted {
            let (epoch, owner, purpose) = (request.epoch, request.owner, request.purpose);
            state.claim = Some(v1::HostClaim { epoch, owner, purpose, since: 1_800_000_000, remaining: 30_000 });
        }
        Ok(Response::new(v1::ClaimResponse { granted, held }))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Result<Response<v1::ReleaseResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.called("release");
        if state.claim.as_ref().is_some_and(|held| held.owner == request.owner) {
            state.claim = None;
        }
        Ok(Response::new(v1::ReleaseResponse {}))
    }

    /// At every path is a folder, except where the test sets something else.
    async fn record(&self, request: Request<v1::RecordRequest>) -> Result<Response<v1::RecordResponse>, Status> {
        let mut state = self.called("record");
        for record in request.into_inner().records {
            state.releases.insert((record.stack.clone(), record.number), record);
        }
        Ok(Response::new(v1::RecordResponse {}))
    }

    async fn held_fabric(
        &self,
        _request: Request<v1::HeldFabricRequest>,
    ) -> Result<Response<v1::HeldFabricResponse>, Status> {
        let state = self.called("held_fabric");
        let unit = state
            .units
            .get(&UnitKey::Fabric)
            .map(|contents| v1::Unit { contents: Some(contents.encode()), ..kept(contents) });
        Ok(Response::new(v1::HeldFabricResponse { unit }))
    }

    async fn examine(&self, request: Request<v1::ExamineRequest>) -> Result<Response<v1::ExamineResponse>, Status> {
        let state = self.called("examine");
        let folder = || v1::ExaminedSource { kind: 1, problem: String::new() };
        let examine = |source: v1::MountSource| match source.place {
            Some(v1::mount_source::Place::Host(path)) => state.sources.get(&path).cloned().unwrap_or_else(folder),
            _ => folder(),
        };
        let sources = request.into_inner().sources.into_iter().map(examine).collect();
        Ok(Response::new(v1::ExamineResponse { sources }))
    }

    async fn logs(&self, request: Request<v1::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        let request = request.into_inner();
        let line = |time: i64| v1::LogsResponse {
            stream: 1,
            time: time * 1_000_000_000,
            data: format!("{} says \x1b[31m{time}\n", request.service).into(),
        };
        let said = futures::stream::iter([line(1), line(3)]).map(Ok);
        // A client that follows the log waits for further lines, which never arrive.
        Ok(Response::new(if request.follow { said.chain(futures::stream::pending()).boxed() } else { said.boxed() }))
    }
}

#[tonic::async_trait]
impl Blobs for Service {
    type PullStream = Sent<v1::PullResponse>;

    async fn missing(&self, request: Request<v1::MissingRequest>) -> Result<Response<v1::MissingResponse>, Status> {
        let state = self.called("missing");
        let request = request.into_inner();
        let digests = request.digests.into_iter().filter(|digest| !state.blobs.contains_key(digest)).collect();
        let whole = |digest: &String| {
            let manifest = state.blobs.get(digest).and_then(|bytes| v1::Manifest::decode(bytes.as_slice()).ok());
            manifest.is_some_and(|manifest| {
                manifest.entries.iter().all(|entry| match &entry.content {
                    Some(v1::entry::Content::File(file)) => state.blobs.contains_key(&file.digest),
                    _ => true,
                })
            })
        };
        let manifests = request.manifests.into_iter().filter(|digest| !whole(digest)).collect();
        let secrets = request.secrets.into_iter().filter(|digest| !state.secrets.contains_key(digest)).collect();
        Ok(Response::new(v1::MissingResponse { digests, manifests, secrets }))
    }

    async fn push(&self, request: Request<Streaming<v1::PushRequest>>) -> Result<Response<v1::PushResponse>, Status> {
        let mut parts = request.into_inner();
        let mut items: Vec<(v1::item::Kind, Vec<u8>)> = Vec::new();
        while let Some(part) = parts.message().await? {
            match part.part {
                Some(push_request::Part::Item(v1::Item { kind: Some(kind) })) => items.push((kind, Vec::new())),
                Some(push_request::Part::Data(data)) => {
                    items.last_mut().ok_or_else(|| Status::invalid_argument("data first"))?.1.extend_from_slice(&data);
                }
                _ => return Err(Status::invalid_argument("an empty part")),
            }
        }
        let mut state = self.called("push");
        let stored = items.len() as u64;
        for (kind, bytes) in items {
            match kind {
                v1::item::Kind::Blob(blob) => {
                    if blake3::hash(&bytes).to_hex().as_str() != blob.digest || bytes.len() as u64 != blob.size {
                        return Err(Status::data_loss(format!("{} is something else", blob.digest)));
                    }
                    let blobs = if blob.secret { &mut state.secrets } else { &mut state.blobs };
                    blobs.insert(blob.digest, bytes);
                }
                v1::item::Kind::Image(image) => state.images.push(v1::Image {
                    id: String::from_utf8_lossy(&bytes).into_owned(),
                    references: vec![image.reference],
                    fingerprint: image.fingerprint,
                    size: bytes.len() as u64,
                    ..v1::Image::default()
                }),
            }
        }
        Ok(Response::new(v1::PushResponse { stored }))
    }

    async fn pull(&self, request: Request<v1::PullRequest>) -> Result<Response<Self::PullStream>, Status> {
        let state = self.called("pull");
        let data = match request.into_inner().what {
            Some(v1::pull_request::What::Digest(digest)) => state.blobs.get(&digest).cloned(),
            Some(v1::pull_request::What::Secret(digest)) => state.secrets.get(&digest).cloned(),
            Some(v1::pull_request::What::Image(reference)) => {
                let mut all = state.images.iter().filter(|image| image.references.contains(&reference));
                all.next().map(|image| image.id.clone().into_bytes())
            }
            None => None,
        };
        let data = data.ok_or_else(|| Status::not_found("not here"))?;
        Ok(Response::new(futures::stream::iter([Ok(v1::PullResponse { data: data.into() })]).boxed()))
    }

    async fn fetch(&self, request: Request<v1::FetchRequest>) -> Result<Response<v1::FetchResponse>, Status> {
        let mut state = self.called("fetch");
        let reference = request.into_inner().reference;
        let found = state.registry.get(&reference).cloned();
        let fingerprint = found.ok_or_else(|| Status::unavailable(format!("no registry has {reference}")))?;
        let architecture = state.fetches.clone().unwrap_or_else(|| state.architecture.clone());
        state.images.iter_mut().for_each(|image| image.references.retain(|name| *name != reference));
        let image = v1::Image {
            id: format!("sha256:{fingerprint}"),
            references: vec![reference.clone(), format!("{reference}@sha256:{fingerprint}")],
            fingerprint: fingerprint.clone(),
            size: 1,
            os: "linux".to_owned(),
            architecture,
            ..v1::Image::default()
        };
        state.images.push(image.clone());
        Ok(Response::new(v1::FetchResponse { fingerprint, image: Some(image) }))
    }
}
