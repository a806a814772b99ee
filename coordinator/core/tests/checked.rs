//! Plans for random stacks, verified by an independent checker.
mod checker;
mod test_fleet;

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::desired::DesiredInput;
use landfast_core::plan::Action;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use test_fleet::random::{SeededRandom, places, stack};
use test_fleet::{NET, TestFleet};

/// Settings of the property tests: seeds that fail are saved beside this file.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(debug_assertions) { 100 } else { 3000 },
        ..ProptestConfig::with_failure_persistence(FileFailurePersistence::WithSource("proptest-regressions"))
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_passes_the_independent_checker(seed in any::<u64>()) {
        let mut random = SeededRandom::new(seed);
        let mut test_fleet = TestFleet::new("").file("conf", "1");
        for form in 1..=3 {
            let yaml = format!("{}{NET}", stack(&mut random.clone(), form));
            test_fleet.fleet = TestFleet::new(&places(&mut random)).fleet;
            if test_fleet.compile("app", &yaml).is_err() {
                continue;
            }
            let proposal = test_fleet.propose("app", &yaml);
            if proposal.plan.warnings.iter().any(|warning| warning.contains("two steps")) {
                break;
            }
            let wrong = checker::examine(&proposal.plan, &test_fleet.held, &proposal.target);
            prop_assert!(wrong.is_empty(), "{wrong:#?}\n{}", proposal.plan);
            let deletes = proposal.plan.steps.iter().any(|step| matches!(step.action, Action::RemoveVolume { .. }));
            prop_assert!(!deletes);
            test_fleet.done(proposal);
            let again = test_fleet.propose("app", &yaml).plan;
            prop_assert!(again.is_empty(), "{again}");
        }
        let removed = BTreeSet::from(["app".to_owned()]);
        let input = DesiredInput { deployments: &[], removed: &removed, remove_volumes: random.chance(50), unmanaged: &BTreeSet::new() };
        let down = test_fleet.propose_input(input, String::new());
        let wrong = checker::examine(&down.plan, &test_fleet.held, &down.target);
        prop_assert!(wrong.is_empty(), "{wrong:#?}\n{}", down.plan);
    }
}

#[test]
fn the_checker_detects_a_missing_step_a_second_step_and_a_step_that_is_too_early() {
    let test_fleet = TestFleet::new("");
    let yaml = format!(
        "services: {{db: {{image: i, networks: [infra_net]}}, app: {{image: i, networks: [infra_net], depends_on: [db]}}}}\n{NET}"
    );
    let proposal = test_fleet.propose("app", &yaml);
    let examine = |plan: &_| checker::examine(plan, &BTreeMap::new(), &proposal.target);
    assert_eq!(examine(&proposal.plan), Vec::<String>::new());
    let mut shorter = proposal.plan.clone();
    shorter.steps.pop();
    assert!(examine(&shorter).join("\n").contains("at the end not as wanted"));
    let mut doubled = proposal.plan.clone();
    doubled.steps.extend(proposal.plan.steps.last().cloned());
    assert!(examine(&doubled).join("\n").contains("a second step for it"));
    let mut swapped = proposal.plan.clone();
    let last = swapped.steps.len() - 1;
    swapped.steps.swap(last, last - 1);
    assert!(examine(&swapped).join("\n").contains("is not yet what it will be"));
}
