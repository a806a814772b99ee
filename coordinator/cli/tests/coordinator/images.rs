//! Tests of the images that are deployed, and of the pull policies.

use crate::fleet::Fleet;
use landfast::output::words;
use landfast_core::pull::Policy;
use landfast_engine::EngineError;
use landfast_engine::Hint as _;
use landfast_engine::operation::{Operation, Outcome, Proposal, Up};

const STACK: &str = "[stacks.app]\npath = \"app\"\n[stacks.app.place]\n\"*\" = \"alpha\"\n";

/// A fleet where alpha is amd64, beta is arm64, and the service runs on alpha.
async fn fleet(key: &str) -> Fleet {
    let fleet = Fleet::start(&["alpha", "beta"], STACK).await;
    for (host, architecture) in [("alpha", "amd64"), ("beta", "arm64")] {
        fleet.host(host).with(|state| state.architecture = architecture.to_owned());
    }
    fleet.write("app/compose.yaml", &compose("app:1", key));
    fleet
}

fn compose(image: &str, key: &str) -> String {
    format!("services:\n  web:\n    image: {image}\n    {key}\n")
}

fn registry_has(fleet: &Fleet, host: &str, reference: &str, fingerprint: &str) {
    fleet.host(host).with(|state| state.registry.insert(reference.to_owned(), fingerprint.to_owned()));
}

async fn plan(fleet: &Fleet, up: Up) -> Result<Proposal, EngineError> {
    fleet.propose(up).await
}

fn done(outcome: Result<Outcome, EngineError>) {
    assert!(matches!(outcome, Ok(Outcome::Done { .. })), "{outcome:?}");
}

fn at(seconds: i64) -> Up {
    Up { now: jiff::Timestamp::from_second(seconds).expect("a time"), ..Up::default() }
}

#[tokio::test]
async fn an_image_for_another_processor_is_refused_and_containers_keep_running() {
    let fleet = fleet("").await;
    let alpha = fleet.host("alpha");
    alpha.has_image_for("amd64", "app:1", "amd");
    done(fleet.up().await);
    alpha.with(|state| state.images.clear());
    alpha.has_image_for("arm64", "app:1", "arm");
    for refusal in [plan(&fleet, Up::default()).await.err(), fleet.up().await.err()] {
        let text = refusal.expect("a refusal").to_string();
        for part in
            ["compose.yaml:3:5: app:1 is for linux/arm64, and alpha is linux/amd64", "place the service on beta"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert_eq!((alpha.runs(), alpha.calls("assign"), alpha.calls("fetch")), (vec!["amd".to_owned()], 1, 0));
}

#[tokio::test]
async fn a_pulled_image_for_another_processor_is_refused_before_any_container_stops() {
    let fleet = fleet("").await;
    let alpha = fleet.host("alpha");
    alpha.has_image_for("amd64", "app:1", "amd");
    done(fleet.up().await);
    fleet.write("app/compose.yaml", &compose("app:2", ""));
    registry_has(&fleet, "alpha", "app:2", "arm");
    alpha.with(|state| state.fetches = Some("arm64".to_owned()));
    let warnings = plan(&fleet, Up::default()).await.expect("it is not known yet").plan.warnings;
    assert_eq!(warnings, ["image app:2 is not on any host or on this machine: `up` pulls it from its registry"]);
    let text = fleet.up().await.expect_err("a refusal").to_string();
    assert!(text.contains("app:2 is for linux/arm64, and alpha is linux/amd64"), "{text}");
    assert_eq!((alpha.runs(), alpha.calls("assign"), alpha.calls("fetch")), (vec!["amd".to_owned()], 1, 1));
}

#[tokio::test]
async fn a_fleet_of_two_processors_pulls_an_image_for_each() {
    let fleet = fleet("deploy: {mode: global}").await;
    let toml = std::fs::read_to_string(fleet.path().join("landfast.toml")).expect("a file");
    fleet.write("landfast.toml", toml.split("[stacks.app.place]").next().expect("a part"));
    registry_has(&fleet, "alpha", "app:1", "amd");
    let text = fleet.up().await.expect_err("beta's registry is out of reach").to_string();
    assert!(text.contains("image app:1 cannot be pulled on beta"), "{text}");
    assert_eq!(fleet.host("alpha").calls("assign"), 0);
    registry_has(&fleet, "beta", "app:1", "arm");
    let warnings = plan(&fleet, Up::default()).await.expect("a plan").plan.warnings;
    assert_eq!(warnings[0], "image app:1 is not available for beta: `up` pulls it from its registry");
    done(fleet.up().await);
    assert_eq!(
        (fleet.host("alpha").runs(), fleet.host("beta").runs()),
        (vec!["amd".to_owned()], vec!["arm".to_owned()])
    );
    assert_eq!(fleet.up().await.expect("no error"), Outcome::Unchanged, "each keeps its own");
}

#[tokio::test]
async fn always_pulls_in_every_up_and_in_no_plan() {
    let fleet = fleet("pull_policy: always").await;
    let alpha = fleet.host("alpha");
    alpha.has_image_for("amd64", "app:1", "old");
    registry_has(&fleet, "alpha", "app:1", "old");
    done(fleet.up().await);
    registry_has(&fleet, "alpha", "app:1", "new");
    let proposal = plan(&fleet, Up::default()).await.expect("a plan");
    let pulls = proposal.pulls.iter().map(words::planned_pull).collect::<Vec<_>>();
    assert_eq!(pulls, ["app:1 (pull_policy of app/web: always)"]);
    assert!(proposal.plan.is_empty() && proposal.plan.warnings.is_empty(), "{}", proposal.plan);
    assert_eq!(alpha.calls("fetch"), 1, "by `up` alone");
    done(fleet.up().await);
    assert_eq!(alpha.runs(), ["new"]);
    assert_eq!(fleet.up().await.expect("no error"), Outcome::Unchanged);
    assert_eq!(alpha.calls("fetch"), 3);

    alpha.with(|state| state.registry.clear());
    let error = fleet.up().await.expect_err("the registry is gone");
    let text = error.to_string();
    assert!(
        text.contains("image app:1 cannot be pulled; no host was changed\n  image app:1 cannot be pulled on alpha"),
        "{text}"
    );
    assert!(error.hint().expect("a hint").contains("--pull missing"));
    assert_eq!(alpha.runs(), ["new"]);
    let missing = Up { pull: Some(Policy::Missing), ..Up::default() };
    assert_eq!(fleet.up_as(missing).await.expect("no error"), Outcome::Unchanged);
}

#[tokio::test]
async fn a_pulled_image_is_not_replaced_by_an_older_one_of_another_host() {
    let fleet = fleet("pull_policy: always").await;
    fleet.host("alpha").has_image_for("amd64", "app:1", "old");
    fleet.host("beta").has_image_for("amd64", "app:1", "old");
    registry_has(&fleet, "alpha", "app:1", "arm");
    fleet.host("alpha").with(|state| state.fetches = Some("arm64".to_owned()));
    let text = fleet.up().await.expect_err("a refusal").to_string();
    assert!(text.contains("app:1 is for linux/arm64, and alpha is linux/amd64"), "{text}");
}

#[tokio::test]
async fn a_changed_tag_is_reported_with_both_ids() {
    let fleet = fleet("").await;
    let alpha = fleet.host("alpha");
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    alpha.has_image_for("amd64", "app:1", &old);
    done(fleet.up().await);
    registry_has(&fleet, "alpha", "app:1", &new);
    let engine = fleet.engine();
    let store = engine.folder.store().expect("a store");
    let up = Up { pull: Some(Policy::Always), ..Up::default() };
    let plan = engine.propose(&*store, Operation::Up(up)).await.expect("a plan").plan;
    assert_eq!(plan.steps[0].reasons, ["image app:1 changes from sha256:aaaaaaaaaaaa to sha256:bbbbbbbbbbbb"]);
}

#[tokio::test]
async fn an_image_that_can_be_built_need_not_be_in_a_registry() {
    let fleet = fleet("pull_policy: always").await;
    fleet.write("app/compose.yaml", &compose("app:1", "pull_policy: always\n    build: ."));
    fleet.write("app/Dockerfile", "FROM scratch\n");
    fleet.host("alpha").has_image_for("amd64", "app:1", "built");
    done(fleet.up().await);
    let printed = fleet.events.all();
    assert!(
        printed.contains("warning: image app:1 could not be pulled") && printed.contains("no registry has app:1"),
        "{printed}"
    );
    assert_eq!(fleet.host("alpha").runs(), ["built"]);
}

#[tokio::test]
async fn daily_pulls_once_a_day() {
    let day = 24 * 3600;
    let fleet = fleet("pull_policy: daily").await;
    let alpha = fleet.host("alpha");
    alpha.has_image_for("amd64", "app:1", "old");
    registry_has(&fleet, "alpha", "app:1", "old");
    for (now, pulls) in [(1000, 1), (1000 + day - 1, 1), (1000 + day, 2), (1001 + day, 2)] {
        let planned = plan(&fleet, at(now)).await.expect("a plan").pulls.len();
        let before = alpha.calls("fetch");
        fleet.up_as(at(now)).await.expect("no error");
        assert_eq!((alpha.calls("fetch"), before + planned), (pulls, pulls), "at {now}");
    }
}

#[tokio::test]
async fn never_uses_existing_images_and_pulls_nothing() {
    let fleet = fleet("pull_policy: never").await;
    fleet.write("app/compose.yaml", &compose("lan:5000/app:1", "pull_policy: never"));
    let (alpha, beta) = (fleet.host("alpha"), fleet.host("beta"));
    registry_has(&fleet, "alpha", "lan:5000/app:1", "amd");
    for refusal in [plan(&fleet, Up::default()).await.err(), fleet.up().await.err()] {
        let text = refusal.expect("a refusal").to_string();
        for part in [
            "compose.yaml:4:5: the image lan:5000/app:1 was not found on any host or on this machine",
            "alpha, beta and this",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    beta.has_image_for("amd64", "lan:5000/app:1", "amd");
    done(fleet.up().await);
    assert_eq!((alpha.runs(), alpha.calls("fetch"), beta.calls("fetch")), (vec!["amd".to_owned()], 0, 0));
    assert_eq!(beta.calls("pull"), 1, "it came from beta");
}
