//! Where several readings of a key would do, the container is the one that Compose makes. The parity scenario finds these on
//! real engines; here is each on its own.
#![allow(clippy::unwrap_used)]
mod stage;

use landfast_core::container::{Container, Restart};
use stage::Stage;

/// The container of the service `it`, of which these are the keys.
fn container(keys: &str) -> Container {
    let yaml = format!("services:\n  it: {{image: a:1, {keys}}}\n");
    let deployment = Stage::new("").compile("app", &yaml).unwrap().deployment;
    deployment.instances.into_values().next().unwrap().container
}

fn restart(keys: &str) -> Option<(String, u32)> {
    container(keys).restart.map(|Restart { policy, max_attempts }| (policy, max_attempts))
}

#[test]
fn the_restart_policy_under_deploy_stands_over_the_older_key() {
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
fn a_variable_without_a_value_takes_the_images_own_away() {
    assert_eq!(container("environment: {A: '1', GONE: }").environment, ["A=1", "GONE"]);
}
