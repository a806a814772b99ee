//! Tests that commands which only show something send no write, neither to an agent nor to the engine of this machine.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::commands::COMPOSE;
use crate::fleet::Fleet;

const STACKS: &str = "\
[stacks.web]
place = { \"*\" = \"alpha\" }
[stacks.new]
place = { \"*\" = \"beta\" }
";

/// A stack whose image must be pulled and built, and whose files must be sent.
const NEW: &str = "services: {pulled: {image: 'pulled:1', volumes: ['./conf:/conf']}, built: {build: .}}\n";

/// Methods that change nothing on a host.
const READS: [&str; 7] = [
    "/landfast.v1.Agent/Describe",
    "/landfast.v1.Agent/Examine",
    "/landfast.v1.Agent/HeldFabric",
    "/landfast.v1.Agent/Logs",
    "/landfast.v1.Agent/Watch",
    "/landfast.v1.Blobs/Missing",
    "/landfast.v1.Blobs/Pull",
];

/// Commands that only show something.
const DRY: [&[&str]; 17] = [
    &["plan"],
    &["plan", "--verbose"],
    &["plan", "--format", "json"],
    &["plan", "--build"],
    &["plan", "--pull", "always"],
    &["plan", "--force-recreate"],
    &["status"],
    &["status", "--format", "json"],
    &["ps"],
    &["logs"],
    &["history"],
    &["history", "--format", "json"],
    &["check"],
    &["config", "--stack", "new"],
    &["env", "ls"],
    &["host", "ls"],
    &["cert", "show"],
];

/// Commands that ask before they change anything. There is no terminal, so they are refused.
const REFUSED: [&[&str]; 5] =
    [&["up", "web"], &["up", "web", "--force-recreate"], &["down", "-v"], &["sync", "web"], &["rollback", "web"]];

/// An engine with a builder and without images. It records the method and path of each request.
struct LocalEngine {
    requests: Arc<Mutex<BTreeSet<String>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl LocalEngine {
    fn start(fleet: &Fleet) -> Self {
        let listener = UnixListener::bind(fleet.path().join("engine.sock")).expect("a socket");
        let requests = Arc::default();
        let recorded = Arc::clone(&requests);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&recorded)));
            }
        });
        Self { requests, server }
    }

    fn requests(&self) -> BTreeSet<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers the requests of one connection. None of them has a body.
async fn answer(stream: UnixStream, requests: Arc<Mutex<BTreeSet<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {
        if !head.ends_with("\r\n\r\n") {
            continue;
        }
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        requests.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("{method} {path}"));
        let (status, body) = match path.ends_with("/version") {
            true => ("200 OK", r#"{"ApiVersion": "1.41"}"#),
            false => ("404 Not Found", r#"{"message": "not here"}"#),
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        head.clear();
    }
}

/// Runs a command with this engine, without a terminal. Returns its exit code and everything it prints.
async fn run(fleet: &Fleet, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfast"));
    command.args(arguments).current_dir(fleet.path()).env_clear().stdin(Stdio::null());
    command.env("DOCKER_HOST", format!("unix://{}", fleet.path().join("engine.sock").display()));
    let output = command.output().await.expect("the command runs");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).expect("text"))
}

/// Forgets the requests so far, and runs a command. It must call only methods that change nothing.
async fn run_without_writes(fleet: &Fleet, engine: &LocalEngine, arguments: &[&str]) -> (Option<i32>, String) {
    fleet.hosts.values().for_each(|host| host.with(|state| state.requested.clear()));
    let ended = run(fleet, arguments).await;
    for (name, host) in &fleet.hosts {
        let requested = host.with(|state| state.requested.clone());
        let writes: Vec<_> = requested.iter().filter(|path| !READS.contains(&path.as_str())).collect();
        assert!(writes.is_empty(), "{arguments:?} calls {writes:?} of {name}");
    }
    let requests = engine.requests();
    let writes: Vec<_> = requests.iter().filter(|request| !request.starts_with("GET ")).collect();
    assert!(writes.is_empty(), "{arguments:?} sends {writes:?} to the engine of this machine");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn f71_a_dry_run_sends_no_write() {
    let fleet = Fleet::start(&["alpha", "beta"], STACKS).await;
    fleet.write("web/compose.yaml", COMPOSE);
    fleet.write("new/compose.yaml", NEW);
    fleet.write("new/conf/new.conf", "new");
    fleet.write("new/Dockerfile", "FROM scratch\n");
    fleet.host("alpha").has_image("app:1", "app1");
    let engine = LocalEngine::start(&fleet);
    // Without anything on the hosts, then with a stack that has two releases and is about to change.
    for round in ["empty", "changed"] {
        if round == "changed" {
            for release in [COMPOSE, &COMPOSE.replace("ports:", "environment: {A: b}\n    ports:")] {
                fleet.write("web/compose.yaml", release);
                let (code, printed) = run(&fleet, &["up", "--yes", "web"]).await;
                assert_eq!(code, Some(0), "{printed}");
            }
            let requested = fleet.host("alpha").with(|state| state.requested.clone());
            assert!(requested.contains("/landfast.v1.Agent/Assign"), "requests are recorded: {requested:?}");
            fleet.write("web/compose.yaml", COMPOSE);
        }
        for arguments in DRY {
            let (code, printed) = run_without_writes(&fleet, &engine, arguments).await;
            let expected: &[i32] = if arguments[0] == "plan" { &[3] } else { &[0, 1] };
            assert!(code.is_some_and(|code| expected.contains(&code)), "{round}, {arguments:?}: {code:?}, {printed}");
        }
    }
    for arguments in REFUSED {
        let (code, printed) = run_without_writes(&fleet, &engine, arguments).await;
        assert!(code == Some(2) && printed.contains("--yes"), "{arguments:?}: {code:?}, {printed}");
    }
    let plan = run(&fleet, &["plan"]).await.1;
    for part in ["recreate       web/app.1 on alpha", "build images: new-built", "`up` pulls it from its registry"] {
        assert!(plan.contains(part), "{part} in {plan}");
    }
    assert!(!plan.contains("no engine can build"), "{plan}");
    let asked = engine.requests();
    assert!(
        asked.iter().any(|request| request.ends_with("/version")),
        "the engine of this machine was asked: {asked:?}"
    );
}
