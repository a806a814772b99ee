//! Tests of plans while hosts are away.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::desired::{CannotLeave, HostState, leave, rebuild, restore};
use landfast_core::plan::{Hindrance, is_as_remembered, steps_on, without_away};
use landfast_core::report::{InstanceReport, Report};
use test_fleet::{NET, Proposal, TestFleet};

const STACKS: &str =
    "[stacks.data]\npath = \"data\"\n[stacks.data.place]\na = \"alpha\"\nb = \"beta\"\nc = \"gamma\"\n";

/// A stack with a service on each host; the image of `a` and further services vary.
fn stack(tag: &str, more: &str) -> String {
    format!(
        "services:\n  a: {{image: 'app:{tag}', networks: [infra_net]}}\n  b: {{image: 'app:1', networks: [infra_net]}}\n  \
         c: {{image: 'app:1', networks: [infra_net]}}\n{more}{NET}"
    )
}

fn deployed() -> TestFleet {
    let mut fleet = TestFleet::new(STACKS);
    fleet.up("data", &stack("1", ""));
    fleet
}

/// Hosts that are owed their knowledge of the others, and the steps that remain.
fn judged(fleet: &TestFleet, proposal: &Proposal, away: &[&str]) -> Result<(Vec<String>, usize), Hindrance> {
    let mut plan = proposal.plan.clone();
    let owed = without_away(&mut plan, &set(away), &BTreeSet::new(), &fleet.held, &proposal.target)?;
    Ok((owed.into_iter().collect(), plan.steps.len()))
}

fn set(hosts: &[&str]) -> BTreeSet<String> {
    hosts.iter().map(|host| (*host).to_owned()).collect()
}

#[test]
fn f59_a_plan_that_leaves_an_absent_host_as_it_is_is_carried_out_without_it() {
    let fleet = deployed();
    let same_addresses = fleet.propose("data", &stack("2", ""));
    assert_eq!(judged(&fleet, &same_addresses, &["gamma"]), Ok((Vec::new(), 1)));
    assert_eq!(judged(&fleet, &same_addresses, &["beta", "gamma"]), Ok((Vec::new(), 1)), "no address changes");
}

#[test]
fn f59_an_absent_host_is_owed_addresses_that_change_and_these_need_a_majority() {
    let mut fleet = TestFleet::new(&format!("{STACKS}d = \"alpha\"\n"));
    fleet.up("data", &stack("1", ""));
    let more = "  d: {image: 'app:1', networks: [infra_net]}\n";
    let new = fleet.propose("data", &stack("1", more));
    assert_eq!(judged(&fleet, &new, &["gamma"]), Ok((vec!["gamma".to_owned()], new.plan.steps.len())));
    let refused = judged(&fleet, &new, &["beta", "gamma"]).unwrap_err();
    assert_eq!(refused, Hindrance::NoMajority { answer: 1, all: 3 });
    let away = set(&["beta", "gamma"]);
    assert!(without_away(&mut new.plan.clone(), &away, &away, &fleet.held, &new.target).is_ok(), "the user named them");
    assert_eq!(refused.to_string(), "the plan hands out, moves or frees addresses, and only 1 of 3 hosts answer");
}

#[test]
fn f64_a_plan_that_changes_an_absent_host_is_refused_with_its_steps() {
    let fleet = deployed();
    let changed = fleet.propose("data", &stack("2", ""));
    let refused = judged(&fleet, &changed, &["alpha"]).unwrap_err();
    assert_eq!(refused.to_string(), "the plan changes alpha: recreate data/a.1 on alpha");
    let down = fleet.propose_down("data", false);
    assert!(matches!(judged(&fleet, &down, &["gamma"]), Err(Hindrance::Changes { hosts, .. }) if hosts.len() == 1));
}

#[test]
fn what_is_remembered_of_a_host_is_compared_with_what_the_others_know_of_it() {
    let fleet = deployed();
    let others: BTreeMap<String, HostState> =
        fleet.held.iter().filter(|(host, _)| *host != "gamma").map(|(host, it)| (host.clone(), it.clone())).collect();
    let remembered = fleet.held["gamma"].clone();
    let is_known = |state: &HostState, others: &BTreeMap<String, HostState>| {
        is_as_remembered("gamma", "192.168.2.203".parse().unwrap(), state, others)
    };
    assert!(is_known(&remembered, &others));
    let mut older = remembered.clone();
    older.instances.clear();
    assert!(!is_known(&older, &others), "another run has put an instance there");
    assert!(!is_known(&remembered, &BTreeMap::new()), "nobody can tell");
}

#[test]
fn a_host_that_the_user_names_is_left_as_it_is() {
    let fleet = deployed();
    let both = stack("2", "").replace("c: {image: 'app:1'", "c: {image: 'app:3'");
    let proposal = fleet.propose("data", &both);
    let gamma = set(&["gamma"]);
    assert_eq!(steps_on(&proposal.plan, &gamma), ["recreate data/c.1 on gamma"]);
    let mut target = proposal.target.clone();
    assert_eq!(leave(&gamma, &fleet.held, &mut target), Ok(()));
    assert!(target["gamma"].same_contents(&fleet.held["gamma"]));
    assert_ne!(target["alpha"].instances, fleet.held["alpha"].instances);
}

#[test]
fn an_instance_does_not_move_from_a_host_that_nobody_can_see() {
    let mut fleet = deployed();
    let elsewhere = STACKS.replace("c = \"gamma\"", "c = \"alpha\"");
    fleet.fleet = TestFleet::new(&elsewhere).fleet;
    let proposal = fleet.propose("data", &stack("1", ""));
    let refused = leave(&set(&["gamma"]), &fleet.held, &mut proposal.target.clone());
    assert_eq!(refused, Err(CannotLeave::Moved(["data/c.1".parse().unwrap()].into())));
}

#[test]
fn an_address_that_a_host_keeps_is_not_given_to_another_instance() {
    let fixed = |service: &str| {
        let at = |name: &str| if name == service { "{infra_net: {ipv4_address: 172.19.0.10}}" } else { "[infra_net]" };
        let line = |name: &str| format!("  {name}: {{image: 'app:1', networks: {}}}\n", at(name));
        format!("services:\n{}{}{}{NET}", line("a"), line("b"), line("c"))
    };
    let mut fleet = TestFleet::new(STACKS);
    fleet.up("data", &fixed("c"));
    let proposal = fleet.propose("data", &fixed("a"));
    let refused = leave(&set(&["gamma"]), &fleet.held, &mut proposal.target.clone());
    let instances = Box::new(["data/a.1".parse().unwrap(), "data/c.1".parse().unwrap()]);
    assert_eq!(refused, Err(CannotLeave::SameAddress { address: "172.19.0.10".to_owned(), instances }));
}

#[test]
fn f60_a_stack_that_a_host_has_lost_keeps_its_addresses_if_what_runs_is_what_is_remembered() {
    let fleet = deployed();
    let remembered = fleet.held["gamma"].clone();
    let seen = |digest: &str| InstanceReport {
        name: "data/c.1".parse().unwrap(),
        digest: digest.to_owned(),
        incarnation: 1,
        unmanaged: true,
        ..InstanceReport::default()
    };
    let restored = |digest: &str| {
        let mut held = remembered.clone();
        (held.instances, held.trees) = (Vec::new(), Vec::new());
        let report = Report { instances: vec![seen(digest)], ..Report::default() };
        restore(&mut held, &remembered, &report);
        held
    };
    assert_eq!(restored(&remembered.instances[0].digest), remembered);
    assert!(restored("of another laptop").instances.is_empty());
}

/// The states of all hosts but gamma.
fn without_gamma(fleet: &TestFleet) -> BTreeMap<String, HostState> {
    fleet.held.iter().filter(|(host, _)| *host != "gamma").map(|(host, it)| (host.clone(), it.clone())).collect()
}

#[test]
fn f59_what_an_absent_host_holds_is_made_from_its_releases_and_the_addresses_that_the_others_know() {
    let mut fleet =
        TestFleet::new(&format!("{STACKS}[stacks.side]\npath = \"side\"\nplace = {{ \"*\" = \"gamma\" }}\n"));
    fleet.up("data", &stack("1", ""));
    let side = format!("services:\n  one: {{image: 'app:1', networks: [infra_net]}}\n  two: {{image: 'app:1'}}\n{NET}");
    fleet.up("side", &side);
    // Releases do not say which number a container has.
    let mut held = fleet.held["gamma"].clone();
    held.instances.iter_mut().for_each(|instance| instance.incarnation = 0);
    let others = without_gamma(&fleet);
    let releases = ["data", "side"].map(|stack| fleet.before[stack].clone());
    let known = rebuild(&fleet.fleet, "gamma", &releases, &others).unwrap();
    assert!(known.same_contents(&held), "{known:#?}\n{held:#?}");
    // Nobody else has the releases of a stack that is only on gamma: its addresses are known, and nothing else.
    let partly = rebuild(&fleet.fleet, "gamma", &releases[..1], &others).unwrap();
    assert_eq!(partly.instances.len(), 2, "{:?}", partly.instances);
    assert!(is_as_remembered("gamma", fleet.fleet.hosts["gamma"].address, &partly, &others));
    let one = partly.instances.iter().find(|instance| instance.name.stack == "side").unwrap();
    assert_eq!(
        (one.digest.as_str(), &one.container.networks[0].address),
        ("", &held.instances[1].container.networks[0].address)
    );
}

#[test]
fn f59_an_instance_that_has_moved_away_from_an_absent_host_is_not_on_it() {
    let mut fleet = deployed();
    let before = fleet.before["data"].clone();
    fleet.fleet = TestFleet::new(&STACKS.replace("c = \"gamma\"", "c = \"beta\"")).fleet;
    fleet.up("data", &stack("1", ""));
    let known = rebuild(&fleet.fleet, "gamma", &[before], &without_gamma(&fleet)).unwrap();
    assert!(known.instances.is_empty(), "{:?}", known.instances);
    let nothing = BTreeMap::new();
    assert!(rebuild(&fleet.fleet, "gamma", &[], &nothing).is_none(), "nobody knows the addresses");
}
