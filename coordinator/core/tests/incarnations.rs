//! Numbers of containers, and two incarnations of one instance in the states of hosts.
#![allow(clippy::unwrap_used)]
mod simulation;
mod test_fleet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use landfast_core::deployment::InstanceName;
use landfast_core::desired::{HostState, Instance, Wanted, leave, restore};
use landfast_core::ledger::{fabric_of, ledger};
use landfast_core::plan::Action;
use landfast_core::report::{ContainerState, InstanceReport, Report};
use landfast_core::rollout::{self, Event, Progress, Record, State, step};
use proptest::prelude::*;
use simulation::{Host, Simulation};
use test_fleet::random::SeededRandom;
use test_fleet::{NET, Proposal, TestFleet, host_of};

const ON_ALPHA: &str = "[stacks.app.place]\nweb = \"alpha\"\n";
const ON_BETA: &str = "[stacks.app.place]\nweb = \"beta\"\n";

fn web(tag: u64) -> String {
    format!("services: {{web: {{image: 'web:{tag}', networks: [infra_net]}}}}\n{NET}")
}

fn name() -> InstanceName {
    "app/web.1".parse().unwrap()
}

fn of(states: &BTreeMap<String, HostState>) -> &Instance {
    states.values().find_map(|state| state.instance(&name())).unwrap()
}

/// A fleet that runs the first version.
fn deployed() -> TestFleet {
    let mut fleet = TestFleet::new(ON_ALPHA);
    fleet.up("app", &web(1));
    fleet
}

fn seen(instance: &Instance) -> InstanceReport {
    InstanceReport {
        name: instance.name.clone(),
        incarnation: instance.incarnation,
        digest: instance.digest.clone(),
        state: ContainerState::Running,
        addresses: BTreeMap::from([("infra_net".to_owned(), "172.19.128.1".to_owned())]),
        ..InstanceReport::default()
    }
}

fn report(instances: Vec<InstanceReport>) -> Report {
    Report { instances, converged: true, ..Report::default() }
}

/// Another incarnation of an instance, with its own address on the fleet's network.
fn beside(instance: &Instance, incarnation: u64, ip: &str, wanted: Wanted) -> Instance {
    let mut other = Instance { incarnation, wanted, digest: format!("of {incarnation}"), ..instance.clone() };
    Arc::make_mut(&mut other.container).networks[0].address = Some(ip.parse().unwrap());
    other
}

/// Adds an incarnation to what a host holds, and connects the hosts anew.
fn add(fleet: &mut TestFleet, host: &str, instance: Instance) {
    let state = fleet.held.get_mut(host).unwrap();
    state.instances.push(instance);
    state.instances.sort_by_key(|it| (it.name.clone(), it.incarnation));
    let fabric = Arc::new(fabric_of(&fleet.held, &ledger(&fleet.held), |_| false));
    fleet.held.values_mut().for_each(|state| state.fabric = fabric.clone());
}

#[test]
fn a_number_stays_with_its_container_and_grows_with_the_next() {
    let mut fleet = deployed();
    assert_eq!(of(&fleet.held).incarnation, 1);
    fleet.up("app", &web(1));
    assert_eq!(of(&fleet.held).incarnation, 1);
    fleet.up("app", &web(2));
    assert_eq!(of(&fleet.held).incarnation, 2);
    let mut recreated = fleet.compile("app", &web(2)).unwrap();
    recreated.deployment.force_recreate();
    let proposal = fleet.propose_compiled(recreated);
    assert_eq!(of(&proposal.target).incarnation, 3);
    let mut failed = seen(of(&fleet.held));
    (failed.state, failed.exit_code) = (ContainerState::Exited, 3);
    fleet.reports.insert("alpha".to_owned(), report(vec![failed]));
    assert_eq!(of(&fleet.propose("app", &web(2)).target).incarnation, 3, "a container that failed is recreated");
}

#[test]
fn a_container_of_an_earlier_version_is_not_recreated() {
    let mut fleet = deployed();
    fleet.held.get_mut("alpha").unwrap().instances[0].incarnation = 0;
    fleet.reports.insert("alpha".to_owned(), report(vec![seen(of(&fleet.held))]));
    let proposal = fleet.propose("app", &web(1));
    assert!(proposal.plan.is_empty(), "{}", proposal.plan);
    assert_eq!(proposal.target, fleet.held);
    assert_eq!(of(&fleet.propose("app", &web(2)).target).incarnation, 1);
}

#[test]
fn a_number_grows_over_hosts() {
    let mut fleet = deployed();
    fleet.up("app", &web(2));
    fleet.fleet = TestFleet::new(ON_BETA).fleet;
    let moved = fleet.propose("app", &web(2));
    assert!(moved.plan.steps.iter().any(|step| matches!(step.action, Action::Move { .. })), "{}", moved.plan);
    assert_eq!((host_of(&moved.target, "app/web.1").as_str(), of(&moved.target).incarnation), ("beta", 3));
    // A container that a host has and holds no state of.
    let stray = InstanceReport { incarnation: 7, unmanaged: true, digest: "x".to_owned(), ..seen(of(&fleet.held)) };
    fleet.reports.insert("gamma".to_owned(), report(vec![stray]));
    assert_eq!(of(&fleet.propose("app", &web(2)).target).incarnation, 8);
}

#[test]
fn a_container_whose_host_has_lost_its_state_is_taken_over_with_its_number() {
    let mut fleet = deployed();
    fleet.up("app", &web(2));
    let runs = InstanceReport { unmanaged: true, ..seen(of(&fleet.held)) };
    fleet.held.get_mut("alpha").unwrap().instances.clear();
    fleet.reports.insert("alpha".to_owned(), report(vec![runs]));
    assert_eq!(of(&fleet.propose("app", &web(2)).target).incarnation, 2);
    assert_eq!(of(&fleet.propose("app", &web(3)).target).incarnation, 3);
}

#[test]
fn a_failed_change_that_is_taken_back_leaves_the_old_container_and_its_number() {
    let mut fleet = deployed();
    let first = of(&fleet.held).clone();
    fleet.up("app", &web(2));
    // The second one never ran, and its host keeps the first one.
    fleet.reports.insert("alpha".to_owned(), report(vec![seen(&first)]));
    fleet.up("app", &web(1));
    let back = of(&fleet.held);
    assert_eq!((back.incarnation, back.last_incarnation, &back.digest), (1, 2, &first.digest));
    fleet.up("app", &web(1));
    assert_eq!((of(&fleet.held).incarnation, of(&fleet.held).last_incarnation), (1, 2));
    fleet.up("app", &web(3));
    assert_eq!((of(&fleet.held).incarnation, of(&fleet.held).last_incarnation), (3, 0));
}

#[test]
fn a_rollback_makes_a_new_container() {
    let mut fleet = deployed();
    fleet.up("app", &web(2));
    fleet.reports.insert("alpha".to_owned(), report(vec![seen(of(&fleet.held))]));
    fleet.up("app", &web(1));
    assert_eq!(of(&fleet.held).incarnation, 3);
}

#[test]
fn other_stacks_keep_their_incarnations() {
    let mut fleet = deployed();
    let first = of(&fleet.held).clone();
    add(&mut fleet, "alpha", beside(&first, 2, "172.19.128.9", Wanted::Drain));
    let proposal = fleet.propose("other", &web(1));
    assert_eq!(proposal.target["alpha"].instances[..2], fleet.held["alpha"].instances);
    assert!(proposal.plan.steps.iter().all(|step| step.action.stack() != Some("app")), "{}", proposal.plan);
}

#[test]
fn of_several_incarnations_the_newest_that_is_wanted_to_run_counts() {
    let mut fleet = deployed();
    let first = of(&fleet.held).clone();
    add(&mut fleet, "alpha", beside(&first, 2, "172.19.128.9", Wanted::Run));
    add(&mut fleet, "alpha", beside(&first, 3, "172.19.128.10", Wanted::Gone));
    let state = &fleet.held["alpha"];
    assert_eq!(state.instance(&name()).map(|it| it.incarnation), Some(2));
    assert_eq!(state.incarnations(&name()).map(|it| it.incarnation).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(state.running().map(|it| it.incarnation).collect::<Vec<_>>(), [2]);
    let only_gone = HostState { instances: vec![state.instances[2].clone()], ..HostState::default() };
    assert_eq!((only_gone.instance(&name()), only_gone.main().count()), (None, 1));
    // The next container is greater than all of them, and keeps the address of the one that runs.
    let next = fleet.propose("app", &web(2)).target;
    assert_eq!((of(&next).incarnation, next["alpha"].incarnations(&name()).count()), (4, 1));
    assert_eq!(of(&next).container.networks[0].address, Some([172, 19, 128, 9].into()));
}

#[test]
fn all_incarnations_hold_their_addresses_and_only_those_that_run_have_names() {
    for (wanted, is_named) in [(Wanted::Run, true), (Wanted::Drain, false), (Wanted::Gone, false)] {
        let mut fleet = deployed();
        let first = of(&fleet.held).clone();
        add(&mut fleet, "alpha", beside(&first, 2, "172.19.128.9", wanted));
        let fabric = &fleet.held["beta"].fabric;
        let held: BTreeSet<String> =
            fabric.endpoints.iter().filter(|(_, it)| it.is_held()).map(|(address, _)| address.ip.to_string()).collect();
        assert!(held.contains("172.19.128.1") && held.contains("172.19.128.9"), "{wanted:?}: {held:?}");
        for named in ["web", "web.app", "app-web-1"] {
            let names: Vec<String> = fabric.names[named].iter().map(ToString::to_string).collect();
            assert_eq!(names.contains(&"172.19.128.9".to_owned()), is_named, "{wanted:?}: {named}");
            assert!(names.contains(&"172.19.128.1".to_owned()), "{wanted:?}: {named}");
        }
        // The address is free once the state does not list the incarnation any more.
        fleet.held.get_mut("alpha").unwrap().instances.pop();
        let without = fabric_of(&fleet.held, &ledger(&fleet.held), |_| false);
        let vacated = without.endpoints.iter().find(|(address, _)| address.ip.to_string() == "172.19.128.9");
        assert!(!vacated.unwrap().1.is_held());
    }
}

#[test]
fn two_incarnations_may_have_one_address_on_a_host_that_is_left_as_it_is() {
    let mut fleet = deployed();
    let first = of(&fleet.held).clone();
    add(&mut fleet, "alpha", beside(&first, 2, "172.19.128.1", Wanted::Drain));
    let mut target = fleet.held.clone();
    assert_eq!(leave(&["alpha".to_owned()].into(), &fleet.held, &mut target), Ok(()));
}

#[test]
fn a_plan_does_not_show_numbers_alone() {
    let fleet = deployed();
    let proposal = |change: &dyn Fn(&mut Instance)| -> String {
        let mut renumbered = TestFleet::new(ON_ALPHA);
        renumbered.held = fleet.held.clone();
        change(&mut renumbered.held.get_mut("alpha").unwrap().instances[0]);
        let target = &fleet.propose("app", &web(1)).target;
        let empty = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        landfast_core::plan::diff(landfast_core::plan::Comparison {
            current: &renumbered.held,
            target,
            before: &empty.0,
            after: &empty.0,
            reports: &empty.1,
            started: &BTreeMap::new(),
            now: 0,
            image_ids: &empty.2,
            force_recreate: false,
        })
        .to_string()
    };
    assert!(proposal(&|it| (it.incarnation, it.last_incarnation) = (4, 5)).contains("Nothing to do"));
    assert!(
        proposal(&|it| it.depends_on.push(landfast_core::desired::Dependency {
            service: "db".to_owned(),
            condition: landfast_core::deployment::Condition::Started,
        }))
        .contains("dependencies of instances changed")
    );
}

#[test]
fn a_plan_tells_that_an_older_container_is_not_kept() {
    let mut fleet = deployed();
    let first = of(&fleet.held).clone();
    let (ip, older) = ("172.19.128.1", Instance { incarnation: 4, ..first.clone() });
    fleet.held.get_mut("alpha").unwrap().instances = vec![older];
    add(&mut fleet, "alpha", beside(&first, 2, ip, Wanted::Drain));
    let plan = fleet.propose("app", &web(1)).plan;
    assert!(plan.steps.iter().all(|step| step.action == Action::Configure), "{plan}");
    assert!(plan.to_string().contains("an older container of app/web.1 is not kept any more"), "{plan}");
    // If only an older container is left, the instance is created.
    fleet.held.get_mut("alpha").unwrap().instances.retain(|it| it.wanted == Wanted::Drain);
    let plan = fleet.propose("app", &web(1)).plan;
    assert!(plan.steps.iter().any(|step| matches!(step.action, Action::Create { .. })), "{plan}");
}

#[test]
fn what_is_remembered_of_a_host_is_the_container_with_its_number() {
    let fleet = deployed();
    let remembered = &fleet.held["alpha"];
    let restored = |incarnation| {
        let mut held = HostState::default();
        let runs = InstanceReport { unmanaged: true, incarnation, ..seen(of(&fleet.held)) };
        restore(&mut held, remembered, &report(vec![runs]));
        held.instances.len()
    };
    assert_eq!((restored(1), restored(2), restored(0)), (1, 0, 0));
}

#[test]
fn a_report_about_one_container_is_not_one_about_another() {
    let wanted = |incarnation| Instance { name: name(), digest: "d".to_owned(), incarnation, ..Instance::default() };
    let runs = |incarnation| InstanceReport { incarnation, ..seen(&wanted(0)) };
    for (number, of, expected) in
        [(2, 2, true), (1, 2, false), (0, 2, false), (3, 2, false), (0, 0, true), (5, 0, true)]
    {
        assert_eq!(runs(number).is_of(&wanted(of)), expected, "a report of {number} about {of}");
    }
    let both = report(vec![runs(2), runs(3), runs(1)]);
    let about = |number| both.about(&wanted(number)).map(|seen| seen.incarnation);
    assert_eq!((about(1), about(2), about(7)), (Some(1), Some(2), Some(3)));
}

/// Progress of a step that replaces a container by one of the same digest, after its host has reported a container with this
/// number for ten seconds.
fn progress_with(incarnation: u64) -> Progress {
    let fleet = deployed();
    let Proposal { plan, mut target, .. } = fleet.propose("app", &web(2));
    let before = of(&fleet.held).clone();
    let new = &mut target.get_mut("alpha").unwrap().instances[0];
    new.digest.clone_from(&before.digest);
    let runs = InstanceReport { incarnation, ..seen(&before) };
    let state = State::new(plan, fleet.held, target, 5);
    let (mut state, actions) = step(state, Event::Start { epoch: 5, owner: "anna".to_owned() }, 0);
    let assigned = actions.iter().find_map(|action| match action {
        rollout::Action::Assign { host, state, .. } if host == "alpha" => Some(state.generation),
        _ => None,
    });
    let (host, generation) = ("alpha".to_owned(), assigned.unwrap());
    let report = Report { epoch: 5, owner: "anna".to_owned(), generation, ..report(vec![runs]) };
    let reported = Event::Reported { host: host.clone(), report };
    for (event, now) in [(Event::Assigned { host, generation }, 1), (reported.clone(), 2), (reported, 10_000)] {
        state = step(state, event, now).0;
    }
    let recreates = state.plan.steps.iter().position(|step| matches!(step.action, Action::Recreate { .. }));
    state.progress()[recreates.unwrap()].clone()
}

#[test]
fn a_step_is_not_done_by_the_container_before_it() {
    assert_eq!(progress_with(2), Progress::Done);
    let waits = Progress::Running { since: 0, seen: "the old container still exists".to_owned() };
    assert_eq!((progress_with(1), progress_with(0)), (waits.clone(), waits));
}

#[test]
fn a_plan_with_other_numbers_has_the_same_aim() {
    let fleet = deployed();
    let Proposal { plan, mut target, .. } = fleet.propose("app", &web(2));
    let record = Record::of(&State::new(plan, fleet.held.clone(), target.clone(), 5));
    let new = &mut target.get_mut("alpha").unwrap().instances[0];
    (new.incarnation, new.last_incarnation) = (7, 9);
    assert!(record.is_aim(&fleet.held, &target));
    target.get_mut("alpha").unwrap().instances[0].wanted = Wanted::Drain;
    assert!(!record.is_aim(&fleet.held, &target));
}

#[test]
fn a_rollout_leaves_other_incarnations_until_the_step_of_their_instance() {
    let mut fleet = deployed();
    let first = of(&fleet.held).clone();
    add(&mut fleet, "alpha", beside(&first, 2, "172.19.128.9", Wanted::Drain));
    let hosts = fleet.held.iter().map(|(name, held)| {
        let mut host = Host::default();
        host.held.clone_from(held);
        (name.clone(), host)
    });
    let proposal = fleet.propose("other", &web(1));
    let mut simulation = Simulation::new(hosts.collect(), proposal.plan, proposal.target, 3);
    simulation.start();
    while simulation.end.is_none() {
        simulation.tick();
        let name = name();
        let held = simulation.hosts["alpha"].held.incarnations(&name).map(|it| it.incarnation);
        assert_eq!(held.collect::<Vec<_>>(), [1, 2]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is deployed, moved and taken back, no number is given to containers with different digests.
    #[test]
    fn a_number_has_one_digest(seed in any::<u64>()) {
        let mut random = SeededRandom::new(seed);
        let mut fleet = deployed();
        let mut digests: BTreeMap<u64, String> = BTreeMap::new();
        let mut runs = of(&fleet.held).clone();
        for _ in 0..12 {
            let place = if random.chance(20) { ON_BETA } else { ON_ALPHA };
            fleet.fleet = TestFleet::new(place).fleet;
            fleet.up("app", &web(random.below(4)));
            let now = of(&fleet.held).clone();
            let known = digests.entry(now.incarnation).or_insert_with(|| now.digest.clone());
            prop_assert_eq!(&*known, &now.digest, "incarnation {} has two digests", now.incarnation);
            // The change succeeds, or the container before it keeps running.
            let host = host_of(&fleet.held, "app/web.1");
            if random.chance(60) || !fleet.reports.contains_key(&host) {
                runs = now;
            }
            fleet.reports = [(host, report(vec![seen(&runs)]))].into();
        }
    }
}
