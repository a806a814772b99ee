//! What the loop asks other hosts, and what waits for their answers.

use std::net::Ipv4Addr;

use super::*;
use crate::desired::{Condition, Dependency, Instance, Restart};
use crate::elsewhere::Elsewhere;
use crate::observed::Health;
use crate::peers::{Answer, PATIENCE, SILENCE};
use crate::plan::Seen;

const BETA: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A state of an agent that has just started on a host with a network and a stopped container of `app`, which depends on
/// `db` on beta.
fn started() -> State {
    let depends_on = vec![Dependency { service: "db".to_owned(), condition: Condition::Healthy }];
    let instance = Instance { digest: "d".to_owned(), container: "app".to_owned(), depends_on, ..Instance::default() };
    let elsewhere = Elsewhere {
        own: Some(Ipv4Addr::new(10, 0, 0, 1)),
        hosts: [BETA].into(),
        instances: [(name("db"), BETA)].into(),
        ..Elsewhere::default()
    };
    let mut desired = (*networks(1, &["infra"]).desired).clone();
    desired.instances.insert(key("app"), instance);
    desired.elsewhere = elsewhere;
    let assignment = Assignment { desired: desired.into(), ..networks(1, &[]) };
    let mut state = State { engine_up: true, ..State::new(Some(assignment)) };
    state.snapshot.stale = Stale::default();
    let container = Container {
        state: observed::State::Exited,
        restart: Restart::Always,
        digest: "d".to_owned(),
        ..running("app")
    };
    state.snapshot.observed.containers.insert("c1".to_owned(), container);
    state
}

fn observe(state: State, now: u64) -> (State, Vec<Effect>) {
    turn(state, [Wake::Observed(Observation::Complete)], now)
}

/// Names of the steps that a turn starts, and the questions that it asks.
fn verbs(effects: &[Effect]) -> Vec<String> {
    let verbs = effects.iter().filter_map(|effect| match effect {
        Effect::Start(action) => Some(action.to_string()),
        Effect::AskForFabric(question) => Some(format!("ask {:?} for the fabric", question.hosts)),
        Effect::AskForHealth { host, instances } => Some(format!("ask {host} for {}", instances[0])),
        _ => None,
    });
    verbs.collect()
}

fn health(health: Health) -> Wake {
    let seen = Seen { state: observed::State::Running, health, exit_code: 0 };
    let answer = Answer::Known([(name("db"), seen)].into());
    Wake::AskedForHealth { host: BETA, instances: vec![name("db")], answer }
}

#[test]
fn f21_instances_wait_at_the_start_until_another_host_has_answered_and_networks_do_not() {
    let mut state = started();
    assert_eq!(state.begin(0).map(|question| question.hosts), Some(vec![BETA]));
    let (state, effects) = observe(state, 0);
    assert_eq!(verbs(&effects), ["ask 10.0.0.2 for data/db.1", "create network infra"]);
    let (state, _) = turn(state, [health(Health::Healthy)], 10);
    let (state, effects) = observe(state, 10);
    assert_eq!((verbs(&effects), published(&effects).0.steps.len()), (vec![], 2), "it is planned and not started");
    assert_eq!((wakes_at(&effects), state.unanswered()), (PATIENCE, None));
    let (state, _) = turn(state, [Wake::AskedForFabric { answered: 1 }], 20);
    let (state, effects) = observe(state, 20);
    assert_eq!(verbs(&effects), ["start data/app.1: c1"]);
    assert_eq!(state.unanswered(), None);
}

#[test]
fn f21_if_no_host_answers_instances_start_and_it_is_known_until_one_answers() {
    let mut state = started();
    state.begin(0);
    let answer = Wake::AskedForHealth { host: BETA, instances: vec![name("db")], answer: Answer::Unsaid };
    let (state, _) = observe(state, 0);
    let (state, _) = turn(state, [Wake::AskedForFabric { answered: 0 }, answer], 2_000);
    let (state, effects) = observe(state, 2_000);
    assert_eq!((verbs(&effects), state.unanswered(), wakes_at(&effects)), (vec![], None, 3_000));
    let (state, effects) = observe(state, PATIENCE);
    assert_eq!(verbs(&effects), ["ask [10.0.0.2] for the fabric", "start data/app.1: c1"]);
    assert_eq!(state.unanswered(), Some(1));
    let (state, _) = turn(state, [Wake::AskedForFabric { answered: 1 }], PATIENCE + 5);
    let (state, effects) = observe(state, PATIENCE + 5);
    assert_eq!((verbs(&effects), state.unanswered()), (vec![], None));
}

#[test]
fn an_instance_waits_for_one_on_another_host_while_that_host_answers_that_it_is_not_healthy() {
    let mut state = started();
    state.begin(0);
    let (state, _) = turn(state, [Wake::AskedForFabric { answered: 1 }], 0);
    let (state, effects) = observe(state, 0);
    assert_eq!(verbs(&effects), ["ask 10.0.0.2 for data/db.1", "create network infra"]);
    let waiting = &published(&effects).0.waiting[&key("app")];
    assert!(waiting.reason.contains("waits for data/db.1 on the host 10.0.0.2") && !waiting.hopeless, "{waiting:?}");
    let (state, _) = turn(state, [health(Health::Starting)], 5);
    let (state, effects) = observe(state, 5);
    assert_eq!((verbs(&effects), wakes_at(&effects)), (vec![], 1_005));
    let (state, effects) = observe(state, 1_005);
    assert_eq!(verbs(&effects), ["ask 10.0.0.2 for data/db.1"]);
    assert_eq!(state.held_up(), &[name("app")].into());
    let (state, _) = turn(state, [health(Health::Healthy)], 1_010);
    let (state, effects) = observe(state, 1_010);
    assert_eq!((verbs(&effects), state.held_up().len()), (vec!["start data/app.1: c1".to_owned()], 0));
}

#[test]
fn an_instance_does_not_wait_for_ever_for_a_host_that_does_not_answer() {
    let mut state = started();
    state.begin(0);
    let silent = Wake::AskedForHealth { host: BETA, instances: vec![name("db")], answer: Answer::Silent };
    let (state, _) = turn(state, [Wake::AskedForFabric { answered: 1 }], 0);
    let (state, _) = observe(state, 0);
    let (state, _) = turn(state, [silent], 2_000);
    let (state, effects) = observe(state, SILENCE - 1);
    assert_eq!(verbs(&effects), ["ask 10.0.0.2 for data/db.1"]);
    assert_eq!(verbs(&observe(state, SILENCE).1), ["start data/app.1: c1"]);
}

#[test]
fn what_a_coordinator_assigns_again_does_not_wait_for_other_hosts() {
    let mut state = started();
    state.begin(0);
    let desired = state.assignment.as_ref().expect("there").desired.clone();
    let stacks = [("data".to_owned(), 2)].into();
    let again = Assignment { epoch: 1, generation: 2, stacks, desired };
    let (state, _) = turn(state, [Wake::AskedForFabric { answered: 1 }, Wake::Assigned(again)], 0);
    let (_, effects) = observe(state, 0);
    assert_eq!(verbs(&effects), ["create network infra", "start data/app.1: c1"]);
}

#[test]
fn nothing_is_asked_for_instances_while_the_engine_is_lost_and_the_loop_does_not_spin() {
    let mut state = started();
    state.begin(0);
    let (state, _) = turn(state, [Wake::AskedForFabric { answered: 1 }, health(Health::Starting)], 0);
    let (state, _) = observe(state, 0);
    let (state, _) = turn(state, [health(Health::Starting)], 5);
    let (state, effects) = observe(state, 5);
    assert_eq!(wakes_at(&effects), 1_005);
    let (_, effects) = turn(state, [Wake::EngineDown], 5_000);
    assert_eq!(verbs(&effects), Vec::<String>::new());
    assert!(wakes_at(&effects) > 5_000);
}
