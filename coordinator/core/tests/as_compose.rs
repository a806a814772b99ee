//! Containers are equal to those of Docker Compose where a key could be read in several ways. The parity scenario finds such cases
//! on real engines; these tests cover each of them separately.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use landfast_core::container::{Container, Restart};
use test_fleet::TestFleet;

/// Returns the container of a service `it` with these keys.
fn container(keys: &str) -> Container {
    let yaml = format!("services:\n  it: {{image: a:1, {keys}}}\n");
    let deployment = TestFleet::new("").compile("app", &yaml).unwrap().deployment;
    deployment.instances.into_values().next().unwrap().container.as_ref().clone()
}

fn restart(keys: &str) -> Option<(String, u32)> {
    container(keys).restart.map(|Restart { policy, max_attempts }| (policy, max_attempts))
}

#[test]
fn the_restart_policy_under_deploy_precedes_the_older_key() {
    let of = |policy: &str, attempts| Some((policy.to_owned(), attempts));
    assert_eq!(restart("restart: always"), of("always", 0));
    assert_eq!(
        restart("restart: always, deploy: {restart_policy: {condition: on-failure, max_attempts: 2}}"),
        of("on-failure", 2)
    );
    assert_eq!(restart("deploy: {restart_policy: {condition: any}}"), of("always", 0));
    assert_eq!(restart("deploy: {restart_policy: {condition: none}}"), of("no", 0));
    assert_eq!(restart("deploy: {restart_policy: {}}"), None);
    assert_eq!(restart("restart: 'no'"), of("no", 0));
}

#[test]
fn a_variable_without_a_value_removes_the_one_of_the_image() {
    assert_eq!(container("environment: {A: '1', GONE: }").environment, ["A=1", "GONE"]);
}
