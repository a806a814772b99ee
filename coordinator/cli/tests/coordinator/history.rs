//! The history of the stacks, which the hosts keep: every folder of the fleet knows it.

use landfast_engine::operation::releases::{Ending, Kind, Release, of_stack};
use landfast_engine::operation::{Operation, Outcome};
use landfast_proto::v1::release_record;

use crate::fleet::{Fleet, eventually};

const TWO: &str = "[stacks.data.place]\napp = \"alpha\"\n[stacks.web.place]\nfront = \"beta\"\n";

fn service(name: &str, tag: &str) -> String {
    format!(
        "services:\n  {name}: {{image: 'app:{tag}', networks: [infra_net], healthcheck: {{test: [CMD, 'true']}}}}\n"
    ) + "networks: {infra_net: {external: true}}\n"
}

/// A fleet with a stack on each of two hosts.
async fn two_stacks() -> Fleet {
    let fleet = Fleet::start(&["alpha", "beta"], TWO).await;
    fleet.write("data/compose.yaml", &service("app", "1"));
    fleet.write("web/compose.yaml", &service("front", "1"));
    for tag in ["1", "2", "3"] {
        fleet.image(&format!("app:{tag}"), &format!("fp-{tag}"));
    }
    fleet
}

/// What the history of a stack says in a folder: numbers, operations and outcomes.
async fn history(fleet: &Fleet, stack: &str) -> Vec<(u64, Kind, Ending)> {
    let engine = fleet.engine();
    let store = engine.folder.store().expect("a store");
    engine.learn_history(&*store).await.expect("a history");
    let all = of_stack(&*store, stack).await.expect("releases");
    all.iter().map(|Release { number, operation, outcome, .. }| (*number, *operation, *outcome)).collect()
}

fn forget(fleet: &Fleet) {
    std::fs::remove_file(fleet.path().join(".landfast/state.redb")).expect("a store");
}

fn rollback() -> Operation {
    Operation::Rollback { stack: "data".to_owned(), release: None }
}

async fn planned(fleet: &Fleet, operation: Operation) -> String {
    let engine = fleet.engine();
    let store = engine.folder.store().expect("a store");
    engine.propose(&*store, operation).await.expect("a plan").plan.to_string()
}

#[tokio::test]
async fn an_empty_clone_of_the_folder_plans_and_rolls_back_as_the_first_one_does() {
    let fleet = two_stacks().await;
    fleet.up().await.expect("done");
    fleet.write("data/compose.yaml", &service("app", "2"));
    fleet.up().await.expect("done");
    fleet.write("data/compose.yaml", &service("app", "3"));
    let known = (history(&fleet, "data").await, fleet.plan().await.expect("a plan"), planned(&fleet, rollback()).await);
    assert_eq!(known.0, [(1, Kind::Up, Ending::Done), (2, Kind::Up, Ending::Done)]);
    forget(&fleet);
    let learned =
        (history(&fleet, "data").await, fleet.plan().await.expect("a plan"), planned(&fleet, rollback()).await);
    assert_eq!(learned, known);
    forget(&fleet);
    assert!(matches!(fleet.carry_out(rollback()).await.expect("done"), Outcome::Done { .. }));
    let image = fleet.host("alpha").with(|state| {
        let held = state.held.as_ref().expect("assigned");
        held.instances[0].container.as_ref().expect("a container").image.clone()
    });
    assert_eq!(image, "app:1");
    assert_eq!(history(&fleet, "data").await.last(), Some(&(3, Kind::Rollback, Ending::Done)));
}

#[tokio::test]
async fn the_history_tells_of_every_run_that_changed_the_stack_with_numbers_of_the_fleet() {
    let fleet = two_stacks().await;
    fleet.up().await.expect("done");
    fleet.write("data/notes.txt", "new");
    fleet.carry_out(Operation::Sync { stacks: vec!["data".to_owned()] }).await.expect("done");
    forget(&fleet);
    let down = Operation::Down { stacks: vec!["data".to_owned()], remove_volumes: false };
    fleet.carry_out(down.clone()).await.expect("done");
    assert_eq!(fleet.carry_out(down).await.expect("nothing to do"), Outcome::Unchanged);
    forget(&fleet);
    fleet.carry_out(rollback()).await.expect("done");
    let told = history(&fleet, "data").await;
    let operations: Vec<_> = told.iter().map(|(number, kind, _)| (*number, *kind)).collect();
    assert_eq!(operations, [(1, Kind::Up), (2, Kind::Sync), (3, Kind::Down), (4, Kind::Rollback)]);
    assert!(told.iter().all(|(_, _, outcome)| *outcome == Ending::Done));
    let other = history(&fleet, "web").await;
    assert_eq!(other, [(1, Kind::Up, Ending::Done)], "{other:?}");
}

#[tokio::test]
async fn a_stack_that_fails_does_not_stop_another_one() {
    let fleet = two_stacks().await;
    fleet.up().await.expect("done");
    fleet.host("alpha").with(|state| state.exits.insert("data/app.1".to_owned(), 1));
    fleet.write("data/compose.yaml", &service("app", "2"));
    fleet.write("web/compose.yaml", &service("front", "2"));
    let error = fleet.up().await.expect_err("a failure");
    assert!(error.to_string().contains("data/app.1"), "{error}");
    assert_eq!(history(&fleet, "data").await.last(), Some(&(2, Kind::Up, Ending::Failed)));
    assert_eq!(history(&fleet, "web").await.last(), Some(&(2, Kind::Up, Ending::Done)));
}

#[tokio::test]
async fn a_host_that_missed_the_end_of_a_run_does_not_hide_it() {
    let fleet = two_stacks().await;
    fleet.write("data/compose.yaml", &service("app", "1").replace("'app:1'", "'app:1', scale: 2"));
    std::fs::write(
        fleet.path().join("landfast.toml"),
        std::fs::read_to_string(fleet.path().join("landfast.toml")).expect("a file").replace("app = \"alpha\"", ""),
    )
    .expect("a file");
    fleet.up().await.expect("done");
    fleet.host("alpha").with(|state| {
        for record in state.releases.values_mut() {
            record.set_outcome(release_record::Outcome::Running);
        }
    });
    forget(&fleet);
    assert_eq!(history(&fleet, "data").await, [(1, Kind::Up, Ending::Done)]);
}

/// Runs `up` until alpha has been assigned this image, and drops it then.
async fn kill_up(fleet: &Fleet, image: &str) {
    let is_assigned = || {
        fleet.host("alpha").with(|state| {
            let instances = state.held.iter().flat_map(|held| &held.instances);
            instances.filter_map(|instance| instance.container.as_ref()).any(|container| container.image == image)
        })
    };
    tokio::select! {
        outcome = fleet.up() => panic!("it does not end: {outcome:?}"),
        () = eventually("the image is assigned", is_assigned) => {}
    }
    fleet.until_store_is_closed().await;
}

#[tokio::test]
async fn a_run_that_was_killed_is_recorded_as_running_until_the_next_one() {
    let fleet = two_stacks().await;
    fleet.up().await.expect("done");
    // A container that is never healthy holds the run up until it is killed.
    fleet.host("alpha").with(|state| state.unhealthy.insert("data/app.1".to_owned()));
    fleet.write("data/compose.yaml", &service("app", "2"));
    kill_up(&fleet, "app:2").await;
    assert_eq!(history(&fleet, "data").await.last(), Some(&(2, Kind::Up, Ending::Running)));
    // The same aim is continued under the same number, and another one replaces it.
    fleet.host("alpha").with(|state| state.unhealthy.clear());
    fleet.up().await.expect("done");
    let told = history(&fleet, "data").await;
    assert_eq!(told, [(1, Kind::Up, Ending::Done), (2, Kind::Up, Ending::Done)]);
    fleet.host("alpha").with(|state| state.unhealthy.insert("data/app.1".to_owned()));
    fleet.write("data/compose.yaml", &service("app", "3"));
    kill_up(&fleet, "app:3").await;
    fleet.host("alpha").with(|state| state.unhealthy.clear());
    // The claims of the killed run have ended, and its store is lost.
    fleet.hosts.values().for_each(|host| host.with(|state| state.claim = None));
    forget(&fleet);
    fleet.write("data/compose.yaml", &service("app", "1"));
    fleet.up().await.expect("done");
    let told = history(&fleet, "data").await;
    assert_eq!(told[2..], [(3, Kind::Up, Ending::Failed), (4, Kind::Up, Ending::Done)]);
}
