//! Tables for every rule of the loop.

use std::sync::Arc;

use super::*;
use crate::desired::{self, Desired, Incarnation};
use crate::observed::{self, Container, Listed, Tree};

mod peers;

fn key(service: &str) -> Incarnation {
    Incarnation { instance: name(service), number: 0 }
}

fn name(service: &str) -> InstanceName {
    InstanceName { stack: "data".to_owned(), service: service.to_owned(), index: 1 }
}

fn instance(service: &str) -> Resource {
    Resource::Instance(key(service))
}

/// A host state with these networks, and with nothing else.
fn networks(generation: u64, networks: &[&str]) -> Assignment {
    let networks = networks.iter().map(|network| ((*network).to_owned(), desired::Network::default()));
    let networks = networks.collect();
    let stacks = ["data".to_owned()].into();
    let desired = Desired { stacks, manages_fleet_networks: true, networks, ..Desired::default() };
    Assignment { epoch: 1, generation, desired: desired.into(), ..Assignment::default() }
}

fn create_network(network: &str) -> Action {
    Action::CreateNetwork { network: network.to_owned() }
}

fn ended(action: Action, generation: u64, outcome: Result<StepOutput, StepFailure>) -> Wake {
    Wake::StepEnded(Box::new(StepEnded { action, generation, outcome }))
}

fn failed(severity: Severity) -> Result<StepOutput, StepFailure> {
    Err(StepFailure { message: "no room".to_owned(), severity })
}

/// A state of which nothing is stale, with an engine that answers and steps under way for these resources.
fn quiet(busy: &[(Resource, bool)]) -> State {
    let under_way = |is_uncounted| UnderWay { is_uncounted, assigned: 0 };
    let busy = busy.iter().map(|(resource, is_stop)| (resource.clone(), under_way(*is_stop))).collect();
    let mut state = State { engine_up: true, busy, ..State::default() };
    state.snapshot.stale = Stale::default();
    state
}

/// What is stale after a wake.
fn stale_after(state: State, wake: Wake) -> Stale {
    turn(state, [wake], 0).0.snapshot.stale
}

fn running(service: &str) -> Container {
    Container { name: service.to_owned(), instance: name(service), ..Container::default() }
}

/// The actions that a turn starts.
fn starts(effects: &[Effect]) -> Vec<&Action> {
    let starts = effects.iter().filter_map(|effect| match effect {
        Effect::Start(action) => Some(action),
        _ => None,
    });
    starts.collect()
}

fn published(effects: &[Effect]) -> (&Plan, bool, bool) {
    let published = effects.iter().find_map(|effect| match effect {
        Effect::Publish { plan, busy, engine_lost } => Some((plan, busy.is_idle(), *engine_lost)),
        _ => None,
    });
    published.expect("every turn that does not observe publishes")
}

fn wakes_at(effects: &[Effect]) -> u64 {
    let at = effects.iter().find_map(|effect| match effect {
        Effect::WakeAt(at) => Some(*at),
        _ => None,
    });
    at.expect("every turn that does not observe sets the timer")
}

#[test]
fn at_first_nothing_is_known_of_the_host() {
    let state = State::default();
    assert_eq!(state.snapshot.stale, Stale::all());
    let (_, effects) = turn(state, [Wake::Links], 0);
    let (plan, _, engine_lost) = published(&effects);
    assert!(engine_lost && *plan == Plan::default(), "an engine that was not heard of is not asked");
}

#[test]
fn an_engine_that_answers_makes_everything_stale_and_is_observed() {
    let mut state = quiet(&[]);
    state.engine_up = false;
    let (state, effects) = turn(state, [Wake::EngineUp], 0);
    assert_eq!(state.snapshot.stale, Stale::all());
    assert_eq!(effects, [Effect::Observe { desired: Arc::default(), busy: BTreeSet::new() }]);
}

#[test]
fn an_observation_gets_the_desired_state_and_the_busy_containers() {
    let mut state = quiet(&[(instance("redis"), false), (Resource::Network("infra".to_owned()), false)]);
    state.assignment = Some(networks(1, &["infra"]));
    for service in ["redis", "web"] {
        state.snapshot.observed.containers.insert(format!("c-{service}"), running(service));
    }
    let (_, effects) = turn(state, [Wake::Links], 0);
    let desired = networks(1, &["infra"]).desired;
    assert_eq!(effects, [Effect::Observe { desired, busy: ["c-redis".to_owned()].into() }]);
}

#[test]
fn wakes_of_one_turn_lead_to_one_observation() {
    let wakes = [Wake::EngineEvent(Changed::Volumes), Wake::EngineEvent(Changed::Images), Wake::Links];
    let (state, effects) = turn(quiet(&[]), wakes, 0);
    let expected = Stale { volumes: true, images: true, overlays: true, ..Stale::default() };
    assert_eq!((state.snapshot.stale, effects.len()), (expected, 1));
}

#[test]
fn each_wake_makes_stale_what_it_may_have_changed() {
    let container = |instance: Option<&str>| Changed::Container { id: "c1".to_owned(), instance: instance.map(name) };
    let inspect = || Stale { containers: ["c1".to_owned()].into(), ..Stale::default() };
    let cases = [
        (Wake::Assigned(networks(1, &[])), Stale { trees: true, images: true, overlays: true, ..Stale::default() }),
        (Wake::EngineEvent(container(Some("redis"))), inspect()),
        // It is not of the fleet, so the list says all that is needed of it.
        (Wake::EngineEvent(container(None)), Stale { list: true, ..Stale::default() }),
        (Wake::EngineEvent(Changed::Networks), Stale { networks: true, overlays: true, ..Stale::default() }),
        (Wake::EngineEvent(Changed::Volumes), Stale { volumes: true, ..Stale::default() }),
        (Wake::EngineEvent(Changed::Images), Stale { images: true, ..Stale::default() }),
        (Wake::Links, Stale { overlays: true, ..Stale::default() }),
        (Wake::Timer, Stale::default()),
        (Wake::EngineDown, Stale::default()),
    ];
    for (wake, expected) in cases {
        assert_eq!(stale_after(quiet(&[]), wake.clone()), expected, "{wake:?}");
    }
}

#[test]
fn events_of_a_step_under_way_make_nothing_stale() {
    let busy = [
        (instance("redis"), false),
        (Resource::Network("infra".to_owned()), false),
        (Resource::Volume("data".to_owned()), false),
    ];
    let container =
        |id: &str, instance: Option<&str>| Changed::Container { id: id.to_owned(), instance: instance.map(name) };
    let cases = [
        (container("new", Some("redis")), true),
        (container("redis", None), true),
        (Changed::Networks, true),
        (Changed::Volumes, true),
        (container("new", Some("web")), false),
        (container("web", None), false),
        (container("unknown", None), false),
        (Changed::Images, false),
    ];
    for (changed, is_own) in cases {
        let state = |busy| {
            let mut state = quiet(busy);
            for service in ["redis", "web"] {
                state.snapshot.observed.containers.insert(service.to_owned(), running(service));
            }
            state
        };
        let stale = stale_after(state(&busy), Wake::EngineEvent(changed.clone()));
        assert_eq!(stale == Stale::default(), is_own, "{changed:?}");
        // An overlay or a tree that is being changed explains no event of the engine.
        let other = [(Resource::Overlay("infra".to_owned()), false), (Resource::Tree("data".to_owned()), false)];
        assert_ne!(stale_after(state(&other), Wake::EngineEvent(changed.clone())), Stale::default(), "{changed:?}");
    }
}

#[test]
fn each_step_makes_stale_what_it_may_have_changed() {
    let (known, unknown) = ("redis".to_owned(), "data-redis-1".to_owned());
    let instance = key("redis");
    let network = Stale { networks: true, overlays: true, ..Stale::default() };
    let volume = Stale { volumes: true, ..Stale::default() };
    let tree = Stale { trees: true, ..Stale::default() };
    let list = Stale { list: true, ..Stale::default() };
    let inspect = Stale { containers: [known.clone()].into(), ..Stale::default() };
    let text = || "x".to_owned();
    let create = Action::Create {
        instance: instance.clone(),
        name: text(),
        image: text(),
        partners: BTreeMap::new(),
        previous: None,
    };
    let start = |container: &String| Action::Start { instance: instance.clone(), container: container.clone() };
    let stop = |container: &String| {
        let container = container.clone();
        Action::Stop { instance: instance.clone(), container, grace: None }
    };
    let remove = |container: &String| Action::Remove { instance: instance.clone(), container: container.clone() };
    let rename = |container: &String| {
        let container = container.clone();
        Action::Rename { instance: instance.clone(), container, name: text() }
    };
    let cases = [
        (create_network("x"), &network),
        (Action::RemoveNetwork { network: text() }, &network),
        (Action::Program { network: text(), steps: Vec::new() }, &Stale { overlays: true, ..Stale::default() }),
        (Action::CreateVolume { volume: text() }, &volume),
        (Action::RemoveVolume { volume: text() }, &volume),
        (Action::SyncTree { stack: text(), manifest: text() }, &tree),
        (Action::RemoveTree { stack: text() }, &tree),
        // A step that created a container and could not say which.
        (create, &list),
        (start(&known), &inspect),
        (stop(&known), &inspect),
        (remove(&known), &inspect),
        (rename(&known), &inspect),
        // Containers that the plan knows by their names only.
        (start(&unknown), &list),
        (stop(&unknown), &list),
        (remove(&unknown), &list),
        (rename(&unknown), &list),
    ];
    for (action, expected) in cases {
        for outcome in [Ok(StepOutput::default()), failed(Severity::Counted)] {
            let mut state = quiet(&[(action.resource(), false)]);
            state.snapshot.observed.containers.insert(known.clone(), running("redis"));
            let (state, _) = turn(state, [ended(action.clone(), 1, outcome)], 0);
            assert_eq!(state.snapshot.stale, *expected, "{action}");
            assert!(state.busy.is_empty(), "{action}");
        }
    }
}

#[test]
fn a_created_container_is_known_without_an_inspection() {
    let action = Action::Create {
        instance: key("redis"),
        name: "data-redis-1".to_owned(),
        image: "redis".to_owned(),
        partners: BTreeMap::new(),
        previous: None,
    };
    let created = ("c1".to_owned(), running("redis"));
    let output = StepOutput { container: Some(created.clone()), kept: None };
    let (state, _) = turn(quiet(&[(instance("redis"), false)]), [ended(action, 1, Ok(output))], 0);
    assert_eq!(state.snapshot.stale, Stale::default());
    assert_eq!(state.snapshot.observed.containers, [created].into());
}

#[test]
fn a_list_forgets_what_is_gone_and_inspects_what_differs() {
    let observed = |id: &str, state: observed::State| (id.to_owned(), Container { state, ..running(id) });
    let listed = |id: &str, instance: Option<&str>, name: &str, state| {
        let foreign = observed::Foreign { name: name.to_owned(), ..observed::Foreign::default() };
        (id.to_owned(), Listed { instance: instance.map(self::name), state, foreign, ..Listed::default() })
    };
    let (running, exited) = (observed::State::Running, observed::State::Exited);
    let seen = [
        observed("same", running),
        observed("ended", running),
        observed("renamed", running),
        observed("gone", running),
    ];
    let list: BTreeMap<String, Listed> = [
        listed("same", Some("same"), "same", running),
        listed("ended", Some("ended"), "ended", exited),
        listed("renamed", Some("renamed"), "other", running),
        listed("new", Some("new"), "new", running),
        listed("theirs", None, "theirs", running),
    ]
    .into();
    for inspect in [false, true] {
        let mut snapshot = quiet(&[]).snapshot;
        snapshot.observed.containers = seen.clone().into();
        snapshot.observed.foreign.insert("left".to_owned(), observed::Foreign::default());
        (snapshot.stale.list, snapshot.stale.inspect) = (true, inspect);
        snapshot.apply_list(list.clone());
        let mut expected: BTreeSet<String> = ["ended", "new", "renamed"].map(str::to_owned).into();
        if inspect {
            expected.insert("same".to_owned());
        }
        assert_eq!(snapshot.stale, Stale { containers: expected, ..Stale::default() }, "inspect: {inspect}");
        assert_eq!(snapshot.observed.containers.keys().collect::<Vec<_>>(), ["ended", "new", "renamed", "same"]);
        assert_eq!(snapshot.observed.unknown.containers, [("new".to_owned(), None)].into());
        assert_eq!(snapshot.observed.foreign.keys().collect::<Vec<_>>(), ["theirs"]);
    }
}

#[test]
fn what_is_unknown_is_asked_about_again_after_waits_that_grow() {
    let mut state = quiet(&[]);
    state.assignment = Some(networks(1, &[]));
    state.snapshot.observed.containers.insert("c1".to_owned(), running("redis"));
    state.snapshot.observed.containers.insert("c2".to_owned(), running("web"));
    state.snapshot.observed.unknown.networks = Some("no answer".to_owned());
    let stale = Stale { containers: ["c1".to_owned()].into(), networks: true, ..Stale::default() };
    let (mut now, mut waits) = (0, Vec::new());
    for _ in 0..8 {
        // The observation fails again.
        state.snapshot.stale = Stale::default();
        state.snapshot.not_inspected("c1", "no answer".to_owned());
        assert_eq!(state.snapshot.stale, Stale::default());
        let (after, effects) = turn(state, [Wake::Observed(Observation::Complete)], now);
        let at = effects.iter().find_map(|it| if let Effect::WakeAt(at) = it { Some(*at) } else { None });
        let look_again = after.look_again.expect("something is unknown");
        assert_eq!(at.expect("the timer is set"), look_again.min(after.next_period));
        waits.push(look_again - now);
        let early = turn(after.clone(), [Wake::Timer], look_again - 1).0.snapshot.stale;
        assert!(early.containers.is_empty(), "{early:?}");
        let (due, _) = turn(after, [Wake::Timer], look_again);
        let found = Stale { list: false, trees: false, overlays: false, ..due.snapshot.stale.clone() };
        assert_eq!(found, stale);
        (state, now) = (due, look_again);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60].map(|seconds| seconds * 1_000));
    state.snapshot.inspected("c1", Some(running("redis")));
    state.snapshot.observed.unknown.networks = None;
    state.snapshot.stale = Stale::default();
    let (state, _) = turn(state, [Wake::Observed(Observation::Complete)], now);
    assert_eq!((state.unknown_count, state.look_again), (0, None));
}

#[test]
fn syncs_take_no_turn_from_other_steps() {
    let syncs = (0..STEPS_AT_ONCE + 1).map(|at| (Resource::Tree(format!("s{at}")), true)).collect::<Vec<_>>();
    let mut state = quiet(&syncs);
    let mut assignment = networks(1, &["infra"]);
    let desired = Desired { trees: [("data".to_owned(), "m".to_owned())].into(), ..(*assignment.desired).clone() };
    assignment.desired = desired.into();
    state.assignment = Some(assignment);
    let (state, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    let sync = Action::SyncTree { stack: "data".to_owned(), manifest: "m".to_owned() };
    assert_eq!(starts(&effects), [&create_network("infra"), &sync]);
    assert!(state.busy[&Resource::Tree("data".to_owned())].is_uncounted, "it is not counted");
    assert!(!state.busy[&Resource::Network("infra".to_owned())].is_uncounted, "it is counted");
}

#[test]
fn busy_containers_are_inspected_later() {
    let mut state = quiet(&[]);
    state.snapshot.observed.containers.insert("c1".to_owned(), running("redis"));
    state.snapshot.stale.containers = ["c1".to_owned(), "unknown".to_owned()].into();
    let busy = ["c1".to_owned()].into();
    assert_eq!(state.snapshot.to_inspect(&busy).collect::<Vec<_>>(), ["unknown"]);
    assert_eq!(state.snapshot.to_inspect(&BTreeSet::new()).count(), 2);
}

#[test]
fn the_period_makes_stale_what_changes_without_an_event() {
    let changing = Stale { list: true, networks: true, trees: true, overlays: true, ..Stale::default() };
    let (early, _) = turn(quiet(&[]), [Wake::Timer], PERIOD - 1);
    assert_eq!((&early.snapshot.stale, early.next_period), (&Stale::default(), PERIOD));
    let (exact, _) = turn(early.clone(), [Wake::Timer], PERIOD);
    assert_eq!((&exact.snapshot.stale, exact.next_period), (&changing, 2 * PERIOD));
    let (due, _) = turn(early, [Wake::Timer], PERIOD + 5);
    assert_eq!((&due.snapshot.stale, due.next_period), (&changing, PERIOD + 5 + PERIOD));
    let (late, _) = turn(quiet(&[]), [Wake::Links], PERIOD + 5);
    assert_eq!(late.next_period, PERIOD, "only the timer ends a period");
}

#[test]
fn the_timer_is_set_to_what_comes_first() {
    let complete = [Wake::Observed(Observation::Complete)];
    let (_, effects) = turn(quiet(&[]), complete.clone(), 10);
    assert_eq!(wakes_at(&effects), PERIOD, "the next period");

    for observation in [Observation::Failed, Observation::Unreliable] {
        let (_, effects) = turn(quiet(&[]), [Wake::Observed(observation)], 10);
        assert_eq!(wakes_at(&effects), 10 + OBSERVE_AGAIN, "another observation after one that is {observation:?}");
    }

    let mut waiting = quiet(&[]);
    waiting.snapshot.stale.containers.insert("c1".to_owned());
    let (_, effects) = turn(waiting.clone(), complete.clone(), 10);
    assert_eq!(wakes_at(&effects), 10 + OBSERVE_AGAIN, "a container that could not be inspected");
    waiting.snapshot.observed.containers.insert("c1".to_owned(), running("redis"));
    waiting.busy.insert(instance("redis"), UnderWay { is_uncounted: false, assigned: 0 });
    let (_, effects) = turn(waiting, complete.clone(), 10);
    assert_eq!(wakes_at(&effects), PERIOD, "the end of a step is a wake itself");

    let mut failing = quiet(&[]);
    failing.attempts.failed(instance("redis"), "start", "no room".to_owned(), Severity::Counted, 10);
    let (_, effects) = turn(failing.clone(), complete, 10);
    assert_eq!(wakes_at(&effects), 1_010, "the next attempt");

    let (down, effects) = turn(failing, [Wake::EngineDown], 2_000);
    assert_eq!(wakes_at(&effects), PERIOD, "an attempt that is due waits for the engine");
    let (_, effects) = turn(State { observe_again: true, ..down }, [Wake::Timer], 2_001);
    assert_eq!(wakes_at(&effects), PERIOD, "an engine that is down is not observed again");
}

#[test]
fn steps_are_started_after_a_complete_observation_only() {
    let cases = [
        (Wake::Observed(Observation::Complete), 1, false),
        (Wake::Observed(Observation::Failed), 0, true),
        (Wake::Observed(Observation::Unreliable), 0, true),
        (Wake::EngineDown, 0, true),
    ];
    for (wake, started, lost) in cases {
        let state = State { assignment: Some(networks(1, &["infra"])), ..quiet(&[]) };
        let (state, effects) = turn(state, [wake.clone()], 0);
        let (plan, idle, engine_lost) = published(&effects);
        assert_eq!((starts(&effects).len(), engine_lost), (started, lost), "{wake:?}");
        assert_eq!(plan.steps.len(), 1, "{wake:?}");
        assert_eq!(idle, started == 0, "{wake:?}");
        assert_eq!(state.busy.len(), started, "{wake:?}");
        let is_all = state.snapshot.stale == Stale::all();
        assert_eq!(is_all, wake == Wake::Observed(Observation::Unreliable), "{wake:?}");
    }
}

#[test]
fn a_host_is_not_idle_while_a_container_waits_to_be_inspected() {
    let mut state = quiet(&[]);
    state.snapshot.stale.containers.insert("c1".to_owned());
    let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert!(!published(&effects).1);
}

#[test]
fn nothing_is_planned_before_the_first_assignment() {
    let mut state = quiet(&[]);
    let ours = observed::Network { ours: true, ..observed::Network::default() };
    state.snapshot.observed.networks.insert("infra".to_owned(), ours);
    let (state, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(published(&effects).0, &Plan::default());
    let (state, _) = turn(state, [Wake::Assigned(networks(1, &[]))], 0);
    let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(starts(&effects), [&Action::RemoveNetwork { network: "infra".to_owned() }]);
}

#[test]
fn an_assignment_of_an_earlier_run_is_carried_out() {
    let state = State { engine_up: true, ..State::new(Some(networks(1, &["infra"]))) };
    let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(starts(&effects), [&create_network("infra")]);
}

#[test]
fn a_resource_has_one_step_at_a_time() {
    let busy = (Resource::Network("a".to_owned()), false);
    let state = State { assignment: Some(networks(1, &["a", "b"])), ..quiet(&[busy]) };
    let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(starts(&effects), [&create_network("b")]);
}

#[test]
fn two_steps_of_one_instance_are_not_started_together() {
    let mut state = State { assignment: Some(networks(1, &[])), ..quiet(&[]) };
    for id in ["c1", "c2"] {
        let container = Container { state: observed::State::Exited, ..running("redis") };
        state.snapshot.observed.containers.insert(id.to_owned(), container);
    }
    let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    let ready = published(&effects).0.ready(|_| false).count();
    assert_eq!((ready, starts(&effects).len()), (2, 1));
}

#[test]
fn steps_at_a_time_are_limited_and_stops_are_not_counted() {
    let services: Vec<String> = (0..=STEPS_AT_ONCE).map(|number| format!("s{number}")).collect();
    let volumes = services.iter().map(|name| (name.clone(), desired::Volume::default())).collect();
    let desired = Desired { stacks: ["data".to_owned()].into(), volumes, ..Desired::default() };
    let mut state = State {
        assignment: Some(Assignment { epoch: 1, generation: 1, desired: desired.into(), ..Assignment::default() }),
        ..quiet(&[])
    };
    for service in &services {
        let container = Container { state: observed::State::Running, ..running(service) };
        state.snapshot.observed.containers.insert(service.clone(), container);
    }
    let (state, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    let (stops, others): (Vec<_>, Vec<_>) =
        starts(&effects).into_iter().partition(|action| matches!(action, Action::Stop { .. }));
    assert_eq!((stops.len(), others.len()), (STEPS_AT_ONCE + 1, STEPS_AT_ONCE));

    let first = others.first().copied().expect("not empty").clone();
    let (state, _) = turn(state, [ended(first, 1, failed(Severity::Final))], 0);
    let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(starts(&effects).len(), 1, "a step that ended makes room for one");
}

#[test]
fn a_failed_step_is_tried_again_when_its_wait_is_over() {
    let state = State { assignment: Some(networks(1, &["infra"])), ..quiet(&[]) };
    let (state, _) = turn(state, [ended(create_network("infra"), 1, failed(Severity::Counted))], 0);
    let (early, effects) = turn(state, [Wake::Observed(Observation::Complete)], 999);
    assert!(starts(&effects).is_empty());
    assert_eq!(published(&effects).0.steps.len(), 1, "it is still planned");
    assert_eq!(wakes_at(&effects), 1_000);
    let (_, effects) = turn(early, [Wake::Observed(Observation::Complete)], 1_000);
    assert_eq!(starts(&effects), [&create_network("infra")]);
}

#[test]
fn an_engine_that_answers_again_ends_waits_and_not_what_was_given_up() {
    let mut state = State { assignment: Some(networks(1, &["a", "b"])), ..quiet(&[]) };
    for (network, severity) in [("a", Severity::Uncounted), ("b", Severity::Final)] {
        state = turn(state, [ended(create_network(network), 1, failed(severity))], 0).0;
    }
    let (state, _) = turn(state, [Wake::EngineUp], 0);
    let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(starts(&effects), [&create_network("a")]);
}

#[test]
fn a_new_generation_forgets_what_failed_and_the_same_one_does_not() {
    let given_up = State { assignment: Some(networks(1, &["infra"])), ..quiet(&[]) };
    let (given_up, _) = turn(given_up, [ended(create_network("infra"), 1, failed(Severity::Final))], 0);
    let other_epoch = Assignment { epoch: 2, ..networks(1, &["infra"]) };
    let cases = [(networks(1, &["infra"]), 0), (networks(2, &["infra"]), 1), (other_epoch, 1)];
    for (assignment, started) in cases {
        let (state, _) = turn(given_up.clone(), [Wake::Assigned(assignment.clone())], 0);
        let (_, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
        assert_eq!(starts(&effects).len(), started, "{assignment:?}");
    }
}

#[test]
fn f63_a_stack_that_is_assigned_does_not_try_again_what_failed_in_another_one() {
    let assigned = |generation, data, web| Assignment {
        epoch: 1,
        generation,
        stacks: [("data".to_owned(), data), ("web".to_owned(), web)].into(),
        ..Assignment::default()
    };
    let mut state = State { assignment: Some(assigned(1, 1, 1)), ..quiet(&[]) };
    for stack in ["data", "web"] {
        let resource = Resource::Instance(Incarnation { instance: InstanceName::new(stack, "app", 1), number: 0 });
        state.attempts.failed(resource, "start", "no".to_owned(), Severity::Final, 0);
        state.attempts.failed(Resource::Tree(stack.to_owned()), "sync", "no".to_owned(), Severity::Final, 0);
    }
    let given_up = |assignment| {
        let (state, _) = turn(state.clone(), [Wake::Assigned(assignment)], 0);
        let all = state.attempts().given_up();
        all.iter().map(|resource| resource.to_string().replace("files of ", "")).collect::<Vec<_>>()
    };
    assert_eq!(given_up(assigned(2, 1, 2)), ["data", "data/app.1"], "web was assigned again");
    assert_eq!(given_up(assigned(2, 1, 1)), ["data", "web", "data/app.1", "web/app.1"]);
}

/// A state with two incarnations of one instance, each with its container and with the second one starting.
fn side_by_side(assigned: u64) -> State {
    let incarnation = |number| Incarnation { instance: name("redis"), number };
    let wanted = desired::Instance { digest: "d".to_owned(), ..desired::Instance::default() };
    let instances = [1, 2].map(|number| (incarnation(number), wanted.clone())).into();
    let desired = Desired { stacks: ["data".to_owned()].into(), instances, ..Desired::default() };
    let stacks = [("data".to_owned(), 1)].into();
    let assignment = Assignment { epoch: 1, generation: 1, stacks, desired: desired.into() };
    let mut state = State { assignment: Some(assignment), ..quiet(&[]) };
    state.busy.insert(Resource::Instance(incarnation(2)), UnderWay { is_uncounted: false, assigned });
    for number in [1, 2] {
        let container = Container { incarnation: number, digest: "d".to_owned(), ..running("redis") };
        state.snapshot.observed.containers.insert(format!("c{number}"), container);
    }
    state
}

#[test]
fn a_step_of_one_incarnation_does_not_hold_up_the_other() {
    let event = |id: &str| Wake::EngineEvent(Changed::Container { id: id.to_owned(), instance: Some(name("redis")) });
    let stale = |id: &str| stale_after(side_by_side(1), event(id)).containers;
    assert_eq!((stale("c1"), stale("c2")), (["c1".to_owned()].into(), BTreeSet::new()));
    assert_eq!(stale("new"), BTreeSet::new(), "the step may be creating it");
    assert_eq!(side_by_side(1).busy_containers(), ["c2".to_owned()].into());
    let (_, effects) = turn(side_by_side(1), [Wake::Observed(Observation::Complete)], 0);
    let first = Incarnation { instance: name("redis"), number: 1 };
    assert_eq!(starts(&effects), [&Action::Start { instance: first, container: "c1".to_owned() }]);
}

#[test]
fn a_step_from_before_an_assignment_holds_up_every_incarnation() {
    // Then the container that it works on may have been of another incarnation.
    let (_, effects) = turn(side_by_side(0), [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(starts(&effects), [] as [&Action; 0]);
    assert_eq!(side_by_side(0).busy_containers().len(), 2);
}

#[test]
fn f63_a_step_of_one_stack_does_not_keep_another_one_busy() {
    let state = quiet(&[(instance("app"), true)]);
    let (state, _) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    let busy = state.unsettled();
    assert_eq!((busy.is_idle(), busy.is_idle_for("data"), busy.is_idle_for("web")), (false, false, true));
    let mut state = state;
    state.busy.insert(Resource::Network("infra".to_owned()), UnderWay { is_uncounted: false, assigned: 0 });
    assert!(!state.unsettled().is_idle_for("web"), "a network may concern any stack");
}

#[test]
fn what_is_seen_of_a_volume_while_it_is_removed_is_not_in_the_way() {
    let remove = Action::RemoveVolume { volume: "files".to_owned() };
    let volumes = [("files".to_owned(), desired::Volume { remove: true, ..desired::Volume::default() })].into();
    let desired = Desired { volumes, stacks: ["data".to_owned()].into(), ..Desired::default() };
    let assignment = Assignment { epoch: 1, generation: 1, desired: desired.into(), ..Assignment::default() };
    let mut state = State { assignment: Some(assignment), ..quiet(&[]) };
    // The engine shows it without its labels.
    state.snapshot.observed.volumes.insert("files".to_owned(), observed::Volume::default());
    let (known, effects) = turn(state.clone(), [Wake::Observed(Observation::Complete)], 0);
    assert_eq!(published(&effects).0.obstacles.len(), 1, "it is in the way of its removal: {:?}", known.busy);
    state.busy.insert(remove.resource(), UnderWay { is_uncounted: false, assigned: 0 });
    let (state, effects) = turn(state, [Wake::Observed(Observation::Complete)], 0);
    assert_eq!((published(&effects).0.obstacles.len(), published(&effects).1), (0, false));
    // The step has ended since the engine was asked.
    let gone = ended(remove, 1, Ok(StepOutput::default()));
    let (_, effects) = turn(state, [gone, Wake::Observed(Observation::Complete)], 0);
    assert_eq!((published(&effects).0.obstacles.len(), published(&effects).1), (0, false));
}

#[test]
fn a_failure_for_a_past_generation_does_not_give_up_the_resource() {
    for (generation, given_up) in [(2, 1), (1, 0)] {
        let state = State { assignment: Some(networks(2, &["infra"])), ..quiet(&[]) };
        let (state, _) = turn(state, [ended(create_network("infra"), generation, failed(Severity::Final))], 0);
        assert_eq!(state.attempts().given_up().len(), given_up, "generation {generation}");
        assert_eq!(state.attempts().iter().count(), 1, "generation {generation}");
    }
}

#[test]
fn a_step_that_succeeds_clears_its_failure() {
    let state = State { assignment: Some(networks(1, &["infra"])), ..quiet(&[]) };
    let (state, _) = turn(state, [ended(create_network("infra"), 1, failed(Severity::Counted))], 0);
    let (state, _) = turn(state, [ended(create_network("infra"), 1, Ok(StepOutput::default()))], 0);
    assert_eq!(state.attempts().iter().count(), 0);
}

#[test]
fn files_that_a_sync_kept_are_known_until_the_stack_is_gone_or_synced_again() {
    let sync = |kept: &[&str]| {
        let kept = kept.iter().map(|path| (*path).to_owned()).collect();
        let action = Action::SyncTree { stack: "data".to_owned(), manifest: "m".to_owned() };
        ended(action, 1, Ok(StepOutput { kept: Some(kept), container: None }))
    };
    let kept = |state: &State| state.kept().get("data").cloned().unwrap_or_default();
    let with_tree = |generation| {
        let trees = [("data".to_owned(), "m".to_owned())].into();
        let desired = Desired { trees, ..Desired::default() }.into();
        Assignment { epoch: 1, generation, desired, ..Assignment::default() }
    };
    let mut state = quiet(&[]);
    state.snapshot.observed.trees.insert("data".to_owned(), Tree::default());
    let (state, _) = turn(state, [sync(&["app.conf"])], 0);
    assert_eq!(kept(&state), ["app.conf"]);
    let (state, _) = turn(state, [Wake::Assigned(with_tree(2))], 0);
    assert_eq!(kept(&state), ["app.conf"], "the stack is still assigned");
    let (again, _) = turn(state.clone(), [sync(&[])], 0);
    assert!(kept(&again).is_empty());
    let (gone, _) = turn(state, [Wake::Assigned(networks(3, &[]))], 0);
    assert!(kept(&gone).is_empty());
}
