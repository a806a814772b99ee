//! What the engine cannot answer about waits, and nothing else does: it is neither created nor removed.

use std::collections::BTreeSet;

use landfast_agent_core::desired::{Desired, Incarnation, Instance, InstanceName, Network, Restart, Volume};
use landfast_agent_core::observed::{self, Container, Observed, State, Tree};
use landfast_agent_core::plan::{Plan, plan};

const REASON: &str = "it sent nothing";

fn name(service: &str) -> InstanceName {
    InstanceName { stack: "data".to_owned(), service: service.to_owned(), index: 1 }
}

fn key(service: &str) -> Incarnation {
    Incarnation { instance: name(service), number: 0 }
}

fn instance(service: &str) -> (Incarnation, Instance) {
    let instance = Instance {
        digest: "d".to_owned(),
        container: format!("data-{service}-1"),
        image: "app:1".to_owned(),
        restart: Restart::Always,
        ..Instance::default()
    };
    (key(service), instance)
}

fn container(service: &str) -> Container {
    Container {
        name: format!("data-{service}-1"),
        instance: name(service),
        digest: "d".to_owned(),
        state: State::Running,
        restart: Restart::Always,
        ..Container::default()
    }
}

/// A host that must have these services, and has the image for them.
fn host(services: &[&str]) -> (Desired, Observed) {
    let instances = services.iter().map(|service| instance(service)).collect();
    let stacks = ["data".to_owned()].into();
    let desired = Desired { stacks, manages_fleet_networks: true, instances, ..Desired::default() };
    let mut observed = Observed::default();
    observed.images.references.insert("app:1".to_owned(), "f".to_owned());
    (desired, observed)
}

fn planned(desired: &Desired, observed: &Observed) -> Plan {
    plan(desired, observed, &BTreeSet::new())
}

#[track_caller]
fn assert_prints(plan: &Plan, expected: &[&str]) {
    assert_eq!(plan.to_string().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_instance_whose_container_is_unknown_waits_and_the_others_do_not() {
    for reason in [None, Some(REASON.to_owned())] {
        let (desired, mut observed) = host(&["redis", "web"]);
        // The old digest would be recreated, and a stopped one started.
        for (digest, state) in [("old", State::Running), ("d", State::Exited)] {
            let seen = Container { digest: digest.to_owned(), state, ..container("redis") };
            observed.containers.insert("c1".to_owned(), seen);
            observed.unknown.containers.insert("c1".to_owned(), reason.clone());
            let plan = planned(&desired, &observed);
            let mut expected = vec![
                "1. create data/web.1 as data-web-1 from app:1",
                "2. start data/web.1: data-web-1 (after 1)",
                "data/redis.1 waits until its container is inspected",
            ];
            // One that is only not inspected yet is no problem.
            expected.extend(
                reason.iter().map(|_| "unknown is data/redis.1: its container cannot be inspected: it sent nothing"),
            );
            assert_prints(&plan, &expected);
            assert!(!plan.is_done());
        }
    }
}

#[test]
fn a_container_that_is_unknown_is_not_removed_and_neither_is_what_it_uses() {
    let (mut desired, mut observed) = host(&[]);
    let ours = observed::Network { ours: true, stack: "data".to_owned(), ..observed::Network::default() };
    observed.networks.insert("own".to_owned(), ours);
    observed.volumes.insert("files".to_owned(), observed::Volume { ours: true, ..observed::Volume::default() });
    observed.trees.insert("data".to_owned(), Tree::default());
    desired.volumes.insert("files".to_owned(), Volume { remove: true, ..Volume::default() });
    let seen = Container {
        addresses: [("own".to_owned(), String::new())].into(),
        volumes: ["files".to_owned()].into(),
        ..container("redis")
    };
    observed.containers.insert("c1".to_owned(), seen);
    assert_eq!(planned(&desired, &observed).steps.len(), 5);
    observed.unknown.containers.insert("c1".to_owned(), Some(REASON.to_owned()));
    assert_prints(
        &planned(&desired, &observed),
        &[
            "data/redis.1 waits until its container is inspected",
            "unknown is data/redis.1: its container cannot be inspected: it sent nothing",
        ],
    );
    // Those of a stack that the host does not manage are not its business.
    desired.stacks.clear();
    assert!(!planned(&desired, &observed).to_string().contains("redis"));
}

#[test]
fn networks_that_could_not_be_listed_are_neither_created_nor_removed() {
    let (mut desired, mut observed) = host(&["redis", "web"]);
    let fixed = Network { subnets: vec!["10.9.0.0/24".to_owned()], ..Network::default() };
    desired.networks = [("fixed".to_owned(), fixed), ("own".to_owned(), Network::default())].into();
    desired.instances.get_mut(&key("redis")).expect("there").networks = ["own".to_owned()].into();
    let ours = observed::Network { ours: true, stack: "data".to_owned(), ..observed::Network::default() };
    observed.networks.insert("left".to_owned(), ours);
    observed.unknown.networks = Some(REASON.to_owned());
    let plan = planned(&desired, &observed);
    assert_prints(
        &plan,
        &[
            "1. create data/web.1 as data-web-1 from app:1",
            "2. start data/web.1: data-web-1 (after 1)",
            "data/redis.1 needs network own, and the networks are not known: it sent nothing",
            "unknown is network fixed: the networks are not known: it sent nothing",
            "unknown is network own: the networks are not known: it sent nothing",
            "unknown is network left: the networks are not known: it sent nothing",
        ],
    );
    // What was seen earlier may be used.
    observed.networks.insert("own".to_owned(), observed::Network { ours: true, ..observed::Network::default() });
    assert!(planned(&desired, &observed).to_string().contains("create data/redis.1"));
}

#[test]
fn volumes_that_may_exist_are_neither_created_nor_taken_for_removed() {
    let (mut desired, mut observed) = host(&["redis", "web"]);
    let of = |driver: &str, remove| Volume { driver: driver.to_owned(), remove };
    desired.volumes.insert("local".to_owned(), of("", false));
    desired.volumes.insert("remote".to_owned(), of("nfs", false));
    desired.volumes.insert("gone".to_owned(), of("", true));
    desired.instances.get_mut(&key("redis")).expect("there").volumes = ["remote".to_owned()].into();
    desired.instances.get_mut(&key("web")).expect("there").volumes = ["local".to_owned()].into();
    observed.unknown.volumes = Some(REASON.to_owned());
    let unknown = "it is not known whether it exists: it sent nothing";
    assert_prints(
        &planned(&desired, &observed),
        &[
            &format!("data/redis.1 needs volume remote, and {unknown}"),
            &format!("data/web.1 needs volume local, and {unknown}"),
            &format!("unknown is volume gone: {unknown}"),
            &format!("unknown is volume local: {unknown}"),
            &format!("unknown is volume remote: {unknown}"),
        ],
    );
    let alone = Desired { volumes: [("gone".to_owned(), of("", true))].into(), ..Desired::default() };
    assert!(!planned(&alone, &observed).is_done());
    // A driver that does not answer hides its own volumes and no others.
    observed.unknown.volumes = None;
    observed.unknown.volume_drivers = Some(REASON.to_owned());
    assert_prints(
        &planned(&desired, &observed),
        &[
            "1. create volume local",
            "2. create data/web.1 as data-web-1 from app:1 (after 1)",
            "3. start data/web.1: data-web-1 (after 2)",
            &format!("data/redis.1 needs volume remote, and {unknown}"),
            &format!("unknown is volume remote: {unknown}"),
        ],
    );
}

#[test]
fn an_image_that_cannot_be_examined_is_not_missing() {
    let (desired, mut observed) = host(&["redis"]);
    observed.images = observed::Images::default();
    assert!(planned(&desired, &observed).waiting[&key("redis")].hopeless);
    observed.unknown.images.insert("app:1".to_owned(), REASON.to_owned());
    assert_prints(
        &planned(&desired, &observed),
        &[
            "data/redis.1 needs image app:1, which cannot be examined: it sent nothing",
            "unknown is data/redis.1: it needs image app:1, which cannot be examined: it sent nothing",
        ],
    );
    observed.unknown.images = [("other:1".to_owned(), REASON.to_owned())].into();
    assert!(planned(&desired, &observed).waiting[&key("redis")].hopeless);
}

#[test]
fn what_is_external_and_may_exist_is_waited_for() {
    let (mut desired, mut observed) = host(&["redis", "web"]);
    desired.instances.get_mut(&key("redis")).expect("there").networks = ["theirs".to_owned()].into();
    desired.instances.get_mut(&key("web")).expect("there").volumes = ["theirs".to_owned()].into();
    let missing = planned(&desired, &observed);
    assert!(missing.waiting.values().all(|waiting| waiting.hopeless) && missing.unknown.is_empty());
    observed.unknown.networks = Some(REASON.to_owned());
    observed.unknown.volume_drivers = Some(REASON.to_owned());
    assert_prints(
        &planned(&desired, &observed),
        &[
            "data/redis.1 needs network theirs, and the networks are not known: it sent nothing",
            "data/web.1 needs volume theirs, and it is not known whether it exists: it sent nothing",
            "unknown is network theirs: the networks are not known: it sent nothing",
            "unknown is volume theirs: it is not known whether it exists: it sent nothing",
        ],
    );
}
