//! Tests of `up`, `down`, `sync` and `rollback` with a fleet of test agents.

use std::collections::BTreeSet;

use crate::fleet::{Fleet, eventually};
use landfast::output::words;
use landfast_engine::EngineError;
use landfast_engine::Hint as _;
use landfast_engine::operation::{Operation, Outcome, Up};
use landfast_proto::{UnitKey, v1};
use tokio_util::sync::CancellationToken;

const STACK: &str = "[stacks.data]\npath = \"data\"\n\n[stacks.data.place]\npostgres = \"alpha\"\napp = \"beta\"\n";

const COMPOSE: &str = "\
services:
  postgres:
    image: postgres:16
    volumes:
      - pgdata:/var/lib/postgresql/data
    healthcheck:
      test: [CMD, pg_isready]
      interval: 1s
    networks:
      infra_net:
        ipv4_address: 172.19.0.20
  app:
    image: app:1
    depends_on:
      postgres:
        condition: service_healthy
    volumes:
      - ./app.conf:/etc/app.conf:ro
    networks: [infra_net]
volumes:
  pgdata:
networks:
  infra_net:
    external: true
";

async fn data() -> Fleet {
    let fleet = Fleet::start(&["alpha", "beta"], STACK).await;
    fleet.write("data/compose.yaml", COMPOSE);
    fleet.write("data/app.conf", "port = 1\n");
    fleet.image("postgres:16", "pg16");
    fleet.image("app:1", "app1");
    fleet
}

fn done(outcome: Result<Outcome, EngineError>) -> usize {
    match outcome {
        Ok(Outcome::Done { steps, .. }) => steps,
        other => panic!("not done: {other:?}"),
    }
}

#[tokio::test]
async fn up_puts_every_instance_on_its_host_at_its_address() {
    let fleet = data().await;
    done(fleet.up().await);
    assert_eq!(fleet.host("alpha").instances(), ["data/postgres.1"]);
    assert_eq!(fleet.host("beta").instances(), ["data/app.1"]);
    let address = fleet.host("alpha").with(|state| {
        let held = state.held.clone().expect("assigned");
        held.instances[0].container.as_ref().expect("a container").networks[0].address.clone()
    });
    assert_eq!(address, "172.19.0.20");
}

#[tokio::test]
async fn a_service_waits_until_its_dependency_on_another_host_is_healthy() {
    let fleet = data().await;
    fleet.host("alpha").with(|state| state.unhealthy.insert("data/postgres.1".to_owned()));
    let (outcome, ()) = tokio::join!(fleet.up(), async {
        eventually("postgres is assigned", || !fleet.host("alpha").instances().is_empty()).await;
        assert_eq!(fleet.host("beta").instances(), [""; 0]);
        fleet.host("alpha").with(|state| state.unhealthy.clear());
    });
    done(outcome);
    assert_eq!(fleet.host("beta").instances(), ["data/app.1"]);
}

#[tokio::test]
async fn a_second_up_changes_nothing_and_asks_each_host_once() {
    let fleet = data().await;
    done(fleet.up().await);
    let calls = |host: &str| fleet.host(host).with(|state| std::mem::take(&mut state.calls));
    calls("alpha");
    assert_eq!(fleet.up().await.expect("no error"), Outcome::Unchanged);
    assert_eq!(calls("alpha"), [("describe", 1)].into());
}

#[tokio::test]
async fn an_edited_file_recreates_only_the_instance_that_mounts_it() {
    let fleet = data().await;
    done(fleet.up().await);
    let digests = || {
        ["alpha", "beta"].map(|host| {
            fleet.host(host).with(|state| state.held.clone().expect("assigned").instances[0].digest.clone())
        })
    };
    let before = digests();
    fleet.write("data/app.conf", "port = 2\n");
    let plan = fleet.plan().await.expect("a plan");
    assert!(plan.contains("data/app.1") && plan.contains("app.conf"), "{plan}");
    assert!(!plan.contains("recreate data/postgres.1"), "{plan}");
    done(fleet.up().await);
    let after = digests();
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert_eq!(fleet.up().await.expect("no error"), Outcome::Unchanged);
}

#[tokio::test]
async fn only_blobs_that_a_host_lacks_are_sent() {
    let fleet = data().await;
    fleet.write("data/large", &"x".repeat(3 << 20));
    done(fleet.up().await);
    let blobs = fleet.host("beta").with(|state| state.blobs.len());
    fleet.write("data/app.conf", "port = 2\n");
    done(fleet.up().await);
    assert_eq!(
        fleet.host("beta").with(|state| state.blobs.len()),
        blobs + 3,
        "the file, the manifest and the deployment"
    );
    let large = blake3::hash("x".repeat(3 << 20).as_bytes()).to_hex().to_string();
    assert_eq!(fleet.host("beta").with(|state| state.blobs[&large].len()), 3 << 20);
}

#[tokio::test]
async fn f48_a_missing_image_is_reported_before_any_change() {
    let fleet = data().await;
    fleet.write("data/compose.yaml", &COMPOSE.replace("app:1", "app:9"));
    let error = fleet.up().await.expect_err("a refusal");
    let text = error.to_string();
    assert!(text.contains("app:9") && text.contains("alpha") && text.contains("no host was changed"), "{text}");
    assert!(error.hint().is_some());
    assert!(fleet.hosts.values().all(|host| host.with(|state| state.assigned.is_empty() && state.blobs.is_empty())));
}

#[tokio::test]
async fn an_image_is_transferred_between_hosts() {
    let fleet = data().await;
    fleet.write("data/compose.yaml", &COMPOSE.replace("app:1", "app:2"));
    fleet.host("alpha").has_image("app:2", "app2");
    done(fleet.up().await);
    let archive = fleet
        .host("beta")
        .with(|state| state.images.iter().find(|image| image.fingerprint == "app2").map(|image| image.id.clone()));
    assert_eq!(archive.as_deref(), Some("sha256:app2"), "what alpha handed out");
}

#[tokio::test]
async fn an_image_that_only_a_registry_has_is_pulled() {
    let fleet = data().await;
    fleet.write("data/compose.yaml", &COMPOSE.replace("app:1", "app:3"));
    for host in fleet.hosts.values() {
        host.with(|state| state.registry.insert("app:3".to_owned(), "app3".to_owned()));
    }
    done(fleet.up().await);
    assert_eq!(fleet.host("beta").instances(), ["data/app.1"]);
}

#[tokio::test]
async fn f46_an_instance_that_does_not_start_stops_the_rollout() {
    let fleet = data().await;
    done(fleet.up().await);
    let before = fleet.host("beta").with(|state| state.held.clone());
    fleet.host("alpha").with(|state| state.exits.insert("data/postgres.1".to_owned(), 1));
    let compose = COMPOSE.replace("interval: 1s", "interval: 2s").replace("/etc/app.conf", "/etc/other.conf");
    fleet.write("data/compose.yaml", &compose);
    let error = fleet.up().await.expect_err("a failure");
    let text = error.to_string();
    assert!(text.contains("data/postgres.1") && text.contains("state of each step"), "{text}");
    let instances = |state: Option<v1::HostState>| state.map(|state| state.instances);
    assert_eq!(instances(fleet.host("beta").with(|state| state.held.clone())), instances(before));
}

#[tokio::test]
async fn f07_a_killed_coordinator_resumes_without_updating_a_host_twice() {
    let fleet = data().await;
    fleet.host("alpha").with(|state| state.unhealthy.insert("data/postgres.1".to_owned()));
    tokio::select! {
        outcome = fleet.up() => panic!("it cannot end: {outcome:?}"),
        () = eventually("postgres is assigned", || !fleet.host("alpha").instances().is_empty()) => {}
    }
    fleet.until_store_is_closed().await;
    let assigned = fleet.host("alpha").with(|state| state.assigned.len());
    fleet.host("alpha").with(|state| state.unhealthy.clear());
    done(fleet.up().await);
    assert!(fleet.events.all().contains("resuming release 1 of data"), "{}", fleet.events.all());
    assert_eq!(fleet.host("alpha").with(|state| state.assigned.len()), assigned);
    assert_eq!(fleet.host("beta").instances(), ["data/app.1"]);
}

#[tokio::test]
async fn an_outdated_plan_is_refused() {
    let fleet = data().await;
    done(fleet.up().await);
    fleet.write("data/app.conf", "port = 2\n");
    let engine = fleet.engine();
    let store = engine.folder.store().expect("a store");
    let proposal = engine.propose(&*store, Operation::Up(Up::default())).await.expect("a plan");
    fleet.host("beta").with(|state| {
        let held = state.held.as_mut().expect("assigned");
        held.generation += 5;
    });
    let error = engine.carry_out(&*store, proposal, CancellationToken::new()).await.expect_err("a refusal");
    assert!(matches!(&error, EngineError::FleetChanged { host, .. } if host == "beta"), "{error}");
}

#[tokio::test]
async fn down_keeps_volumes_and_down_with_volumes_deletes_them() {
    let fleet = data().await;
    done(fleet.up().await);
    let engine = fleet.engine();
    let store = engine.folder.store().expect("a store");
    let down = |remove_volumes| Operation::Down { stacks: Vec::new(), remove_volumes };
    let plan = engine.propose(&*store, down(true)).await.expect("a plan").plan.to_string();
    assert!(plan.contains("remove volume") && plan.contains("data_pgdata"), "{plan}");
    let plan = engine.propose(&*store, down(false)).await.expect("a plan").plan.to_string();
    assert!(!plan.contains("remove volume"), "{plan}");
    drop(store);
    done(fleet.down(false).await);
    assert_eq!(fleet.host("alpha").instances(), [""; 0]);
    assert_eq!(fleet.down(false).await.expect("no error"), Outcome::Unchanged);
}

#[tokio::test]
async fn rollback_restores_files_and_instances_of_the_previous_release() {
    let fleet = data().await;
    done(fleet.up().await);
    let held = |host: &str| fleet.host(host).with(|state| state.held.clone().expect("assigned"));
    let (first, first_tree) = (held("beta").instances[0].digest.clone(), held("beta").trees[0].manifest.clone());
    fleet.write("data/app.conf", "port = 2\n");
    done(fleet.up().await);
    assert_ne!(held("beta").trees[0].manifest, first_tree);
    done(fleet.carry_out(Operation::Rollback { stack: "data".to_owned(), release: None }).await);
    let store = fleet.engine().folder.store().expect("a store");
    assert_eq!((held("beta").instances[0].digest.clone(), held("beta").trees[0].manifest.clone()), (first, first_tree));
    let releases = landfast_engine::operation::releases::of_stack(&*store, "data").await.expect("releases");
    assert_eq!(releases.iter().map(|release| release.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn sync_updates_files_and_changes_no_instance() {
    let fleet = data().await;
    done(fleet.up().await);
    fleet.write("data/app.conf", "port = 2\n");
    let before = fleet.host("beta").with(|state| state.held.clone().expect("assigned"));
    done(fleet.carry_out(Operation::Sync { stacks: Vec::new() }).await);
    let after = fleet.host("beta").with(|state| state.held.clone().expect("assigned"));
    assert_eq!(before.instances, after.instances);
    assert_ne!(before.trees, after.trees);
    let plan = fleet.plan().await.expect("a plan");
    assert!(plan.contains("data/app.1"), "what mounts the file is still to be made again: {plan}");
}

#[tokio::test]
async fn an_unreachable_host_is_shown_in_status_and_stops_what_changes_it() {
    let mut fleet = data().await;
    done(fleet.up().await);
    fleet.hosts.remove("beta");
    assert_eq!(fleet.up().await.expect("nothing to do"), Outcome::Unchanged);
    let error = fleet.down(false).await.expect_err("a refusal");
    assert!(error.to_string().contains("remove data/app.1 on beta"), "{error}");
    let (status, _) = fleet.engine().status().await.expect("a status");
    let states = status.hosts.iter().map(|host| (host.name.as_str(), host.state)).collect::<Vec<_>>();
    assert_eq!(states, [("alpha", "ready"), ("beta", "unreachable")]);
    assert_eq!(status.hosts[1].problems.len(), 1);
}

#[tokio::test]
async fn force_recreate_recreates_every_instance_once() {
    let fleet = data().await;
    done(fleet.up().await);
    let digest = || fleet.host("beta").with(|state| state.held.clone().expect("assigned").instances[0].digest.clone());
    let before = digest();
    done(fleet.up_as(Up { force_recreate: true, ..Up::default() }).await);
    assert_ne!(digest(), before);
    assert_eq!(fleet.up().await.expect("no error"), Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_small_files_are_sent() {
    let fleet = data().await;
    for number in 0..3000 {
        fleet.write(&format!("data/files/{number:04}"), &format!("contents of {number}"));
    }
    done(fleet.up().await);
    assert!(fleet.host("beta").with(|state| state.blobs.len()) > 3000);
}

#[tokio::test]
async fn warnings_of_a_plan_have_paths_relative_to_the_fleets_folder() {
    let fleet = data().await;
    fleet.write("data/compose.yaml", "services:\n  app:\n    image: app:1\n    isolation: default\n");
    let engine = fleet.engine();
    let store = engine.folder.store().expect("a store");
    let planned = engine.propose(&*store, Operation::Up(Up::default())).await.expect("a plan");
    let begins = |warning: &String| warning.starts_with("data/compose.yaml:4:5: no effect");
    assert!(planned.plan.warnings.iter().any(begins), "{:?}", planned.plan.warnings);
}

#[tokio::test]
async fn without_a_builder_plan_warns_and_up_fails_before_any_change() {
    let fleet = data().await;
    fleet.write("data/compose.yaml", "services:\n  app:\n    build: ./app\n");
    fleet.write("data/app/Dockerfile", "FROM redis:7\n");
    let planned = fleet.propose(Up::default()).await.expect("a plan");
    let builds = planned.builds.iter().map(words::planned_build).collect::<Vec<_>>();
    assert_eq!(builds, ["data-app from ./app (1 file, 13 B)"]);
    assert!(planned.plan.warnings.iter().any(|line| line.contains("no engine can build images")), "{:?}", planned.plan);
    let error = fleet.up().await.expect_err("no builder").to_string();
    assert!(error.contains("data-app cannot be built"), "{error}");

    fleet.write(
        "data/compose.yaml",
        "services:\n  app:\n    build: ./nowhere\n  other: {image: 'redis:7', network_mode: 'service:app'}\n",
    );
    let error = fleet.up().await.expect_err("two mistakes").to_string();
    assert!(error.contains("compose.yaml:3:") && error.contains("nowhere: no such file or folder"), "{error}");
    for host in ["alpha", "beta"] {
        fleet.host(host).with(|state| assert!(state.assigned.is_empty()));
    }
}

#[tokio::test]
async fn f53_an_agent_that_does_not_know_units_is_refused_with_the_command_that_updates_it() {
    let fleet = data().await;
    fleet.host("beta").with(|state| state.is_old = true);
    let error = fleet.up().await.expect_err("a refusal");
    assert_eq!(error.to_string(), "beta: the agent (version 0.1.0) is older than this landfast requires");
    assert!(error.hint().expect("a hint").contains("landfast host add beta --upgrade"));
    assert!(fleet.hosts.values().all(|host| host.with(|state| state.assigned.is_empty())));
}

#[tokio::test]
async fn a_host_is_sent_only_the_units_that_change() {
    let fleet = data().await;
    done(fleet.up().await);
    fleet.host("beta").with(|state| state.received.clear());
    fleet.write("data/app.conf", "port = 2\n");
    done(fleet.up().await);
    let received = fleet.host("beta").with(|state| state.received.iter().cloned().collect::<BTreeSet<_>>());
    assert_eq!(received, BTreeSet::from([UnitKey::Stack("data".to_owned())]));
}

#[tokio::test]
async fn a_run_is_told_who_changes_the_fleet_and_changes_nothing() {
    let fleet = data().await;
    let claim = v1::HostClaim {
        epoch: 1,
        owner: "bob@ci, process 7".to_owned(),
        purpose: "up web".to_owned(),
        since: 1_800_000_000,
        remaining: 12_000,
    };
    fleet.host("beta").with(|state| state.claim = Some(claim.clone()));
    let error = fleet.up().await.expect_err("a refusal");
    let expected = "beta: bob@ci, process 7 changes the fleet (`landfast up web`, since 2027-01-15T08:00:00Z); the claim ends \
                    in 12 s unless it is renewed";
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().expect("a hint").contains("--wait"));
    assert!(fleet.hosts.values().all(|host| host.with(|state| state.assigned.is_empty())));
    assert_eq!(fleet.host("alpha").with(|state| state.claim.clone()), None, "the claim on alpha was given back");
    fleet.host("beta").with(|state| state.claim = None);
    done(fleet.up().await);
    assert!(fleet.hosts.values().all(|host| host.with(|state| state.claim.is_none())), "claims end with the run");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_waits_for_the_other_run_when_it_is_asked_to() {
    let fleet = data().await;
    let claim = v1::HostClaim { owner: "bob@ci, process 7".to_owned(), remaining: 9_000, ..v1::HostClaim::default() };
    fleet.host("alpha").with(|state| state.claim = Some(claim));
    let up = fleet.landfast(&["up", "--yes", "--wait", "2m"]);
    let released = async {
        eventually("the claim is refused", || fleet.host("alpha").calls("claim") > 0).await;
        fleet.host("alpha").with(|state| state.claim = None);
    };
    let (output, ()) = tokio::join!(up, released);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("waiting: alpha: bob@ci, process 7"), "{output:?}");
    assert_eq!(fleet.host("beta").instances(), ["data/app.1"]);
}

#[tokio::test]
async fn f59_up_goes_on_without_a_host_that_it_does_not_change() {
    let mut fleet = Fleet::start(&["alpha", "beta", "gamma"], STACK).await;
    fleet.image("postgres:16", "pg16");
    fleet.image("app:1", "app1");
    fleet.write("data/compose.yaml", COMPOSE);
    fleet.write("data/app.conf", "port = 1\n");
    done(fleet.up().await);
    drop(fleet.hosts.remove("gamma"));
    fleet.write("data/app.conf", "port = 2\n");
    let plan = fleet.plan().await.expect("a plan");
    assert!(plan.contains("nothing of a host that is away changes: host gamma"), "{plan}");
    done(fleet.up().await);

    let digest = fleet.host("beta").with(|state| state.held.clone().expect("assigned").instances[0].digest.clone());
    drop(fleet.hosts.remove("beta"));
    fleet.write("data/app.conf", "port = 3\n");
    let error = fleet.up().await.expect_err("a refusal");
    let text = error.to_string();
    assert!(
        text.starts_with("the plan changes beta: sync data on beta, recreate data/app.1 on beta; nothing"),
        "{text}"
    );
    assert!(!digest.is_empty() && error.hint().expect("a hint").contains("start these hosts"));

    let other_store = fleet.path().join(".landfast");
    for entry in std::fs::read_dir(&other_store).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let error = fleet.up().await.expect_err("a refusal without the store too");
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn f59_an_empty_clone_of_the_folder_goes_on_without_a_host_that_it_does_not_change() {
    let stacks = "[stacks.both.place]\na = \"alpha\"\nb = \"gamma\"\n[stacks.one]\n[stacks.new]\n";
    let mut fleet = Fleet::start(&["alpha", "beta", "gamma"], stacks).await;
    let service = |name: &str, command: &str| {
        format!("services:\n  {name}: {{image: 'app:1', command: [{command}], networks: [infra_net]}}\n")
    };
    let net = "networks: {infra_net: {external: true}}\n";
    let b = "  b: {image: 'base:1', networks: [infra_net]}\n";
    fleet.image("base:1", "base1");
    fleet.image("app:1", "app1");
    fleet.write("both/compose.yaml", &format!("{}{b}{net}", service("a", "x")));
    fleet.write("one/compose.yaml", &format!("{}{net}", service("c", "x")));
    fleet.write("new/compose.yaml", &format!("{}{net}", service("d", "x")));
    let up = |stack: &str| Up { stacks: vec![stack.to_owned()], ..Up::default() };
    done(fleet.up_as(up("both")).await);
    done(fleet.up_as(up("one")).await);
    drop(fleet.hosts.remove("gamma"));
    fleet.hosts.values().for_each(|host| host.with(|state| state.images.clear()));
    fleet.image("base:1", "base1");
    fleet.image("app:1", "app2");
    fleet.write("one/compose.yaml", &format!("{}{net}", service("c", "y")));
    let planned = fleet.propose(up("both")).await.expect("a plan").plan.to_string();
    std::fs::remove_file(fleet.path().join(".landfast/state.redb")).expect("a store");
    assert_eq!(fleet.propose(up("both")).await.expect("a plan").plan.to_string(), planned);
    done(fleet.up_as(up("both")).await);
    done(fleet.up_as(up("one")).await);
    let error = fleet.up_as(up("new")).await.expect_err("it may run on gamma");
    let text = error.to_string();
    assert!(text.starts_with("new may run on gamma: no host that answers has a record of it"), "{text}");
    assert!(error.hint().expect("a hint").contains("--without HOST"));
    let mut engine = fleet.engine();
    engine.options.without = ["gamma".to_owned()].into();
    let store = engine.folder.store().expect("a store");
    engine.propose(&*store, Operation::Up(up("new"))).await.expect("a plan");
    drop(store);
    // What would change gamma is refused, as with a store that remembers it.
    fleet.write(
        "both/compose.yaml",
        &format!("{}{b}{net}", service("a", "x")).replace("  b: {", "  b: {command: [z], "),
    );
    let error = fleet.up_as(up("both")).await.expect_err("a refusal");
    assert!(
        error.to_string().starts_with("the plan changes gamma: sync both on gamma, recreate both/b.1 on gamma"),
        "{error}"
    );
}
