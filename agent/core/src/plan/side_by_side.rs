//! Plans of two incarnations of one instance, as they print.

use std::collections::BTreeSet;

use super::plan;
use super::tests::{assert_prints, container_name, incarnation, name, observed, print};
use crate::attempts::Resource;
use crate::desired::{Claim, Condition, Dependency, Desired, Instance, Restart, Wanted};
use crate::observed::{Container, Health, Observed, State};

/// Returns a state with these incarnations: (instance, number, digest, what is wanted of it).
fn desired(incarnations: &[(&str, u64, &str, Wanted)]) -> Desired {
    let instances = incarnations.iter().map(|(text, number, digest, wanted)| {
        let instance = Instance {
            digest: (*digest).to_owned(),
            container: container_name(text),
            image: "app:1".to_owned(),
            restart: Restart::Always,
            wanted: *wanted,
            ..Instance::default()
        };
        (incarnation(text, *number), instance)
    });
    let stacks = ["data".to_owned()].into();
    Desired { stacks, instances: instances.collect(), ..Desired::default() }
}

/// Returns a host with containers of `data/web`: (id, number, digest, name, state).
fn host(containers: &[(&str, u64, &str, &str, State)]) -> Observed {
    let mut host = observed(&[]);
    for (id, number, digest, name, state) in containers {
        let created_at = 10 + i64::try_from(*number).expect("small");
        let container = Container {
            name: (*name).to_owned(),
            instance: self::name("data/web"),
            incarnation: *number,
            digest: (*digest).to_owned(),
            state: *state,
            restart: Restart::Always,
            created_at,
            started_at: if *state == State::Created { 0 } else { created_at },
            ..Container::default()
        };
        host.containers.insert((*id).to_owned(), container);
    }
    host
}

/// Returns a state with two incarnations of `data/web`.
fn two(first: Wanted, second: Wanted) -> Desired {
    desired(&[("data/web", 1, "a", first), ("data/web", 2, "b", second)])
}

/// Returns a host with the containers of both.
fn both(first: State, second: State) -> Observed {
    host(&[("c1", 1, "a", "data-web-1", first), ("c2", 2, "b", "data-web-1.2", second)])
}

fn only_first() -> Observed {
    host(&[("c1", 1, "a", "data-web-1", State::Running)])
}

#[test]
fn two_that_run_are_left_alone() {
    let seen = both(State::Running, State::Running);
    for first in [Wanted::Run, Wanted::Drain] {
        assert_prints(&print(&two(first, Wanted::Run), &seen), "");
    }
}

#[test]
fn the_second_is_made_beside_the_first() {
    let expected = "1. create data/web.1 (incarnation 2) as data-web-1.2 from app:1
         2. start data/web.1 (incarnation 2): data-web-1.2 (after 1)";
    for first in [Wanted::Run, Wanted::Drain] {
        assert_prints(&print(&two(first, Wanted::Run), &only_first()), expected);
    }
    let same_digest = desired(&[("data/web", 1, "a", Wanted::Run), ("data/web", 2, "a", Wanted::Run)]);
    assert_prints(&print(&same_digest, &only_first()), expected);
}

#[test]
fn the_second_has_the_name_of_the_instance_as_soon_as_it_is_free() {
    assert_prints(
        &print(&two(Wanted::Run, Wanted::Run), &host(&[])),
        "1. create data/web.1 (incarnation 1) as data-web-1.1 from app:1
         2. start data/web.1 (incarnation 1): data-web-1.1 (after 1)
         3. create data/web.1 (incarnation 2) as data-web-1 from app:1
         4. start data/web.1 (incarnation 2): data-web-1 (after 3)",
    );
    let second = host(&[("c2", 2, "b", "data-web-1.2", State::Running)]);
    let rename = "1. rename data/web.1 (incarnation 2): c2 to data-web-1";
    assert_prints(&print(&two(Wanted::Gone, Wanted::Run), &second), rename);
    assert_prints(&print(&desired(&[("data/web", 2, "b", Wanted::Run)]), &second), rename);
}

#[test]
fn the_one_that_is_wanted_to_run_stands_for_the_instance() {
    let mut seen = both(State::Running, State::Running);
    seen.containers.get_mut("c1").expect("made above").name = "data-web-1.1".to_owned();
    for second in [Wanted::Drain, Wanted::Gone] {
        let plan = print(&two(Wanted::Run, second), &seen);
        assert!(plan.contains("rename data/web.1 (incarnation 1): c1 to data-web-1\n"), "{plan}");
    }
    // It replaces a container that is not listed.
    let older = Container { incarnation: 0, ..seen.containers["c1"].clone() };
    seen.containers.insert("c0".to_owned(), Container { name: "data-web-1.0".to_owned(), ..older });
    assert_prints(
        &print(&two(Wanted::Run, Wanted::Drain), &seen),
        "1. stop data/web.1 (incarnation 1): c0
         2. remove data/web.1 (incarnation 1): c0 (after 1)
         3. rename data/web.1 (incarnation 1): c1 to data-web-1 (after 2)",
    );
}

#[test]
fn a_recreate_with_the_same_digest_does_not_wait_halfway() {
    let mut desired = desired(&[("data/web", 2, "a", Wanted::Run), ("data/db", 1, "d", Wanted::Run)]);
    let web = desired.instances.get_mut(&incarnation("data/web", 2)).expect("made above");
    web.depends_on.push(Dependency { service: "db".to_owned(), condition: Condition::Healthy });
    let mut seen = host(&[
        ("c1", 1, "a", "data-web-1.old", State::Exited),
        ("c2", 2, "a", "data-web-1", State::Created),
        ("d1", 1, "d", "data-db-1", State::Running),
    ]);
    let db = seen.containers.get_mut("d1").expect("made above");
    (db.instance, db.health) = (name("data/db"), Health::Starting);
    assert_prints(
        &print(&desired, &seen),
        "1. start data/web.1 (incarnation 2): c2
         2. remove data/web.1 (incarnation 2): c1 (after 1)",
    );
}

#[test]
fn one_that_is_drained_is_kept_and_never_made() {
    let drained = two(Wanted::Drain, Wanted::Run);
    let second = host(&[("c2", 2, "b", "data-web-1", State::Running)]);
    assert_prints(&print(&drained, &second), "");
    assert_prints(&print(&drained, &both(State::Created, State::Running)), "");
    assert_prints(&print(&desired(&[("data/web", 1, "a", Wanted::Drain)]), &only_first()), "");
    // Its container serves although it is not quite as the state says.
    let other = host(&[("c1", 1, "x", "data-web-1", State::Running)]);
    assert_prints(&print(&desired(&[("data/web", 1, "a", Wanted::Drain)]), &other), "");
}

#[test]
fn one_that_is_gone_is_removed_and_the_other_is_not_touched() {
    let gone = two(Wanted::Gone, Wanted::Run);
    assert_prints(
        &print(&gone, &both(State::Running, State::Running)),
        "1. stop data/web.1 (incarnation 1): c1
         2. remove data/web.1 (incarnation 1): c1 (after 1)",
    );
    // The other one may be the newer one.
    assert_prints(
        &print(&two(Wanted::Run, Wanted::Gone), &both(State::Running, State::Exited)),
        "1. remove data/web.1 (incarnation 2): c2",
    );
    assert_prints(&print(&desired(&[("data/web", 1, "a", Wanted::Gone)]), &host(&[])), "");
}

#[test]
fn one_that_is_not_listed_is_replaced_by_the_newest() {
    assert_prints(
        &print(&desired(&[("data/web", 2, "b", Wanted::Run)]), &both(State::Running, State::Running)),
        "1. stop data/web.1 (incarnation 2): c1
         2. remove data/web.1 (incarnation 2): c1 (after 1)
         3. rename data/web.1 (incarnation 2): c2 to data-web-1 (after 2)",
    );
    let third = desired(&[("data/web", 1, "a", Wanted::Drain), ("data/web", 3, "c", Wanted::Run)]);
    assert_prints(
        &print(&third, &both(State::Running, State::Running)),
        "1. create data/web.1 (incarnation 3) as data-web-1.3 from app:1
         2. stop data/web.1 (incarnation 3): c2 (after 1)
         3. start data/web.1 (incarnation 3): data-web-1.3 (after 1, 2)
         4. remove data/web.1 (incarnation 3): c2 (after 2, 3)",
    );
}

#[test]
fn a_recreate_is_the_case_of_one_incarnation() {
    let recreate = "1. create data/web.1 (incarnation 2) as data-web-1.new from app:1
         2. stop data/web.1 (incarnation 2): c1 (after 1)
         3. rename data/web.1 (incarnation 2): c1 to data-web-1.old (after 1, 2)
         4. rename data/web.1 (incarnation 2): data-web-1.new to data-web-1 (after 3)
         5. start data/web.1 (incarnation 2): data-web-1 (after 1, 2, 4)
         6. remove data/web.1 (incarnation 2): c1 (after 2, 5)";
    for digest in ["a", "b"] {
        let next = desired(&[("data/web", 2, digest, Wanted::Run)]);
        // 0 is a container without a label.
        for number in [0, 1] {
            let seen = host(&[("c1", number, "a", "data-web-1", State::Running)]);
            assert_prints(&print(&next, &seen), recreate);
        }
    }
}

#[test]
fn a_container_without_a_label_belongs_to_an_entry_without_a_number() {
    let old = desired(&[("data/web", 0, "a", Wanted::Run)]);
    assert_prints(&print(&old, &host(&[("c1", 0, "a", "data-web-1", State::Running)])), "");
    // The state comes from a coordinator that does not number containers.
    assert_prints(&print(&old, &host(&[("c1", 4, "a", "data-web-1", State::Running)])), "");
    let beside = desired(&[("data/web", 0, "a", Wanted::Drain), ("data/web", 1, "a", Wanted::Run)]);
    assert_prints(
        &print(&beside, &host(&[("c1", 0, "a", "data-web-1", State::Running)])),
        "1. create data/web.1 (incarnation 1) as data-web-1.1 from app:1
         2. start data/web.1 (incarnation 1): data-web-1.1 (after 1)",
    );
}

#[test]
fn f21_after_a_reboot_both_start_and_wait_for_the_one_that_serves() {
    let mut desired = two(Wanted::Drain, Wanted::Run);
    let db = self::desired(&[("data/db", 1, "d", Wanted::Drain), ("data/db", 2, "e", Wanted::Run)]);
    desired.instances.extend(db.instances);
    for number in [1, 2] {
        let web = desired.instances.get_mut(&incarnation("data/web", number)).expect("made above");
        web.depends_on.push(Dependency { service: "db".to_owned(), condition: Condition::Started });
    }
    let mut seen = both(State::Exited, State::Exited);
    for (id, number, digest) in [("d1", 1, "d"), ("d2", 2, "e")] {
        let instance = name("data/db");
        let (digest, name) = (digest.to_owned(), format!("data-db-1.{number}"));
        let container = Container { instance, digest, incarnation: number, name, ..seen.containers["c1"].clone() };
        seen.containers.insert(id.to_owned(), container);
    }
    assert_prints(
        &print(&desired, &seen),
        "1. start data/db.1 (incarnation 1): d1
         2. rename data/db.1 (incarnation 2): d2 to data-db-1
         3. start data/db.1 (incarnation 2): d2 (after 2)
         4. start data/web.1 (incarnation 1): c1 (after 3)
         5. start data/web.1 (incarnation 2): c2 (after 3)",
    );
}

#[test]
fn giving_up_one_does_not_give_up_the_other() {
    let seen = both(State::Exited, State::Exited);
    for (given_up, other, id) in [(1, 2, "c2"), (2, 1, "c1")] {
        let given_up = [Resource::Instance(incarnation("data/web", given_up))].into();
        for first in [Wanted::Run, Wanted::Drain] {
            let plan = plan(&two(first, Wanted::Run), &seen, &given_up);
            assert_prints(&plan.to_string(), &format!("1. start data/web.1 (incarnation {other}): {id}"));
        }
    }
}

fn with_port(mut desired: Desired, mut seen: Observed) -> (Desired, Observed) {
    let claim = || Claim::Port { address: String::new(), port: 80, protocol: "tcp".to_owned() };
    desired.instances.values_mut().for_each(|instance| instance.claims = [claim()].into());
    seen.containers.values_mut().for_each(|container| container.claims = [claim()].into());
    (desired, seen)
}

#[test]
fn two_that_need_the_same_port_do_not_end_each_other() {
    let why = "data/web.1 (incarnation 2) needs port 80/tcp, which its incarnation 1 holds (hopeless)";
    for first in [Wanted::Run, Wanted::Drain] {
        let (desired, mut seen) = with_port(two(first, Wanted::Run), only_first());
        assert_prints(&print(&desired, &seen), why);
        // A container that is replaced does not hold it for long; one that is drained does.
        seen.containers.get_mut("c1").expect("made above").digest = "x".to_owned();
        let is_held = print(&desired, &seen).contains(why);
        assert_eq!(is_held, first == Wanted::Drain);
    }
    let (gone, seen) = with_port(two(Wanted::Gone, Wanted::Run), only_first());
    assert_prints(
        &print(&gone, &seen),
        "1. stop data/web.1 (incarnation 1): c1
         2. remove data/web.1 (incarnation 1): c1 (after 1)
         3. create data/web.1 (incarnation 2) as data-web-1.2 from app:1
         4. start data/web.1 (incarnation 2): data-web-1.2 (after 1, 3)",
    );
}

#[test]
fn what_joins_another_joins_the_incarnation_that_it_names() {
    let mut desired = two(Wanted::Drain, Wanted::Run);
    let db = self::desired(&[("data/db", 1, "d", Wanted::Drain), ("data/db", 2, "e", Wanted::Run)]);
    desired.instances.extend(db.instances);
    for number in [1, 2] {
        let web = desired.instances.get_mut(&incarnation("data/web", number)).expect("made above");
        web.joins = [incarnation("data/db", number)].into();
    }
    let mut seen = both(State::Running, State::Running);
    for (id, number, digest, web) in [("d1", 1, "d", "c1"), ("d2", 2, "e", "c2")] {
        let (instance, digest, name) = (name("data/db"), digest.to_owned(), format!("data-db-1.{number}"));
        let container = Container { instance, digest, incarnation: number, name, ..seen.containers["c1"].clone() };
        seen.containers.insert(id.to_owned(), container);
        seen.containers.get_mut(web).expect("made above").joined = [id.to_owned()].into();
    }
    seen.containers.get_mut("d2").expect("made above").name = "data-db-1".to_owned();
    assert_eq!(plan(&desired, &seen, &BTreeSet::new()).to_string(), "");
    // The second one is still in the namespace of the first.
    seen.containers.get_mut("c2").expect("made above").joined = ["d1".to_owned()].into();
    assert_prints(
        &print(&desired, &seen),
        "1. create data/web.1 (incarnation 2) as data-web-1.2.new from app:1
         2. stop data/web.1 (incarnation 2): c2 (after 1)
         3. rename data/web.1 (incarnation 2): c2 to data-web-1.2.old (after 1, 2)
         4. rename data/web.1 (incarnation 2): data-web-1.2.new to data-web-1.2 (after 3)
         5. start data/web.1 (incarnation 2): data-web-1.2 (after 1, 2, 4)
         6. remove data/web.1 (incarnation 2): c2 (after 2, 5)",
    );
}

#[test]
fn one_that_is_to_be_stopped_is_stopped_by_itself() {
    let mut desired = two(Wanted::Drain, Wanted::Run);
    desired.instances.get_mut(&incarnation("data/web", 1)).expect("made above").stopped = true;
    assert_prints(&print(&desired, &both(State::Running, State::Running)), "1. stop data/web.1 (incarnation 1): c1");
}
