//! Rollouts on simulated hosts that answer late, lose connections, crash and fail.
#![allow(clippy::unwrap_used)]
mod simulation;
mod test_fleet;

use std::collections::BTreeMap;

use landfast_core::plan::Action;
use landfast_core::rollout::{Failure, HOST_TIMEOUT_MS, Progress};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use simulation::{Behaviour, Faults, Host, Simulation};
use test_fleet::random::{CHECK, SeededRandom, places, stack};
use test_fleet::{NET, Proposal, TestFleet};

fn hosts(test_fleet: &TestFleet) -> BTreeMap<String, Host> {
    test_fleet.fleet.hosts.keys().map(|host| (host.clone(), Host::default())).collect()
}

fn simulate(hosts: BTreeMap<String, Host>, proposal: &Proposal, seed: u64) -> Simulation {
    Simulation::new(hosts, proposal.plan.clone(), proposal.target.clone(), seed)
}

/// Deploys the first version without faults and proposes the second.
fn second(places: [&str; 2], first: &str, second: &str) -> (BTreeMap<String, Host>, Proposal) {
    try_second(places, first, second).unwrap()
}

/// Like `second`; none if the files are invalid, for example if replicas publish one port on too few hosts.
fn try_second(places: [&str; 2], first: &str, second: &str) -> Option<(BTreeMap<String, Host>, Proposal)> {
    let mut test_fleet = TestFleet::new(places[0]);
    test_fleet.compile("app", &format!("{first}{NET}")).ok()?;
    let proposal = test_fleet.propose("app", &format!("{first}{NET}"));
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 7);
    simulation.run().unwrap();
    simulation.check_target_reached();
    test_fleet.before.extend(proposal.after);
    test_fleet.held = simulation.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    test_fleet.release = 2;
    test_fleet.fleet = TestFleet::new(places[1]).fleet;
    test_fleet.compile("app", &format!("{second}{NET}")).ok()?;
    let proposal = test_fleet.propose("app", &format!("{second}{NET}"));
    Some((simulation.hosts, proposal))
}

fn three(image: &str) -> String {
    format!("services:\n  web: {{image: '{image}', networks: [infra_net], deploy: {{replicas: 3}}, {CHECK}}}\n")
}

/// Progress of the steps that recreate an instance.
fn recreates(proposal: &Proposal, failure: &Failure) -> Vec<Progress> {
    let steps = proposal.plan.steps.iter().zip(&failure.steps);
    let steps = steps.filter(|(step, _)| matches!(step.action, Action::Recreate { .. }));
    steps.map(|(_, progress)| progress.clone()).collect()
}

#[test]
fn a_stack_starts_in_order_across_hosts() {
    let yaml = format!(
        "services:
  db: {{image: 'db:1', networks: [infra_net], {CHECK}}}
  job: {{image: 'job:1', command: [job], networks: [infra_net], depends_on: {{db: {{condition: service_healthy}}}}}}
  app: {{image: 'app:1', networks: [infra_net], depends_on: {{job: {{condition: service_completed_successfully}}}}}}
{NET}"
    );
    let test_fleet = TestFleet::new("");
    let proposal = test_fleet.propose("app", &yaml);
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 1);
    simulation.run().unwrap();
    simulation.check_target_reached();
}

#[test]
fn f46_an_update_that_is_never_healthy_stops_at_the_first_and_leaves_the_others() {
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("web:2".into(), Behaviour::Unhealthy);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons, ["app/web.1 on alpha: it is unhealthy"]);
    let failed = Progress::Failed { message: "it is unhealthy".into() };
    assert_eq!(recreates(&proposal, &failure), [failed, Progress::Waiting, Progress::Waiting]);
    let old = simulation.hosts.values().flat_map(|host| &host.held.instances);
    assert_eq!(old.filter(|instance| instance.container.image == "web:1").count(), 2);
}

#[test]
fn a_crash_loop_is_detected_quickly_and_a_failed_job_that_nothing_waits_for_is_ignored() {
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("web:2".into(), Behaviour::Crashes);
    let begun = simulation.now;
    let failure = simulation.run().unwrap_err();
    let reason =
        "app/web.1 on alpha: it keeps exiting: 3 restarts, last status 3; the last lines it wrote:\n    | boom";
    assert_eq!(failure.reasons, [reason]);
    assert!(simulation.now - begun < 20_000);

    let test_fleet = TestFleet::new("");
    let proposal =
        test_fleet.propose("app", &format!("services: {{job: {{image: 'j:1', networks: [infra_net]}}}}\n{NET}"));
    let mut simulation = simulate(self::hosts(&test_fleet), &proposal, 3);
    simulation.behaviours.insert("j:1".into(), Behaviour::Ends(2));
    // No instance waits for the job, so its start is enough here.
    assert_eq!(simulation.run(), Ok(()));
}

/// Three replicas without a health check.
fn unchecked(image: &str, more: &str) -> String {
    format!(
        "services:\n  web: {{image: '{image}', networks: [infra_net], restart: always, deploy: {{replicas: 3{more}}}}}\n"
    )
}

#[test]
fn without_a_health_check_an_updated_instance_must_keep_running_before_the_next_update() {
    let mut took = Vec::new();
    for (more, watched) in
        [("", 5_000), (", update_config: {monitor: 20s}", 20_000), (", update_config: {monitor: 1s}", 1_000)]
    {
        let (hosts, proposal) = second(["", ""], &unchecked("web:1", more), &unchecked("web:2", more));
        let mut simulation = simulate(hosts, &proposal, 3);
        simulation.start();
        let new = |simulation: &Simulation| {
            let held = simulation.hosts.values().flat_map(|host| &host.held.instances);
            held.filter(|instance| instance.container.image == "web:2").count()
        };
        let mut released = Vec::new();
        while simulation.end.is_none() {
            simulation.tick();
            if new(&simulation) > released.len() {
                released.push(simulation.now);
            }
        }
        let end = simulation.now;
        assert_eq!(simulation.end, Some(Ok(())));
        for pair in released.windows(2) {
            assert!(pair[1] - pair[0] >= watched, "{more}: {released:?}");
        }
        assert!(end - released[2] >= watched, "{more}: the rollout ended before the last instance ran long enough");
        took.push(end - released[0]);
    }
    assert!(took[2] < took[0] && took[0] < took[1], "the rollout takes longer with a longer monitor: {took:?}");
}

#[test]
fn a_crash_loop_without_a_health_check_stops_the_update_at_the_first_instance() {
    let (hosts, proposal) = second(["", ""], &unchecked("web:1", ""), &unchecked("web:2", ""));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("web:2".into(), Behaviour::Crashes);
    let failure = simulation.run().unwrap_err();
    assert!(
        failure.reasons[0].starts_with("app/web.1 on alpha: it keeps exiting: 3 restarts"),
        "{:?}",
        failure.reasons
    );
    assert!(failure.reasons[0].ends_with("| boom"));
    assert_eq!(recreates(&proposal, &failure)[1..], [Progress::Waiting, Progress::Waiting]);
}

#[test]
fn a_first_start_that_keeps_exiting_fails_after_all_other_steps() {
    let test_fleet = TestFleet::new("");
    let proposal = test_fleet
        .propose("app", &format!("services: {{web: {{image: 'w:1', restart: always, networks: [infra_net]}}}}\n{NET}"));
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 3);
    simulation.behaviours.insert("w:1".into(), Behaviour::Crashes);
    let failure = simulation.run().unwrap_err();
    assert!(failure.reasons[0].contains("it keeps exiting: 3 restarts") && failure.reasons[0].ends_with("| boom"));
}

/// A stack in which `app` waits for this condition of `db`.
fn waiting(condition: &str) -> String {
    format!(
        "services:
  db: {{image: 'db:1', networks: [infra_net], {CHECK}}}
  app: {{image: 'app:1', networks: [infra_net], depends_on: {{db: {{condition: {condition}}}}}}}
{NET}"
    )
}

#[test]
fn service_started_does_not_wait_for_health() {
    for (condition, is_released) in [("service_started", true), ("service_healthy", false)] {
        let test_fleet = TestFleet::new("");
        let proposal = test_fleet.propose("app", &waiting(condition));
        let mut simulation = simulate(hosts(&test_fleet), &proposal, 3);
        simulation.behaviours.insert("db:1".into(), Behaviour::Hangs);
        let failure = simulation.run().unwrap_err();
        let app = proposal.plan.steps.iter().position(|step| step.action.subject() == "app/app.1").unwrap();
        assert_eq!(failure.steps[app] == Progress::Done, is_released, "{condition}");
        assert_eq!(failure.steps[app] == Progress::Waiting, !is_released, "{condition}");
    }
}

#[test]
fn a_container_that_exits_before_it_is_healthy_fails_at_once_with_its_output() {
    for status in [0, 4] {
        let test_fleet = TestFleet::new("");
        let proposal = test_fleet.propose("app", &waiting("service_healthy"));
        let mut simulation = simulate(hosts(&test_fleet), &proposal, 3);
        simulation.behaviours.insert("db:1".into(), Behaviour::Ends(status));
        let begun = simulation.now;
        let failure = simulation.run().unwrap_err();
        assert!(simulation.now - begun < 10_000, "it waited for {} ms", simulation.now - begun);
        let reason = &failure.reasons[0];
        assert!(
            reason.starts_with("app/db.1 on ") && reason.contains(&format!(": it ended with status {status}")),
            "{reason}"
        );
        assert!(reason.ends_with("| the end"), "{reason}");
    }
}

#[test]
fn a_dependency_that_ended_before_the_run_fails_the_rollout_at_once() {
    let mut test_fleet = TestFleet::new("");
    let one = |tag: u32| waiting("service_healthy").replace("app:1", &format!("app:{tag}"));
    let proposal = test_fleet.propose("app", &one(1));
    let mut first = simulate(hosts(&test_fleet), &proposal, 7);
    first.run().unwrap();
    test_fleet.before.extend(proposal.after);
    test_fleet.held = first.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    test_fleet.release = 2;
    let proposal = test_fleet.propose("app", &one(2));
    let mut simulation = simulate(first.hosts, &proposal, 3);
    simulation.behaviours.insert("db:1".into(), Behaviour::Ends(0));
    let begun = simulation.now;
    let failure = simulation.run().unwrap_err();
    assert!(simulation.now - begun < 10_000);
    let reason = "app/app.1 waits for app/db.1 to be healthy, but it ended with status 0; the last lines it wrote:\n    | the end";
    assert_eq!(failure.reasons, [reason]);
}

#[test]
fn f49_a_port_in_use_is_reported_with_its_owner() {
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("web:2".into(), Behaviour::Refused);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons, ["app/web.1 on alpha: the port 80 is taken by container web"]);
}

/// A database whose network two services share, and a fourth service in the network of `web`. `web` waits for this condition.
fn together(tag: u32, condition: &str) -> String {
    format!(
        "services:
  db: {{image: 'db:{tag}', networks: [infra_net], {CHECK}}}
  web: {{image: 'web:1', network_mode: 'service:db', depends_on: {{db: {{condition: {condition}}}}}}}
  beside: {{image: 'beside:1', network_mode: 'service:db'}}
  probe: {{image: 'probe:1', network_mode: 'service:web', depends_on: [db]}}
"
    )
}

#[test]
fn an_instance_that_shares_a_network_is_recreated_once_with_its_owner() {
    for seed in 0..40 {
        let (first, second) = (together(1, "service_started"), together(2, "service_started"));
        let (hosts, proposal) = self::second(["", ""], &first, &second);
        let mut simulation = simulate(hosts, &proposal, seed);
        simulation.faults = Faults { crashes: 15, delay: 1500, ..Faults::default() };
        simulation.run().unwrap();
        simulation.check_target_reached();
        let made: Vec<_> = simulation.made.iter().map(|((name, _), made)| (name.to_string(), *made)).collect();
        let once = ["app/beside.1", "app/db.1", "app/probe.1", "app/web.1"].map(|name| (name.to_owned(), 1));
        assert_eq!(made, once, "seed {seed}");
    }
}

#[test]
fn an_instance_that_waits_for_a_healthy_owner_still_waits() {
    let (first, second) = (together(1, "service_healthy"), together(2, "service_healthy"));
    let (hosts, proposal) = self::second(["", ""], &first, &second);
    let mut simulation = simulate(hosts.clone(), &proposal, 3);
    simulation.run().unwrap();
    simulation.check_target_reached();

    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("db:2".into(), Behaviour::Unhealthy);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons, ["app/db.1 on alpha: it is unhealthy"]);
    // `beside` only waits for the start of its owner and is recreated with it. The others have not begun.
    assert_eq!(failure.steps[1..], [Progress::Done, Progress::Waiting, Progress::Waiting]);
}

#[test]
fn an_instance_that_never_gets_healthy_fails_at_its_limit_with_the_last_observation() {
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("web:2".into(), Behaviour::Hangs);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons, ["app/web.1 on alpha: running, not healthy yet after 190 s"]);
}

#[test]
fn a_step_whose_condition_cannot_hold_names_that_condition() {
    let first = format!("services: {{db: {{image: 'db:1', networks: [infra_net], {CHECK}}}}}\n");
    let both = format!(
        "services: {{db: {{image: 'db:1', networks: [infra_net], {CHECK}}}, app: {{image: 'a:1', networks: [infra_net], depends_on: {{db: {{condition: service_healthy}}}}}}}}\n"
    );
    let (hosts, proposal) = second(["", ""], &first, &both);
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("db:1".into(), Behaviour::Unhealthy);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons, ["app/app.1 waits for app/db.1 to be healthy, but it is unhealthy"]);
}

#[test]
fn f07_a_killed_coordinator_continues_at_the_same_step() {
    for seed in 0..40 {
        let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
        let mut simulation = simulate(hosts, &proposal, seed);
        simulation.faults = Faults { crashes: 15, delay: 1500, ..Faults::default() };
        simulation.run().unwrap();
        simulation.check_target_reached();
        assert!(simulation.made.values().all(|made| *made == 1), "seed {seed}: {:?}", simulation.made);
    }
}

#[test]
fn a_host_that_stays_unreachable_fails_the_rollout_with_its_name() {
    let (mut hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    hosts.get_mut("alpha").unwrap().down = true;
    let mut simulation = simulate(hosts, &proposal, 3);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons, ["alpha has been unreachable for 120 s"]);
}

#[test]
fn an_address_that_moves_is_never_held_twice() {
    let yaml = "services: {db: {image: 'db:1', networks: {infra_net: {ipv4_address: 172.19.0.5}}}}\n";
    let place = |host: &str| format!("[stacks.app]\nplace = {{ db = \"{host}\" }}\n");
    let mut test_fleet = TestFleet::new(&place("alpha"));
    let proposal = test_fleet.propose("app", &format!("{yaml}{NET}"));
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 5);
    simulation.run().unwrap();
    test_fleet.held = simulation.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    test_fleet.fleet = TestFleet::new(&place("beta")).fleet;
    let proposal = test_fleet.propose("app", &format!("{yaml}{NET}"));
    let mut simulation = simulate(simulation.hosts, &proposal, 6);
    simulation.run().unwrap();
    simulation.check_target_reached();
    let on_gamma = &simulation.hosts["gamma"].held.fabric.endpoints;
    let (_, moved) = on_gamma.iter().find(|(address, _)| address.ip.to_string() == "172.19.0.5").unwrap();
    assert_eq!((moved.epoch, moved.host.to_string()), (2, "192.168.2.202".to_owned()));
}

#[test]
fn going_down_removes_dependents_first_and_data_last() {
    let yaml = format!(
        "services:
  db: {{image: 'db:1', networks: [infra_net], volumes: ['d:/d'], {CHECK}}}
  app: {{image: 'app:1', networks: [infra_net], depends_on: [db]}}
volumes: {{d: {{}}}}
{NET}"
    );
    let mut test_fleet = TestFleet::new("");
    let proposal = test_fleet.propose("app", &yaml);
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 1);
    simulation.run().unwrap();
    test_fleet.held = simulation.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    let down = test_fleet.propose_down("app", true);
    let mut simulation = simulate(simulation.hosts, &down, 2);
    simulation.run().unwrap();
    simulation.check_target_reached();
}

#[test]
fn a_request_to_stop_leaves_the_steps_that_have_not_begun() {
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.start();
    simulation.event(landfast_core::rollout::Event::Cancel);
    let failure = simulation.finish().unwrap_err();
    assert_eq!(failure.reasons, ["stopped on request"]);
    let steps = recreates(&proposal, &failure);
    assert_eq!(steps, [Progress::Done, Progress::Waiting, Progress::Waiting]);
}

/// Settings of the property tests: seeds that fail are saved beside this file.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(debug_assertions) { 40 } else { 2000 },
        ..ProptestConfig::with_failure_persistence(FileFailurePersistence::WithSource("proptest-regressions"))
    }
}

proptest! {
    #![proptest_config(config())]

    /// With lost messages, delays and crashes of the coordinator, every container is still created once and in order.
    #[test]
    fn the_target_is_reached_in_spite_of_faults(seed in any::<u64>()) {
        let mut random = SeededRandom::new(seed);
        let (first, then) = (stack(&mut random.clone(), 1), stack(&mut random, 2));
        let places = [places(&mut random), places(&mut random)];
        let Some((hosts, proposal)) = try_second([&places[0], &places[1]], &first, &then) else { return Ok(()) };
        prop_assume!(!proposal.plan.warnings.iter().any(|warning| warning.contains("two steps")));
        let mut simulation = simulate(hosts, &proposal, seed);
        let (lost, crashes, delay) = (random.below(15), random.below(10), 1 + random.below(5000));
        simulation.faults = Faults { lost, crashes, delay, ..Faults::default() };
        let outcome = simulation.run();
        prop_assert!(outcome.is_ok(), "{outcome:?}\n{}", proposal.plan);
        simulation.check_target_reached();
        prop_assert!(simulation.made.values().all(|made| *made == 1), "{:?}", simulation.made);
    }

    /// A rollout ends whatever its containers do, and a failure has a reason.
    #[test]
    fn a_rollout_with_failing_containers_ends_with_a_reason(seed in any::<u64>()) {
        let mut random = SeededRandom::new(seed);
        let (first, then) = (stack(&mut random.clone(), 1), stack(&mut random, 2));
        let places = [places(&mut random), places(&mut random)];
        let Some((hosts, proposal)) = try_second([&places[0], &places[1]], &first, &then) else { return Ok(()) };
        prop_assume!(!proposal.plan.warnings.iter().any(|warning| warning.contains("two steps")));
        let mut simulation = simulate(hosts, &proposal, seed);
        let (lost, crashes, delay) = (random.below(15), random.below(10), 1 + random.below(5000));
        simulation.faults = Faults { lost, crashes, delay, ..Faults::default() };
        let behaviours = [Behaviour::Unhealthy, Behaviour::Crashes, Behaviour::Ends(1), Behaviour::Refused, Behaviour::Hangs];
        for at in 0..6 {
            if random.chance(40) {
                simulation.behaviours.insert(format!("i{at}:2"), behaviours[random.below(5) as usize]);
            }
        }
        if let Err(failure) = simulation.run() {
            prop_assert!(!failure.reasons.is_empty());
            prop_assert_eq!(failure.steps.len(), proposal.plan.steps.len());
        } else {
            simulation.check_target_reached();
        }
    }
}

/// A stack with one service at a fixed address.
fn one(name: &str, image: &str, last: u8) -> String {
    let address = format!("{{infra_net: {{ipv4_address: 172.19.0.{last}}}}}");
    format!("services: {{{name}: {{image: '{image}', networks: {address}, {CHECK}}}}}\n{NET}")
}

#[test]
fn a_rollout_concerns_the_hosts_that_it_changes_and_all_if_addresses_change() {
    use landfast_core::rollout::State;
    let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<std::collections::BTreeSet<_>>();
    let mut test_fleet = TestFleet::new("[stacks.app.place]\ndb = \"alpha\"\nweb = \"beta\"\nlate = \"gamma\"\n");
    let stack = |tag: &str, more: &str| {
        format!(
            "services:\n  db: {{image: 'db:1', networks: [infra_net]}}\n  web: {{image: 'web:{tag}', networks: [infra_net], \
             depends_on: [db]}}\n{more}{NET}"
        )
    };
    let state = |test_fleet: &TestFleet, yaml: &str| {
        let proposal = test_fleet.propose("app", yaml);
        State::new(proposal.plan, test_fleet.held.clone(), proposal.target, 1)
    };
    test_fleet.up("app", &stack("1", ""));
    let change = state(&test_fleet, &stack("2", ""));
    assert_eq!(change.watched(), hosts(&["alpha", "beta"]), "beta waits for what is on alpha");
    assert_eq!(change.assigned(), hosts(&["alpha", "beta"]));
    let new = state(&test_fleet, &stack("1", "  late: {image: 'late:1', networks: [infra_net]}\n"));
    assert_eq!((new.watched(), new.assigned()), (hosts(&["gamma"]), hosts(&["alpha", "beta", "gamma"])));
    let stale = test_fleet.held["gamma"].clone();
    test_fleet.up("app", &stack("1", "  late: {image: 'late:1', networks: [infra_net]}\n"));
    test_fleet.held.insert("gamma".to_owned(), stale);
    let missed = state(&test_fleet, &stack("2", ""));
    assert_eq!(missed.assigned(), hosts(&["alpha", "beta", "gamma"]), "a host that has missed a change gets it now");
}

#[test]
fn f63_stacks_fail_apart() {
    let test_fleet = TestFleet::new("");
    let (data, web) = (one("db", "db:1", 5), one("app", "app:1", 6));
    let proposal = test_fleet.propose_all(&[("data", &data), ("web", &web)]);
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 3);
    simulation.behaviours.insert("db:1".into(), Behaviour::Unhealthy);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons.len(), 1, "{:?}", failure.reasons);
    assert!(failure.reasons[0].starts_with("data/db.1 on "), "{:?}", failure.reasons);
    assert_eq!((failure.is_done(&proposal.plan, "data"), failure.is_done(&proposal.plan, "web")), (false, true));
}

#[test]
fn f64_a_host_that_is_lost_stops_only_the_stacks_on_it() {
    let test_fleet =
        TestFleet::new("[stacks.web.place]\napp = \"beta\"\n[stacks.data.place]\ndb = \"alpha\"\nlast = \"alpha\"\n");
    let late = format!(
        "services:\n  app: {{image: 'slow:1', networks: [infra_net], healthcheck: {{test: [CMD, 'true'], interval: 200s, start_period: 200s}}}}\n  \
         next: {{image: 'app:1', networks: [infra_net], depends_on: {{app: {{condition: service_started}}}}}}\n{NET}"
    );
    let proposal = test_fleet.propose_all(&[("data", &one("db", "db:1", 5)), ("web", &late)]);
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 3);
    simulation.hosts.get_mut("alpha").unwrap().down = true;
    let begin = simulation.now;
    simulation.start();
    let failure = simulation.finish().unwrap_err();
    assert!(simulation.now - begin < HOST_TIMEOUT_MS + 10_000, "nothing waits for the host any more");
    assert_eq!(failure.reasons.len(), 1, "{:?}", failure.reasons);
    assert!(failure.reasons[0].starts_with("alpha has "), "{:?}", failure.reasons);
    assert_eq!((failure.is_done(&proposal.plan, "data"), failure.is_done(&proposal.plan, "web")), (false, true));
}

#[test]
fn a_step_of_another_stack_that_comes_after_a_failed_one_fails_too() {
    let mut test_fleet = TestFleet::new("[stacks.web.place]\napp = \"beta\"\n[stacks.data.place]\ndb = \"alpha\"\n");
    let first = test_fleet.propose_all(&[("data", &one("db", "db:1", 5)), ("web", &one("app", "app:1", 6))]);
    let mut simulation = simulate(hosts(&test_fleet), &first, 3);
    simulation.run().unwrap();
    test_fleet.held = simulation.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    test_fleet.before.extend(first.after);
    test_fleet.release = 2;
    // The address passes from one stack to the other, so one is removed from it first.
    let second = test_fleet.propose_all(&[("data", &one("db", "db:2", 7)), ("web", &one("app", "app:2", 5))]);
    let mut simulation = simulate(simulation.hosts, &second, 3);
    simulation.behaviours.insert("db:2".into(), Behaviour::Hangs);
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons.len(), 2, "{:?}", failure.reasons);
    assert!(failure.reasons[1].contains("web/app.1 comes after recreate data/db.1, which was not done"), "{failure:?}");
    assert!(!failure.is_done(&second.plan, "web"));
}

#[test]
fn a_stopped_update_does_not_continue_past_an_unhealthy_instance() {
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.behaviours.insert("web:2".into(), Behaviour::Unhealthy);
    simulation.run().unwrap_err();
    let mut test_fleet = TestFleet::new("");
    test_fleet.held = simulation.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    test_fleet.reports = simulation.hosts.keys().map(|name| (name.clone(), simulation.report(name))).collect();
    let proposal = test_fleet.propose("app", &format!("{}{NET}", three("web:2")));
    let mut steps = proposal.plan.steps.iter().filter(|step| step.action.instance().is_some());
    let first = steps.next().unwrap();
    assert_eq!((first.action.label(), first.reasons[0].as_str()), ("start", "it is unhealthy"));
    let mut simulation = simulate(simulation.hosts, &proposal, 4);
    simulation.behaviours.insert("web:2".into(), Behaviour::Unhealthy);
    let failure = simulation.run().unwrap_err();
    assert_eq!(recreates(&proposal, &failure), [Progress::Waiting, Progress::Waiting]);
}

#[test]
fn a_failed_job_is_recreated_by_the_next_deployment() {
    let test_fleet = TestFleet::new("");
    let yaml = format!(
        "services:
  job: {{image: 'job:1', command: [job], networks: [infra_net]}}
  app: {{image: 'app:1', networks: [infra_net], depends_on: {{job: {{condition: service_completed_successfully}}}}}}
{NET}"
    );
    let proposal = test_fleet.propose("app", &yaml);
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 1);
    simulation.behaviours.insert("job:1".into(), Behaviour::Ends(1));
    let failure = simulation.run().unwrap_err();
    assert_eq!(failure.reasons, ["app/job.1 on beta: it ended with status 1; the last lines it wrote:\n    | the end"]);
    let mut again = TestFleet::new("");
    again.release = 2;
    again.held = simulation.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    again.reports = simulation.hosts.keys().map(|name| (name.clone(), simulation.report(name))).collect();
    let proposal = again.propose("app", &yaml);
    let job = proposal.plan.steps.iter().find(|step| step.action.subject() == "app/job.1").unwrap();
    assert_eq!((job.action.label(), job.reasons[0].as_str()), ("recreate", "it ended with status 1"));
    let mut simulation = simulate(simulation.hosts, &proposal, 2);
    simulation.run().unwrap();
    simulation.check_target_reached();
    again.held = simulation.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
    again.reports = simulation.hosts.keys().map(|name| (name.clone(), simulation.report(name))).collect();
    assert!(again.propose("app", &yaml).plan.is_empty());
}

#[test]
fn a_host_that_stays_busy_does_not_block_a_network() {
    let test_fleet = TestFleet::new("");
    let proposal = test_fleet.propose("app", &format!("{}{NET}", three("web:1")));
    let mut simulation = simulate(hosts(&test_fleet), &proposal, 3);
    simulation.restless = true;
    simulation.run().unwrap();
}

#[test]
fn f14_another_coordinator_that_takes_over_fails_the_rollout() {
    use landfast_core::report::Report;
    use landfast_core::rollout::Event;
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.start();
    let report = Report { epoch: 99, ..Report::default() };
    simulation.event(Event::Reported { host: "beta".into(), report });
    let failure = simulation.finish().unwrap_err();
    assert_eq!(failure.reasons, ["another coordinator took over beta: its epoch 99 is newer than ours, 2"]);
}

#[test]
fn f65_a_report_about_another_run_of_the_same_epoch_acknowledges_nothing() {
    use landfast_core::report::Report;
    use landfast_core::rollout::Event;
    let (hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.start();
    let epoch = simulation.state.epoch;
    let report = Report { epoch, owner: "bob@ci, process 7".to_owned(), generation: 99, ..Report::default() };
    simulation.event(Event::Reported { host: "beta".into(), report });
    let failure = simulation.finish().unwrap_err();
    assert_eq!(failure.reasons, ["bob@ci, process 7 deploys to beta at the same time"]);
}

#[test]
fn a_host_that_refuses_its_state_fails_the_rollout_with_its_reason() {
    use landfast_core::rollout::Event;
    let (mut hosts, proposal) = second(["", ""], &three("web:1"), &three("web:2"));
    hosts.get_mut("alpha").unwrap().down = true;
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.start();
    let refusal = |generation: u64| {
        let message = format!("generation {generation} is held");
        Event::AssignFailed { host: "alpha".into(), generation, stacks: Default::default(), message }
    };
    // The first refusal is about an older generation that an earlier coordinator retried.
    simulation.event(refusal(1));
    simulation.event(refusal(2));
    let failure = simulation.finish().unwrap_err();
    assert_eq!(failure.reasons, ["alpha refused its new state: generation 2 is held"]);
}

#[test]
fn a_removal_of_files_says_that_it_waits_for_their_removal() {
    use landfast_core::desired::{HostState, Tree};
    use landfast_core::plan::{Plan, Step};
    use landfast_core::report::{Report, TreeReport};
    use landfast_core::rollout::{Action as Does, Event, ProgressLine, State, step};
    let holds = |trees| BTreeMap::from([("alpha".to_owned(), HostState { trees, ..HostState::default() })]);
    let tree = Tree { stack: "web".to_owned(), manifest: "one".to_owned() };
    let action = Action::RemoveTree { stack: "web".to_owned() };
    let steps = vec![Step { host: "alpha".to_owned(), action, reasons: Vec::new(), after: Vec::new() }];
    let plan = Plan { steps, warnings: Vec::new() };
    let (state, _) = step(
        State::new(plan, holds(vec![tree]), holds(Vec::new()), 1),
        Event::Start { epoch: 1, owner: String::new() },
        0,
    );
    let (stack, manifest) = ("web".to_owned(), "one".to_owned());
    let trees = vec![TreeReport { stack, manifest, ..TreeReport::default() }];
    let report = Report { epoch: 1, generation: 1, trees, ..Report::default() };
    let (_, actions) = step(state, Event::Reported { host: "alpha".to_owned(), report }, 500);
    let seen = "waiting for the files to be removed".to_owned();
    assert_eq!(actions, [Does::Report(ProgressLine { step: 0, progress: Progress::Running { since: 0, seen } })]);
}

#[test]
fn a_sync_may_take_long_while_it_makes_progress_and_not_without() {
    use landfast_core::desired::{HostState, Tree};
    use landfast_core::plan::{Plan, Step};
    use landfast_core::report::{Report, TreeReport};
    use landfast_core::rollout::{Action as Does, Event, HOST_TIMEOUT_MS, State, step};
    let tree = |manifest: &str| Tree { stack: "web".to_owned(), manifest: manifest.to_owned() };
    let holds = |tree| BTreeMap::from([("alpha".to_owned(), HostState { trees: vec![tree], ..HostState::default() })]);
    let action = Action::Sync { stack: "web".to_owned() };
    let steps = vec![Step { host: "alpha".to_owned(), action, reasons: Vec::new(), after: Vec::new() }];
    let plan = Plan { steps, warnings: Vec::new() };
    let state = State::new(plan, holds(tree("one")), holds(tree("two")), 1);
    let (state, _) = step(state, Event::Start { epoch: 1, owner: String::new() }, 0);
    let (mut state, _) = step(state, Event::Assigned { host: "alpha".to_owned(), generation: 1 }, 0);
    let mut report = |progress, now| {
        let trees = vec![TreeReport { stack: "web".to_owned(), progress, ..TreeReport::default() }];
        let report = Report { epoch: 1, generation: 1, trees, ..Report::default() };
        let reported = Event::Reported { host: "alpha".to_owned(), report };
        let (next, actions) = step(state.clone(), reported, now);
        state = next;
        actions
            .into_iter()
            .any(|done| matches!(done, Does::Report(line) if matches!(line.progress, Progress::Failed { .. })))
    };
    let mut now = 0;
    for progress in 1..20 {
        now += HOST_TIMEOUT_MS - 1;
        assert!(!report(progress, now), "it failed after {now} ms, although it makes progress");
    }
    assert!(!report(19, now + HOST_TIMEOUT_MS - 1));
    assert!(report(19, now + HOST_TIMEOUT_MS), "nothing was done for too long");
}

#[test]
fn what_depends_on_a_host_that_is_left_out_fails_at_once() {
    let place = "[stacks.app.place]\ndb = \"gamma\"\nweb = \"alpha\"\n";
    let yaml = |tag: &str| {
        format!(
            "services:\n  db: {{image: 'db:1', networks: [infra_net], {CHECK}}}\n  web: {{image: 'web:{tag}', networks: \
             [infra_net], depends_on: {{db: {{condition: service_healthy}}}}}}\n"
        )
    };
    let (hosts, proposal) = second([place, place], &yaml("1"), &yaml("2"));
    let mut simulation = simulate(hosts, &proposal, 3);
    simulation.leave_out(&["gamma".to_owned()].into());
    let begun = simulation.now;
    let failure = simulation.run().unwrap_err();
    let expected = "app/web.1 waits for app/db.1 to be healthy, but its host gamma is away";
    assert_eq!(failure.reasons, [expected]);
    assert!(simulation.now - begun < 10_000);
}
