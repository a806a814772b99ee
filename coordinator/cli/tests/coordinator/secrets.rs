//! Contents of secrets and configs reach the hosts whose instances use them, and nothing else contains them.

use landfast_engine::operation::{Operation, Outcome};
use landfast_engine::{EngineError, Hint as _};
use prost::Message as _;

use crate::fleet::Fleet;

const TWO: &str = "[stacks.data.place]\napp = \"alpha\"\nother = \"beta\"\n";

/// A stack with a secret that only `app` uses, in which `other` uses nothing.
fn stack(token: &str) -> [(&'static str, String); 2] {
    let yaml = "services:\n  app: {image: 'app:1', networks: [infra_net], secrets: [token]}\n  \
                other: {image: 'app:1', networks: [infra_net]}\n\
                networks: {infra_net: {external: true}}\nsecrets: {token: {environment: TOKEN}}\n";
    [("data/compose.yaml", yaml.to_owned()), ("data/.env", format!("TOKEN={token}\n"))]
}

fn write(fleet: &Fleet, token: &str) {
    stack(token).into_iter().for_each(|(path, text)| fleet.write(path, &text));
}

async fn fleet() -> Fleet {
    let fleet = Fleet::start(&["alpha", "beta"], TWO).await;
    fleet.image("app:1", "fp-1");
    write(&fleet, "canary-1");
    fleet
}

fn secrets(fleet: &Fleet, host: &str) -> Vec<String> {
    fleet.host(host).with(|state| {
        let blobs = state.secrets.values().map(|blob| String::from_utf8_lossy(blob).into_owned());
        blobs.map(|blob| blob[64..].to_owned()).collect()
    })
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_secret_is_on_the_hosts_that_use_it_and_in_no_state_journal_or_release() {
    let fleet = fleet().await;
    fleet.up().await.expect("done");
    assert_eq!(secrets(&fleet, "alpha"), ["canary-1"]);
    assert!(secrets(&fleet, "beta").is_empty());
    for host in ["alpha", "beta"] {
        fleet.host(host).with(|state| {
            let held = state.held.as_ref().expect("assigned").encode_to_vec();
            assert!(contains(&held, "data") && !contains(&held, "canary"), "{host}");
            let deployments = state.releases.values().map(|record| &state.blobs[&record.deployment]);
            deployments.for_each(|body| assert!(contains(body, "app:1") && !contains(body, "canary"), "{host}"));
        });
    }
    let store = std::fs::read(fleet.path().join(".landfast/state.redb")).expect("a store");
    assert!(contains(&store, "app:1") && !contains(&store, "canary"));
    assert!(!fleet.plan().await.expect("a plan").contains("canary"));
    assert_eq!(fleet.up().await.expect("nothing to do"), Outcome::Unchanged);
}

#[tokio::test]
async fn a_rollback_finds_the_contents_on_another_host() {
    let fleet = fleet().await;
    fleet.up().await.expect("done");
    write(&fleet, "canary-2");
    fleet.up().await.expect("done");
    std::fs::remove_file(fleet.path().join(".landfast/state.redb")).expect("a store");
    // The first release keeps its secret on both hosts of the stack, although only one uses it.
    let moved = fleet.host("alpha").with(|state| std::mem::take(&mut state.secrets));
    fleet.host("beta").with(|state| state.secrets = moved);
    let rollback = Operation::Rollback { stack: "data".to_owned(), release: Some(1) };
    fleet.carry_out(rollback).await.expect("done");
    assert_eq!(secrets(&fleet, "alpha"), ["canary-1"]);
}

#[tokio::test]
async fn a_secret_that_no_host_has_any_more_is_an_error_before_anything_changes() {
    let fleet = fleet().await;
    fleet.up().await.expect("done");
    write(&fleet, "canary-2");
    fleet.up().await.expect("done");
    fleet.host("alpha").with(|state| state.secrets.clear());
    let before = fleet.host("alpha").with(|state| state.assigned.len());
    let rollback = Operation::Rollback { stack: "data".to_owned(), release: Some(1) };
    let error = fleet.carry_out(rollback).await.expect_err("gone");
    assert!(matches!(error, EngineError::SecretGone { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("/run/secrets/token of data/app.1") && error.hint().is_some(), "{text}");
    assert_eq!(fleet.host("alpha").with(|state| state.assigned.len()), before);
    // The stack itself is deployed with the contents from its files.
    fleet.write("data/notes.txt", "a change");
    fleet.up_as(landfast_engine::operation::Up { force_recreate: true, ..Default::default() }).await.expect("done");
    assert_eq!(secrets(&fleet, "alpha"), ["canary-2"]);
}

#[tokio::test]
async fn a_secret_that_another_stack_has_lost_does_not_stop_a_run() {
    let fleet = Fleet::start(&["alpha"], "[stacks.data]\n[stacks.web]\n").await;
    fleet.image("app:1", "fp-1");
    write(&fleet, "canary-1");
    let web = |setting: &str| format!("services: {{front: {{image: 'app:1', command: [{setting}]}}}}\n");
    fleet.write("web/compose.yaml", &web("a"));
    fleet.up().await.expect("done");
    fleet.host("alpha").with(|state| state.secrets.clear());
    fleet.write("web/compose.yaml", &web("b"));
    let up = |stack: &str| landfast_engine::operation::Up { stacks: vec![stack.to_owned()], ..Default::default() };
    assert!(matches!(fleet.up_as(up("web")).await.expect("done"), Outcome::Done { .. }));
    // The next run of the stack itself sends it again.
    fleet.write("data/notes.txt", "a change");
    fleet.up_as(up("data")).await.expect("done");
    assert_eq!(secrets(&fleet, "alpha"), ["canary-1"]);
}
