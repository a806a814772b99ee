//! Connections to a builder with hostile callers, before an engine that echoes: T6, T20 and T21 for this service.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use landfast_certs::{Identity, Role};
use landfast_proto::v1::builder_client::BuilderClient;
use landfast_proto::v1::{ControlEnd, OpenRequest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tonic::Code;
use tonic::body::Body;
use tower::util::BoxCloneService;
use tower::{Layer as _, ServiceExt as _};

use super::super::guard::Guard;
use super::super::listen::Peer;
use super::*;
use crate::wire::BuilderServer;

const DEADLINE: Duration = Duration::from_secs(60);
/// First message of a control connection, in gRPC's framing.
const CONTROL: &str = "\0\0\0\0\x02\x12\0";

type Client = BuilderClient<BoxCloneService<http::Request<Body>, http::Response<Body>, Infallible>>;

/// A service before an engine, and what the engine sees.
struct Bench {
    service: BuilderServer<BuilderService>,
    /// Number of open connections to the builder.
    open: watch::Receiver<usize>,
    /// Requests that were not for the builder.
    asked: watch::Receiver<Vec<String>>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn set() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("engine");
        let listener = UnixListener::bind(&socket).expect("bound");
        let (opened, open) = watch::channel(0);
        let (asking, asked) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, opened.clone(), asking.clone()));
            }
        });
        let stop = CancellationToken::new();
        let engine = Engine::new(&format!("unix://{}", socket.display()));
        let service = BuilderServer::new(BuilderService::of(engine, Arc::default(), stop.clone()));
        Self { service, open, asked, stop, _folder: folder }
    }

    /// Returns a client with this role, after the guard. `body` replaces what it would send.
    fn client_with(&self, role: Role, body: Option<&'static str>) -> Client {
        let anna = Identity::operator("home", "anna", role).expect("a good name");
        let guarded = Guard.layer(self.service.clone());
        let service = guarded.map_request(move |mut request: http::Request<Body>| {
            request.extensions_mut().insert(Peer(anna.clone()));
            match body {
                Some(body) => request.map(|_| Body::new(body.to_owned())),
                None => request,
            }
        });
        BuilderClient::new(BoxCloneService::new(service))
    }

    fn client(&self) -> Client {
        self.client_with(Role::Deployer, None)
    }

    /// Opens a connection that works.
    async fn tunnel(&self) -> Tunneled {
        let (to, requests) = mpsc::channel(1);
        to.send(control()).await.expect("there is room");
        let answers = self.client().open(ReceiverStream::new(requests)).await.expect("opened").into_inner();
        let mut tunnel = Tunneled { to, answers };
        tunnel.assert_works().await;
        tunnel
    }

    async fn assert_open(&self, connections: usize) {
        let mut open = self.open.clone();
        in_time(open.wait_for(|open| *open == connections)).await.expect("the engine is there");
    }
}

struct Tunneled {
    to: mpsc::Sender<OpenRequest>,
    answers: Streaming<OpenResponse>,
}

impl Tunneled {
    async fn assert_works(&mut self) {
        self.to.send(data("ping")).await.expect("it is open");
        let answer = in_time(self.answers.message()).await.expect("an answer").expect("not its end");
        assert_eq!(answer.data, "ping");
    }
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("in time")
}

fn control() -> OpenRequest {
    OpenRequest { part: Some(open_request::Part::Control(ControlEnd {})) }
}

fn data(text: &'static str) -> OpenRequest {
    OpenRequest { part: Some(open_request::Part::Data(Bytes::from_static(text.as_bytes()))) }
}

/// Answers as an engine whose builder echoes, and which has no images.
async fn answer(mut connection: UnixStream, opened: watch::Sender<usize>, asking: watch::Sender<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = connection.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default().to_owned();
    if !line.starts_with("POST /grpc ") && !line.starts_with("POST /session ") {
        asking.send_modify(|asked| asked.push(line));
        let gone = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\n\
                    Content-Length: 18\r\n\r\n{\"message\":\"gone\"}";
        connection.write_all(gone.as_bytes()).await.ok();
        return;
    }
    opened.send_modify(|open| *open += 1);
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    if connection.write_all(switched.as_bytes()).await.is_ok() {
        let (mut from, mut to) = connection.split();
        tokio::io::copy(&mut from, &mut to).await.ok();
    }
    drop(connection);
    opened.send_modify(|open| *open -= 1);
}

#[tokio::test]
async fn t06_who_may_only_look_opens_nothing_and_removes_nothing() {
    let bench = Bench::set();
    let mut viewer = bench.client_with(Role::Viewer, None);
    let refused = viewer.open(stream::iter([control(), data("x")])).await.expect_err("he may not");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = viewer.discard(DiscardRequest { image: format!("{FOLDER_IMAGES}1") }).await.expect_err("he may not");
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(*bench.open.borrow() == 0 && bench.asked.borrow().is_empty(), "the engine heard of it");
}

#[tokio::test]
async fn t21_what_begins_with_garbage_opens_nothing() {
    let bench = Bench::set();
    let mut other = bench.tunnel().await;
    for (sent, code) in [
        ("", Code::InvalidArgument),
        ("\x05\0\0\0\x01x", Code::Internal),
        ("\0\0\0\0\x03\x7f\x7f\x7f", Code::Internal),
        ("\0\0\0\0\x09abc", Code::Internal),
        // The message announces 2 GiB. The service does not wait for a byte of it.
        ("\0\x7f\0\0\0", Code::OutOfRange),
        ("\0\0\0\0\x03\x1a\x01x", Code::InvalidArgument),
        ("\0\0\0\0\0", Code::InvalidArgument),
    ] {
        let refused = in_time(bench.client_with(Role::Deployer, Some(sent)).open(stream::pending())).await;
        assert_eq!(refused.expect_err("it is garbage").code(), code, "{sent:?}");
        bench.assert_open(1).await;
        other.assert_works().await;
    }
}

#[tokio::test]
async fn t21_garbage_later_ends_its_own_tunnel_and_no_other() {
    let bench = Bench::set();
    let mut other = bench.tunnel().await;
    for (sent, code) in [
        ("\x05\0\0\0\x01x", Code::Internal),
        ("\0\0\0\0\x03\x7f\x7f\x7f", Code::Internal),
        ("\0\x7f\0\0\0", Code::OutOfRange),
        (CONTROL, Code::InvalidArgument),
        ("\0\0\0\0\0", Code::InvalidArgument),
    ] {
        let sent: &'static str = format!("{CONTROL}{sent}").leak();
        let opened = bench.client_with(Role::Deployer, Some(sent)).open(stream::pending()).await;
        let mut answers = opened.expect("it begins well").into_inner();
        let ended = in_time(answers.message()).await.expect_err("it is garbage");
        assert_eq!(ended.code(), code, "{sent:?}: {ended}");
        bench.assert_open(1).await;
        other.assert_works().await;
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_takes_his_connection_along() {
    let bench = Bench::set();
    let Tunneled { to, answers } = bench.tunnel().await;
    drop(answers);
    bench.assert_open(0).await;
    drop(to);

    // The caller sends without end and reads nothing.
    let endless = stream::once(async { control() }).chain(stream::repeat(data("more of it")));
    let answers = bench.client().open(endless).await.expect("opened");
    bench.assert_open(1).await;
    drop(answers);
    bench.assert_open(0).await;
}

#[tokio::test]
async fn a_caller_that_has_sent_everything_receives_the_rest() {
    let bench = Bench::set();
    let answers = bench.client().open(stream::iter([control(), data("one"), data("two")])).await.expect("opened");
    let heard = in_time(bytes(answers.into_inner())).await.expect("it ends well");
    assert_eq!(heard, "onetwo");
    bench.assert_open(0).await;
}

async fn bytes(mut answers: impl Stream<Item = Result<OpenResponse, Status>> + Unpin) -> Result<String, Status> {
    let mut heard = String::new();
    while let Some(answer) = answers.next().await {
        heard.push_str(&String::from_utf8_lossy(&answer?.data));
    }
    Ok(heard)
}

#[tokio::test]
async fn t20_connections_at_a_time_are_bounded_and_places_come_back() {
    let bench = Bench::set();
    let mut tunnels = Vec::new();
    for _ in 0..CONNECTIONS {
        tunnels.push(bench.tunnel().await);
    }
    let refused = bench.client().open(stream::iter([control()])).await.expect_err("it is full");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    tunnels[0].assert_works().await;
    drop(tunnels);
    bench.assert_open(0).await;
    bench.tunnel().await;
}

#[tokio::test]
async fn an_agent_that_ends_closes_what_is_open() {
    let bench = Bench::set();
    let Tunneled { to: _to, mut answers } = bench.tunnel().await;
    bench.stop.cancel();
    assert_eq!(in_time(answers.message()).await.expect_err("its end").code(), Code::Unavailable);
    bench.assert_open(0).await;
}

#[tokio::test]
async fn only_images_that_stand_for_folders_are_removed() {
    let bench = Bench::set();
    let discard = async |image: &str| bench.client().discard(DiscardRequest { image: image.to_owned() }).await;
    for image in ["redis:7", "landfast-context", "landfast-context:", "landfast-context:a/../b", "x/landfast-context:1"]
    {
        assert_eq!(discard(image).await.expect_err(image).code(), Code::InvalidArgument);
    }
    assert_eq!(*bench.asked.borrow(), [""; 0], "the engine is not asked");
    discard("landfast-context:0123abcd").await.expect("one that is gone is no failure");
    let asked = bench.asked.borrow().join("\n");
    assert!(asked.contains("DELETE ") && asked.contains("/images/landfast-context:0123abcd"), "{asked}");
}
