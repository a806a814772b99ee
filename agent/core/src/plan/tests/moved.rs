//! Instances whose addresses have moved to another host, and what depends on them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::*;
use crate::elsewhere::{Address, Place};
use crate::plan::{Waiting, plan_with};

/// A host with `data/redis`, whose address was assigned with epoch 3. The fabric has it on another host with this epoch.
fn desired_and_moved(digest: &str, epoch: u64) -> Desired {
    let mut desired = desired(&[("data/redis", digest)]);
    let address = Address { network: "infra_net".to_owned(), ip: Ipv4Addr::new(172, 19, 0, 50) };
    let redis = desired.instances.get_mut(&key("data/redis")).expect("made above");
    redis.addresses.insert(address.clone(), 3);
    desired.elsewhere.addresses.insert(address, Place { host: Ipv4Addr::new(10, 0, 0, 2), epoch });
    desired
}

const MOVED: &str =
    "data/redis.1 must not start here: 172.19.0.50 on infra_net has moved to the host 10.0.0.2 (epoch 4)";

#[test]
fn f21_an_instance_whose_address_has_moved_is_neither_created_nor_started() {
    for containers in
        [&[][..], &[("c1", "data/redis", "a", State::Created)], &[("c1", "data/redis", "a", State::Exited)]]
    {
        let (there, moved) = (desired_and_moved("a", 3), desired_and_moved("a", 4));
        assert!(print(&there, &observed(containers)).contains("start data/redis.1"), "{containers:?}");
        assert_prints(&print(&moved, &observed(containers)), &format!("{MOVED} (hopeless)"));
    }
}

#[test]
fn f21_that_the_address_has_moved_counts_before_what_the_host_lacks() {
    let mut without_image = observed(&[]);
    without_image.images.references.clear();
    assert_prints(&print(&desired_and_moved("a", 4), &without_image), &format!("{MOVED} (hopeless)"));
}

#[test]
fn f21_a_container_that_runs_already_is_left_alone_and_not_replaced() {
    let running = [("c1", "data/redis", "a", State::Running)];
    assert_prints(&print(&desired_and_moved("a", 4), &observed(&running)), "");
    assert_prints(&print(&desired_and_moved("b", 4), &observed(&running)), &format!("{MOVED} (hopeless)"));
}

#[test]
fn f21_the_container_before_a_failed_update_is_not_started_again_either() {
    let (_, observed) = recreating(State::Exited, State::Created);
    let returned = print_given_up(&desired_and_moved("b", 3), &observed, "data/redis");
    assert!(returned.contains("start data/redis.1: c1"), "{returned}");
    let moved = print_given_up(&desired_and_moved("b", 4), &observed, "data/redis");
    assert!(!moved.contains("start"), "{moved}");
}

#[test]
fn an_instance_does_not_wait_here_for_one_that_has_moved() {
    let mut desired = desired_and_moved("a", 4);
    let (app, mut instance) = instance("data/app", "x");
    instance.depends_on.push(Dependency { service: "redis".to_owned(), condition: Condition::Healthy });
    desired.instances.insert(app, instance);
    let observed = observed(&[("c1", "data/redis", "a", State::Exited), ("c2", "data/app", "x", State::Exited)]);
    assert_prints(&print(&desired, &observed), &format!("1. start data/app.1: c2\n{MOVED} (hopeless)"));
}

#[test]
fn what_is_held_up_by_another_host_is_not_started_unless_it_only_continues_after_an_update() {
    let waiting = Waiting {
        reason: "waits for data/db.1 on the host 10.0.0.2, which is not healthy yet".to_owned(),
        hopeless: false,
    };
    let held_up: BTreeMap<_, _> = [(name("data/redis"), waiting)].into();
    let print = |digest: &str, state| {
        let observed = observed(&[("c1", "data/redis", "a", state)]);
        plan_with(&desired(&[("data/redis", digest)]), &observed, &BTreeSet::new(), &held_up).to_string()
    };
    assert_prints(
        &print("a", State::Exited),
        "data/redis.1 waits for data/db.1 on the host 10.0.0.2, which is not healthy yet",
    );
    assert!(print("b", State::Running).contains("start data/redis.1"));
    assert_prints(&print("a", State::Running), "");
}
