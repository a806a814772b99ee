//! Tests of secrets and configs without a file: they reach their container, and are printed nowhere.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::sync::Arc;

use landfast_core::compile;
use landfast_core::container::{Contents, PlacedFile};
use landfast_core::deployment::{Deployment, InstanceName};
use landfast_core::fabric::Holder;
use test_fleet::{NET, TestFleet};

const YAML: &str = "
services:
  web:
    image: web:1
    networks: [infra_net]
    secrets: [token, {source: token, target: /etc/token, uid: '70', gid: '71', mode: 0400}]
    configs: [{source: settings, target: /etc/app.conf}]
secrets: {token: {environment: TOKEN}}
configs: {settings: {content: 'level=${LEVEL}'}}
";

fn test_fleet(token: &str) -> TestFleet {
    let mut test_fleet = TestFleet::new("");
    test_fleet.environment = [("TOKEN", token), ("LEVEL", "debug")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    test_fleet
}

fn yaml() -> String {
    format!("{YAML}{NET}")
}

fn refusal(test_fleet: &TestFleet, yaml: &str) -> String {
    test_fleet.compile("app", yaml).unwrap_err()
}

#[test]
fn variables_and_inline_contents_become_files_of_the_container() {
    let compiled = test_fleet("hunter2").compile("app", &yaml()).unwrap();
    let container = &compiled.deployment.instances.values().next().unwrap().container;
    let file = |target: &str, contents: &str, mode, uid, gid| PlacedFile {
        mode,
        uid,
        gid,
        ..PlacedFile::new(target.into(), Contents(contents.into()), "salt".into())
    };
    assert_eq!(
        container.files,
        [
            file("/run/secrets/token", "hunter2", 0o444, 0, 0),
            file("/etc/token", "hunter2", 0o400, 70, 71),
            file("/etc/app.conf", "level=debug", 0o444, 0, 0),
        ]
    );
    assert!(container.mounts.is_empty() && compiled.warnings.is_empty());
}

#[test]
fn changed_contents_recreate_the_container_and_equal_ones_do_not() {
    let mut test_fleet = test_fleet("hunter2");
    test_fleet.up("app", &yaml());
    test_fleet.salt = "another run".into();
    assert!(test_fleet.propose("app", &yaml()).plan.steps.is_empty());

    test_fleet.environment.insert("TOKEN".into(), "hunter3".into());
    let plan = test_fleet.propose("app", &yaml()).plan;
    let printed = format!("{plan}\n{}", serde_json::to_string(&plan).unwrap());
    assert!(printed.contains("file /run/secrets/token changed"), "{printed}");
    assert!(!printed.contains("/etc/app.conf") && !printed.contains("hunter"), "{printed}");
}

#[test]
fn a_short_secret_cannot_be_guessed_from_the_digest() {
    let mut test_fleet = test_fleet("1234");
    let digest = |test_fleet: &TestFleet| {
        test_fleet.compile("app", &yaml()).unwrap().deployment.instances.values().next().unwrap().digest.clone()
    };
    let before = digest(&test_fleet);
    test_fleet.salt = "another run".into();
    assert_ne!(before, digest(&test_fleet), "the digest follows from the contents alone");
}

#[test]
fn contents_of_secrets_are_not_printed() {
    let deployment = test_fleet("hunter2").compile("app", &yaml()).unwrap().deployment;
    let printed = format!("{deployment:?}");
    assert!(printed.contains("/run/secrets/token") && !printed.contains("hunter2") && !printed.contains("level="));
}

#[test]
fn contents_of_secrets_are_not_stored_and_those_that_an_earlier_version_stored_are_read() {
    let deployment = test_fleet("hunter2").compile("app", &yaml()).unwrap().deployment;
    let stored = serde_json::to_string(&deployment).unwrap();
    assert!(!stored.contains("hunter2") && !stored.contains("level="), "{stored}");
    assert_eq!(serde_json::from_str::<Deployment>(&stored).unwrap(), deployment);

    let container = &deployment.instances.values().next().unwrap().container;
    let old = r#"{"target": "/etc/app.conf", "contents": "level=debug", "mode": 292, "salt": "salt"}"#;
    let old: PlacedFile = serde_json::from_str(old).unwrap();
    assert_eq!(old, container.files[2]);
    assert_eq!(old.blob(), Some(b"saltlevel=debug".to_vec()));
}

#[test]
fn a_rollback_recreates_no_container_although_it_does_not_know_the_contents_of_its_secrets() {
    let mut fleet = test_fleet("hunter2");
    fleet.up("app", &yaml());
    let stored = serde_json::to_string(&fleet.before["app"]).unwrap();
    let rollback = |fleet: &TestFleet| {
        let release: Deployment = serde_json::from_str(&stored).unwrap();
        let input = compile::RollbackInput { fleet: &fleet.fleet, held: &fleet.held, beside: &[], release: 3 };
        compile::rollback(input, release).unwrap().instances.into_values().next().unwrap()
    };
    let held = |fleet: &TestFleet| fleet.before["app"].instances.values().next().unwrap().digest.clone();
    assert_eq!(rollback(&fleet).digest, held(&fleet));

    let first = held(&fleet);
    fleet.environment.insert("TOKEN".into(), "hunter3".into());
    fleet.up("app", &yaml());
    assert_ne!(held(&fleet), first);
    assert_eq!(rollback(&fleet).digest, first);
    // An instance that changes nevertheless has a digest of its own, which depends on the secret.
    for state in fleet.held.values_mut() {
        state.instances.clear();
        for endpoint in Arc::make_mut(&mut state.fabric).endpoints.values_mut() {
            let Holder::Instance(name) = &mut endpoint.holder else { continue };
            name.stack = "other".into();
        }
    }
    fleet.unmanaged = [InstanceName::new("other", "web", 1)].into();
    assert_ne!(rollback(&fleet).digest, first);
}

#[test]
fn a_file_that_the_container_could_not_see_is_refused() {
    let of = |change: &dyn Fn(String) -> String| refusal(&test_fleet("hunter2"), &change(yaml()));
    let service = |keys: &str| of(&|yaml| yaml.replace("image: web:1", &format!("image: web:1\n    {keys}")));
    let read_only = service("read_only: true");
    assert!(
        read_only.contains("app/compose.yaml:7:15: token: it cannot be copied into a read-only container"),
        "{read_only}"
    );
    let hidden = service("tmpfs: /run:size=1m");
    assert!(hidden.contains("app/compose.yaml:7:15: token: a tmpfs would hide it"), "{hidden}");
    assert!(!hidden.contains("settings"), "{hidden}");
    let owner = of(&|yaml| yaml.replace("'70'", "www"));
    assert!(owner.contains("uid must be a number, not \"www\""), "{owner}");
    let unset = of(&|yaml| yaml.replace("environment: TOKEN", "environment: TOKN"));
    assert!(
        unset.contains("token comes from the variable TOKN, which is not set") && unset.contains("TOKN=…"),
        "{unset}"
    );
    assert!(![read_only, hidden, owner, unset].iter().any(|text| text.contains("hunter2")));
}
