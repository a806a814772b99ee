//! A network that two stacks define differently is left as it is, and so is what uses it.

use std::collections::BTreeSet;

use landfast_agent_core::desired::{Desired, Dispute, Incarnation, Instance, InstanceName, Network, Restart};
use landfast_agent_core::observed::{self, Container, Observed, State};
use landfast_agent_core::plan::plan;

fn name(stack: &str) -> InstanceName {
    InstanceName { stack: stack.to_owned(), service: "app".to_owned(), index: 1 }
}

fn key(stack: &str) -> Incarnation {
    Incarnation { instance: name(stack), number: 0 }
}

/// A host with the stacks a and b, which share the network `net`.
fn desired() -> Desired {
    let instance = |stack: &str| Instance {
        digest: "d".to_owned(),
        container: format!("{stack}-app-1"),
        image: "app:1".to_owned(),
        networks: ["net".to_owned()].into(),
        restart: Restart::Always,
        ..Instance::default()
    };
    let instances = ["a", "b"].map(|stack| (key(stack), instance(stack))).into();
    let networks = [("net".to_owned(), Network::default())].into();
    Desired { stacks: ["a", "b"].map(str::to_owned).into(), networks, instances, ..Desired::default() }
}

fn disputed() -> Desired {
    let inner = Network { internal: true, ..Network::default() };
    let definitions = [("a".to_owned(), Network::default()), ("b".to_owned(), inner)].into();
    let dispute = Dispute { message: "a and b differ".to_owned(), definitions };
    Desired { disputes: [("net".to_owned(), dispute)].into(), ..desired() }
}

fn observed(internal: Option<bool>, running: &[&str]) -> Observed {
    let mut observed = Observed::default();
    observed.images.references.insert("app:1".to_owned(), "f".to_owned());
    if let Some(internal) = internal {
        let net = observed::Network { ours: true, stack: "a".to_owned(), internal, ..observed::Network::default() };
        observed.networks.insert("net".to_owned(), net);
    }
    for stack in running {
        let container = Container {
            name: format!("{stack}-app-1"),
            instance: name(stack),
            digest: "d".to_owned(),
            state: State::Running,
            restart: Restart::Always,
            addresses: [("net".to_owned(), String::new())].into(),
            ..Container::default()
        };
        observed.containers.insert((*stack).to_owned(), container);
    }
    observed
}

#[track_caller]
fn assert_prints(desired: &Desired, observed: &Observed, expected: &[&str]) {
    let printed = plan(desired, observed, &BTreeSet::new()).to_string();
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_disputed_network_is_left_alone_and_stops_nobody() {
    for internal in [false, true] {
        let seen = observed(Some(internal), &["a", "b"]);
        assert_prints(&disputed(), &seen, &["cannot create network net: a and b differ"]);
    }
}

#[test]
fn a_disputed_network_that_does_not_exist_is_not_created() {
    assert_prints(
        &disputed(),
        &observed(None, &[]),
        &[
            "a/app.1 needs network net, which cannot be created (hopeless)",
            "b/app.1 needs network net, which cannot be created (hopeless)",
            "cannot create network net: a and b differ",
        ],
    );
}

#[test]
fn the_stack_whose_definition_fits_is_not_affected_by_the_other_one() {
    assert_prints(
        &disputed(),
        &observed(Some(false), &[]),
        &[
            "1. create a/app.1 as a-app-1 from app:1",
            "2. start a/app.1: a-app-1 (after 1)",
            "b/app.1 needs network net, which cannot be created (hopeless)",
            "cannot create network net: a and b differ",
        ],
    );
}

#[test]
fn a_dispute_about_a_fixed_subnet_keeps_no_other_network_from_being_created() {
    let mut desired = disputed();
    let subnet = |text: &str| Network { subnets: vec![text.to_owned()], ..Network::default() };
    desired.networks.insert("net".to_owned(), subnet("10.1.0.0/24"));
    desired.networks.insert("own".to_owned(), Network::default());
    let plan = plan(&desired, &observed(None, &[]), &BTreeSet::new()).to_string();
    assert!(plan.starts_with("1. create network own\n"), "{plan}");
}

#[test]
fn a_shared_network_is_removed_with_the_last_stack_that_defines_it() {
    // The network was created for a, whose removal the host holds.
    let mut desired = desired();
    desired.instances.remove(&key("a"));
    let seen = observed(Some(false), &["b"]);
    assert_prints(&desired, &seen, &[]);
    desired.instances.clear();
    desired.networks.clear();
    assert_prints(
        &desired,
        &seen,
        &["1. stop b/app.1: b", "2. remove b/app.1: b (after 1)", "3. remove network net (after 2)"],
    );
}
