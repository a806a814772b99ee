//! Runs of several stacks on simulated hosts, with crashes, outages, lost, late and stale messages, hosts that are away, and another
//! operator. What happens on the hosts is checked by rules that know nothing of the coordinator.
//!
//! `LANDFAST_SEEDS=100000 cargo test --release -p landfast-core --test operators -- --nocapture` runs more seeds.
// It is a program that is run with more seeds and prints a result.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros)]
mod simulation;
mod test_fleet;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use landfast_core::desired::HostState;
use landfast_core::plan::{Plan, without_away};
use simulation::rules::Request;
use simulation::{Behaviour, Faults, Host, Simulation};
use test_fleet::random::{SeededRandom, places, stack};
use test_fleet::{NET, Proposal, TestFleet};

/// Seeds that failed once and are not shown by a test of their own, with what each of them showed. They run first.
const FOUND: [u64; 0] = [];

const STACKS: [&str; 3] = ["app", "data", "web"];
/// Number of fleets, which all seeds share: a plan takes longer than a run.
const FLEETS: usize = 64;
/// Number of seeds if the environment does not say it.
const SEEDS: u64 = 2000;

/// A fleet with three stacks that run, and what may be asked of it.
struct Fixture {
    hosts: BTreeMap<String, Host>,
    requests: Vec<(Request, Plan, BTreeMap<String, HostState>)>,
}

/// A service with a volume.
const STORE: &str = "services:\n  store: {image: 'store:1', networks: [infra_net], volumes: ['kept:/kept']}\n";

/// Returns one form of a random stack with a volume, whose addresses and ports no other stack has.
fn yaml(name: usize, seed: u64, form: u64) -> String {
    let mut random = SeededRandom::new(seed * 7 + name as u64);
    let text = stack(&mut random, form).replace("services:\n", STORE) + NET + "volumes: {kept: {}}\n";
    text.replace("172.19.1.", &format!("172.19.{}.", name + 1)).replace("'80", &format!("'{}80", name + 1))
}

fn held(hosts: &BTreeMap<String, Host>) -> BTreeMap<String, HostState> {
    hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect()
}

fn fixture(seed: u64) -> Option<Fixture> {
    let mut random = SeededRandom::new(seed);
    let mut placed =
        || STACKS.map(|name| places(&mut random).replace("stacks.app", &format!("stacks.{name}"))).concat();
    let (first, then) = (placed(), placed());
    let mut fleet = TestFleet::new(&first);
    let mut hosts: BTreeMap<String, Host> = fleet.fleet.hosts.keys().map(|it| (it.clone(), Host::default())).collect();
    for (at, name) in STACKS.into_iter().enumerate() {
        fleet.compile(name, &yaml(at, seed, 1)).ok()?;
        let proposal = fleet.propose(name, &yaml(at, seed, 1));
        let mut simulation = Simulation::new(hosts, proposal.plan, proposal.target, 7);
        simulation.run().ok()?;
        (fleet.held, fleet.release) = (held(&simulation.hosts), fleet.release + 1);
        fleet.before.extend(proposal.after);
        hosts = simulation.hosts;
    }
    fleet.fleet = TestFleet::new(&then).fleet;
    let mut requests = Vec::new();
    let mut add = |stacks: &[&str], volumes, proposal: Proposal| {
        let is_in_two_steps = proposal.plan.warnings.iter().any(|warning| warning.contains("two steps"));
        if !proposal.plan.steps.is_empty() && !is_in_two_steps {
            let stacks = stacks.iter().map(|stack| (*stack).to_owned()).collect();
            requests.push((Request { stacks, volumes }, proposal.plan, proposal.target));
        }
    };
    for names in [&["app"][..], &["data"], &["web"], &["app", "data"], &["app", "data", "web"]] {
        let at = |name: &str| STACKS.iter().position(|it| *it == name).unwrap();
        let all: Vec<(&str, String)> = names.iter().map(|name| (*name, yaml(at(name), seed, 2))).collect();
        if all.iter().all(|(name, yaml)| fleet.compile(name, yaml).is_ok()) {
            let all: Vec<(&str, &str)> = all.iter().map(|(name, yaml)| (*name, yaml.as_str())).collect();
            let proposal = catch_unwind(AssertUnwindSafe(|| fleet.propose_all(&all)));
            proposal.into_iter().for_each(|proposal| add(names, false, proposal));
        }
    }
    for (name, volumes) in [("app", false), ("data", true)] {
        add(&[name], volumes, fleet.propose_down(name, volumes));
    }
    (!requests.is_empty()).then_some(Fixture { hosts, requests })
}

/// Runs one seed. Returns the number of faults that were injected.
fn run(seed: u64) -> u64 {
    static FIXTURES: [OnceLock<Option<Fixture>>; FLEETS] = [const { OnceLock::new() }; FLEETS];
    let mut random = SeededRandom::new(seed);
    let number = random.below(FLEETS as u64);
    let Some(fixture) = FIXTURES[number as usize].get_or_init(|| fixture(number)) else { return 0 };
    let (request, plan, target) = &fixture.requests[random.below(fixture.requests.len() as u64) as usize];
    let mut plan = plan.clone();
    let mut away = BTreeSet::new();
    if random.chance(25) {
        let names: Vec<&String> = fixture.hosts.keys().collect();
        let one = BTreeSet::from([names[random.below(names.len() as u64) as usize].clone()]);
        let mut without = plan.clone();
        if without_away(&mut without, &one, &one, &held(&fixture.hosts), target).is_ok() && !without.steps.is_empty() {
            (plan, away) = (without, one);
        }
    }
    let steps = plan.steps.len();
    let mut simulation = Simulation::new(fixture.hosts.clone(), plan, target.clone(), seed);
    simulation.leave_out(&away);
    let is_calm = random.chance(50);
    simulation.faults = Faults {
        lost: random.below(10),
        crashes: random.below(6),
        delay: 1 + random.below(3000),
        outages: random.below(4),
        stale: random.below(20),
        rivals: if is_calm { 0 } else { random.below(6) },
    };
    let behaviours =
        [Behaviour::Unhealthy, Behaviour::Crashes, Behaviour::Ends(1), Behaviour::Refused, Behaviour::Hangs];
    for at in 0..6 {
        if !is_calm && random.chance(20) {
            simulation.behaviours.insert(format!("i{at}:2"), behaviours[random.below(5) as usize]);
        }
    }
    match simulation.run() {
        Ok(()) => simulation.check_target_reached(),
        Err(failure) => {
            assert!(!failure.reasons.is_empty() && failure.steps.len() == steps, "it does not say what it waits for");
            // What depends on a host that is away cannot be started.
            let is_hindered = !is_calm || failure.reasons.iter().any(|reason| reason.ends_with(" is away"));
            assert!(is_hindered, "nothing stands in the way: {:?}", failure.reasons);
        }
    }
    simulation.check_rules(request);
    simulation.injected
}

#[test]
fn whatever_fails_the_rules_hold() {
    let seeds = std::env::var("LANDFAST_SEEDS").ok().map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    for seed in FOUND {
        run(seed);
    }
    let (next, faults, violations) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            break;
        }
        match catch_unwind(|| run(seed)) {
            Ok(injected) => drop(faults.fetch_add(injected, Ordering::Relaxed)),
            Err(_) => {
                eprintln!("the seed {seed} fails");
                violations.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (faults, violations) = (faults.into_inner(), violations.into_inner());
    println!("{seeds} seeds, {faults} faults, {violations} violations");
    assert_eq!(violations, 0);
}
