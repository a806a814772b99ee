//! Tests of abilities that a service needs from an engine: it runs on a host with them, or is refused.
#![allow(clippy::unwrap_used)]

mod test_fleet;

use landfast_core::place::Abilities;
use test_fleet::{TestFleet, host_of};

fn abilities(runtimes: &[&str], drivers: &[&str]) -> Abilities {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Abilities { runtimes: set(runtimes), device_drivers: set(drivers) }
}

/// Creates three hosts, of which only beta has these runtimes and drivers.
fn test_fleet(extra: &str, runtimes: &[&str], drivers: &[&str]) -> TestFleet {
    let mut test_fleet = TestFleet::new(&format!("[stacks.app]\n{extra}"));
    for host in ["alpha", "gamma"] {
        test_fleet.abilities.insert(host.into(), abilities(&["runc", "io.containerd.runc.v2"], &[]));
    }
    test_fleet.abilities.insert("beta".into(), abilities(runtimes, drivers));
    test_fleet
}

fn service(keys: &str) -> String {
    format!("services:\n  web:\n    image: w:1\n{keys}")
}

fn reserved(request: &str) -> String {
    service(&format!("    deploy: {{resources: {{reservations: {{devices: [{request}]}}}}}}\n"))
}

const NVIDIA: &str = "{driver: nvidia, count: 1, capabilities: [gpu]}";

#[test]
fn an_ability_that_no_host_has_is_refused_with_its_location() {
    let cases = [
        (reserved(NVIDIA), "4:51", "deploy.resources.reservations.devices[0]", "an NVIDIA GPU"),
        (
            reserved("{driver: amd, capabilities: [gpu]}"),
            "4:51",
            "deploy.resources.reservations.devices[0]",
            "an AMD GPU",
        ),
        (reserved("{capabilities: [gpu]}"), "4:51", "deploy.resources.reservations.devices[0]", "a GPU"),
        (
            reserved(&format!("{{driver: other, capabilities: [x]}}, {NVIDIA}")),
            "4:87",
            "deploy.resources.reservations.devices[1]",
            "an NVIDIA GPU",
        ),
        (
            reserved("{driver: cdi, device_ids: [a.b/c=d], capabilities: [c]}"),
            "4:51",
            "deploy.resources.reservations.devices[0]",
            "an engine with support for the Container Device Interface",
        ),
        (service("    gpus: all\n"), "4:5", "gpus", "a GPU"),
        (service("    gpus: [{driver: nvidia}]\n"), "4:12", "gpus[0]", "an NVIDIA GPU"),
        (
            service("    devices: [/dev/null, nvidia.com/gpu=all]\n"),
            "4:26",
            "devices[1]",
            "an engine with support for the Container Device Interface",
        ),
        (service("    runtime: kata\n"), "4:5", "runtime", "an engine with the runtime kata"),
    ];
    for (yaml, place, key, what) in cases {
        let refusal = test_fleet("", &["runc"], &[]).compile("app", &yaml).unwrap_err();
        let start = format!("app/compose.yaml:{place}: no host has {what}");
        assert!(refusal.starts_with(&start), "{start}\n{refusal}");
        assert!(
            refusal.contains(", which web needs") && refusal.contains(&format!("(services.web.{key}")),
            "{refusal}"
        );
        assert!(refusal.contains("hint: "), "{refusal}");
    }
}

#[test]
fn a_service_runs_on_the_only_host_with_the_ability() {
    let cases = [
        (reserved(NVIDIA), "nvidia"),
        (reserved("{capabilities: [gpu]}"), "nvidia"),
        (reserved("{capabilities: [gpu]}"), "amd"),
        (reserved("{driver: cdi, capabilities: [c]}"), "cdi"),
        (service("    gpus: all\n"), "amd"),
        (service("    devices: [nvidia.com/gpu=all]\n"), "cdi"),
    ];
    for (yaml, driver) in cases {
        let mut test_fleet = test_fleet("", &["runc"], &[driver]);
        let plan = test_fleet.up("app", &yaml);
        assert_eq!(host_of(&test_fleet.held, "app/web.1"), "beta", "{yaml}{plan}");
    }
    let mut test_fleet = test_fleet("", &["runc", "kata"], &[]);
    test_fleet.up("app", &service("    runtime: kata\n"));
    assert_eq!(host_of(&test_fleet.held, "app/web.1"), "beta");
}

#[test]
fn another_driver_does_not_count() {
    for (request, driver) in [(NVIDIA, "amd"), (NVIDIA, "cdi"), ("{driver: amd, capabilities: [gpu]}", "nvidia")] {
        assert!(
            test_fleet("", &["runc"], &[driver]).compile("app", &reserved(request)).is_err(),
            "{request} by {driver}"
        );
    }
    let cdi = service("    devices: [nvidia.com/gpu=all]\n");
    assert!(test_fleet("", &["runc"], &["nvidia"]).compile("app", &cdi).is_err());
}

#[test]
fn unknown_abilities_are_left_to_the_engine() {
    let unjudged = [
        reserved("{driver: other, capabilities: [gpu]}"),
        reserved("{capabilities: [tpu]}"),
        service("    devices: [/dev/nvidia0]\n"),
        service("    runtime: io.containerd.kata.v2\n"),
        service("    runtime: /usr/bin/containerd-shim-kata-v2\n"),
        service("    runtime: runc\n"),
    ];
    for yaml in unjudged {
        assert!(test_fleet("", &["runc"], &[]).compile("app", &yaml).is_ok(), "{yaml}");
    }
    // An agent that reports nothing, and one that was not asked.
    assert!(test_fleet("", &[], &[]).compile("app", &reserved(NVIDIA)).is_ok());
    assert!(TestFleet::new("[stacks.app]\n").compile("app", &reserved(NVIDIA)).is_ok());
}

#[test]
fn the_refusal_names_the_placement_rule_and_the_missing_ability() {
    let test_fleet = test_fleet("place = { web = \"alpha\" }\n", &["runc"], &["nvidia"]);
    let refusal = test_fleet.compile("app", &reserved(NVIDIA)).unwrap_err();
    assert!(refusal.contains("no host that may run web has an NVIDIA GPU"), "{refusal}");
    assert!(refusal.contains("beta by landfast.toml:"), "the one that has it is excluded: {refusal}");
}

#[test]
fn a_service_without_instances_is_not_refused() {
    let none = service("    runtime: kata\n    deploy: {replicas: 0}\n");
    assert!(test_fleet("", &["runc"], &[]).compile("app", &none).is_ok());
}
