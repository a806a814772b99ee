//! Containers that are recreated although their declarations have not changed, and networks that two stacks share.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::bundle::{Content, Entry, Manifest};
use landfast_core::deployment::InstanceName;
use landfast_core::desired::{DesiredInput, desired};
use landfast_core::report::{ContainerState, Health, InstanceReport, Problem, Report};
use test_fleet::{NET, TestFleet};

const HERE: &str = "[stacks.app]\nplace = { \"*\" = \"alpha\" }\n[stacks.other]\nplace = { \"*\" = \"alpha\" }\n";
const WEB: &str = "services: {web: {image: w, networks: [infra_net], volumes: ['./conf:/conf']}}\n";

/// The running instance `app/web.1`, as its host reports it.
fn running() -> (TestFleet, InstanceReport) {
    let mut test_fleet = TestFleet::new(HERE).file("conf/web.conf", "two");
    test_fleet.up("app", &format!("{WEB}{NET}"));
    let name = InstanceName::new("app", "web", 1);
    let held = test_fleet.held["alpha"].instance(&name).unwrap();
    let seen = InstanceReport {
        name,
        digest: held.digest.clone(),
        incarnation: held.incarnation,
        state: ContainerState::Running,
        addresses: BTreeMap::from([("infra_net".to_owned(), "172.19.128.1".to_owned())]),
        ..InstanceReport::default()
    };
    (test_fleet, seen)
}

/// The plan when a host reports this instance and these problems.
fn plan(mut test_fleet: TestFleet, seen: InstanceReport, problems: Vec<Problem>) -> String {
    let trees = test_fleet.held["alpha"].trees.iter().map(|tree| landfast_core::report::TreeReport {
        stack: tree.stack.clone(),
        manifest: tree.manifest.clone(),
        ..Default::default()
    });
    let report =
        Report { instances: vec![seen], trees: trees.collect(), problems, converged: true, ..Report::default() };
    test_fleet.reports.insert("alpha".to_owned(), report);
    test_fleet.propose("app", &format!("{WEB}{NET}")).plan.to_string()
}

fn manifest(text: &str) -> Manifest {
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    let content = Content::File { digest, size: text.len() as u64 };
    Manifest { entries: [("conf/web.conf".to_owned(), Entry { mode: 0o644, content })].into() }
}

#[test]
fn an_instance_as_declared_is_left_alone() {
    let (test_fleet, seen) = running();
    assert!(plan(test_fleet, seen, Vec::new()).starts_with("Nothing to do"));
}

#[test]
fn a_container_that_was_disconnected_from_its_network_is_recreated() {
    let (test_fleet, seen) = running();
    let seen = InstanceReport { addresses: BTreeMap::from([("bridge".to_owned(), String::new())]), ..seen };
    let plan = plan(test_fleet, seen, Vec::new());
    assert!(plan.contains("recreate       app/web.1 on alpha"), "{plan}");
    assert!(plan.contains(": it was disconnected from the network infra_net on its host\n"), "{plan}");
}

#[test]
fn a_container_that_started_with_other_files_is_recreated() {
    for (text, again) in [("two", false), ("three", true)] {
        let (mut test_fleet, seen) = running();
        test_fleet.started.insert("another".to_owned(), manifest(text));
        let plan = plan(test_fleet, InstanceReport { tree: "another".to_owned(), ..seen }, Vec::new());
        let told = ": it started with another version of conf/web.conf\n";
        assert_eq!(plan.contains(told), again, "{plan}");
    }
    let (mut test_fleet, seen) = running();
    test_fleet.started.insert("another".to_owned(), Manifest::default());
    let before = plan(test_fleet, InstanceReport { tree: "another".to_owned(), ..seen }, Vec::new());
    assert!(before.contains("another version of conf/web.conf"), "the file was missing then: {before}");
    let (test_fleet, seen) = running();
    let unknown = plan(test_fleet, InstanceReport { tree: "another".to_owned(), ..seen }, Vec::new());
    assert!(unknown.starts_with("Nothing to do"), "what it was is not known: {unknown}");
}

#[test]
fn a_failed_change_stays_in_the_plan() {
    let problem = Problem {
        step: "start".to_owned(),
        resource: "app/web.1".to_owned(),
        message: "port 80 is taken; its container of release 1 runs instead\nand more".to_owned(),
        is_final: true,
        ..Problem::default()
    };
    for (change, problems, told) in [
        (
            InstanceReport { digest: "old".to_owned(), ..running().1 },
            vec![problem],
            "it failed: port 80 is taken; its container of release 1 runs instead\n",
        ),
        (InstanceReport { health: Health::Unhealthy, ..running().1 }, vec![], "it is unhealthy\n"),
        (InstanceReport { health: Health::Starting, ..running().1 }, vec![], "it is not healthy yet\n"),
        (
            InstanceReport { state: ContainerState::Restarting, restarts: 7, exit_code: 3, ..running().1 },
            vec![],
            "it keeps exiting: 7 restarts, last status 3\n",
        ),
        (InstanceReport { restarts: 7, ..running().1 }, vec![], "it keeps exiting: 7 restarts\n"),
    ] {
        let plan = plan(running().0, change, problems);
        assert!(plan.contains("start          app/web.1 on alpha") && plan.contains(told), "{plan}");
    }
}

#[test]
fn restarts_long_ago_are_no_fault() {
    let (_, seen) = running();
    let now = 100_000_000_000;
    assert_eq!(InstanceReport { restarts: 7, started_at: 1, ..seen.clone() }.fault(now), None);
    assert!(InstanceReport { restarts: 7, started_at: now - 1, ..seen.clone() }.fault(now).is_some());
    assert_eq!(InstanceReport { restarts: 2, started_at: now - 1, ..seen }.fault(now), None);
}

/// A stack with a network of this name and these options.
fn with_network(options: &str) -> String {
    format!("services: {{web: {{image: w, networks: [front]}}}}\nnetworks: {{front: {{name: shared-net{options}}}}}\n")
}

#[test]
fn two_stacks_may_declare_the_same_network_in_the_same_way() {
    let mut test_fleet = TestFleet::new(HERE);
    test_fleet.up("app", &with_network(""));
    let proposal = test_fleet.propose("other", &with_network(""));
    let networks = proposal.target["alpha"].networks.iter().filter(|network| network.name == "shared-net");
    assert_eq!(networks.count(), 1);
    assert!(
        proposal
            .warnings
            .contains("shared-net is also a network of the stack app, so containers of both stacks share it"),
        "{}",
        proposal.warnings
    );
    test_fleet.done(proposal);
    // It stays until the last of them is removed.
    let down = test_fleet.propose_down("app", false);
    assert!(!down.plan.to_string().contains("remove network"), "{}", down.plan);
    test_fleet.done(down);
    let down = test_fleet.propose_down("other", false).plan.to_string();
    assert!(down.contains("remove network shared-net on alpha"), "{down}");
}

#[test]
fn two_stacks_that_declare_one_network_differently_are_refused_with_both_values() {
    let mut test_fleet = TestFleet::new(HERE);
    test_fleet.up("app", &with_network(", driver_opts: {mode: '1'}"));
    let cases = [
        (", driver_opts: {mode: '1'}, internal: true", "internal is true in other and false in app"),
        (", driver_opts: {mode: '2'}", r#"driver_opts.mode is "2" in other and "1" in app"#),
        ("", r#"driver_opts.mode is not set in other and "1" in app"#),
        (
            ", driver_opts: {mode: '1'}, ipam: {config: [{subnet: 10.77.0.0/24}]}",
            "ipam.config is subnet 10.77.0.0/24 in other and not set in app",
        ),
    ];
    for (options, difference) in cases {
        let refused = test_fleet.compile("other", &with_network(options)).unwrap_err();
        let expected =
            format!("shared-net is also a network of the stack app, which declares it differently: {difference}");
        assert!(refused.contains(&format!("{expected} (networks.front)")), "{refused}");
    }
    // A value that is the default, and labels, make no difference.
    let same = ", driver: bridge, labels: [a=b], driver_opts: {mode: '1'}";
    assert!(test_fleet.compile("other", &with_network(same)).is_ok());
}

#[test]
fn a_network_that_another_stack_uses_stays_when_its_own_stack_is_removed() {
    let mut test_fleet = TestFleet::new(HERE);
    test_fleet.up("app", &with_network(""));
    let joins =
        "services: {web: {image: w, networks: [front]}}\nnetworks: {front: {name: shared-net, external: true}}\n";
    test_fleet.up("other", joins);
    let down = test_fleet.propose_down("app", false);
    assert!(!down.plan.to_string().contains("remove network shared-net"), "{}", down.plan);
    test_fleet.done(down);
    let down = test_fleet.propose_down("other", false).plan.to_string();
    assert!(down.contains("remove network shared-net on alpha"), "{down}");
}

#[test]
fn networks_of_the_fleet_are_on_every_host_from_the_first_run_and_a_removal_creates_none() {
    let test_fleet = TestFleet::new(HERE);
    let plan = test_fleet.propose("app", "services: {web: {image: w}}\n").plan.to_string();
    for host in ["alpha", "beta", "gamma"] {
        assert!(plan.contains(&format!("create network infra_net on {host}")), "{plan}");
    }
    let removed = BTreeSet::from(["app".to_owned()]);
    let down = desired(
        &test_fleet.fleet,
        DesiredInput { deployments: &[], removed: &removed, remove_volumes: false, unmanaged: &test_fleet.unmanaged },
        &test_fleet.held,
    );
    assert!(down.values().all(|state| state.networks.is_empty()));
    let join = desired(
        &test_fleet.fleet,
        DesiredInput {
            deployments: &[],
            removed: &BTreeSet::new(),
            remove_volumes: false,
            unmanaged: &test_fleet.unmanaged,
        },
        &test_fleet.held,
    );
    assert!(join.values().all(|state| state.networks.len() == 1), "a host that joins gets them at once");
}
