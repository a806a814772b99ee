//! Conflicts with what the hosts have, which are reported before anything is changed.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::collections::BTreeMap;

use landfast_core::plan::{EngineNetwork, EngineVolume, Found, UsedPort, conflicts};
use test_fleet::{NET, TestFleet};

fn network(name: &str, subnet: &str, managed: bool) -> EngineNetwork {
    EngineNetwork {
        name: name.into(),
        driver: "bridge".into(),
        subnets: vec![subnet.into()],
        gateways: vec!["172.19.255.1".into()],
        managed,
        ..EngineNetwork::default()
    }
}

fn reported(test_fleet: &TestFleet, yaml: &str, found: Found) -> Vec<String> {
    let target = test_fleet.propose("web", &format!("{yaml}{NET}")).target;
    let found = BTreeMap::from([("alpha".to_owned(), found)]);
    conflicts(&test_fleet.held, &target, &found).iter().map(ToString::to_string).collect()
}

const WEB: &str = "services: {web: {image: i, networks: [infra_net], ports: ['8080:80']}}\n";

#[test]
fn f34_a_network_that_exists_with_other_options_is_reported_with_the_differences() {
    let test_fleet = TestFleet::new("");
    let reported =
        |there: EngineNetwork| reported(&test_fleet, WEB, Found { networks: vec![there], ..Found::default() });
    assert_eq!(
        reported(EngineNetwork {
            driver: "macvlan".into(),
            internal: true,
            ..network("infra_net", "10.5.0.0/16", false)
        }),
        ["alpha: the network infra_net exists and was not created by Landfast: driver macvlan instead of bridge, \
          subnet 10.5.0.0/16 instead of 172.19.0.0/16, internal true instead of false; nothing was changed: remove it \
          (docker network rm infra_net) or change landfast.toml"]
    );
    assert!(
        reported(network("infra_net", "172.19.0.0/16", false))[0]
            .contains("only a network that Landfast creates can span hosts")
    );
    assert_eq!(reported(network("infra_net", "172.19.0.0/16", true)), [""; 0]);
    assert!(
        reported(network("infra_net", "10.5.0.0/16", true))[0]
            .contains("run `landfast down` for the stacks that use it first")
    );
    assert_eq!(
        reported(network("other", "172.19.64.0/18", false)),
        [
            "alpha: the network infra_net cannot be created: its subnet 172.19.0.0/16 overlaps 172.19.64.0/18 of the network \
          other, which has no containers; remove that one (docker network rm other) or choose another subnet"
        ]
    );
}

#[test]
fn f73_an_overlapping_network_is_reported_with_its_containers_and_the_command_that_removes_it() {
    let test_fleet = TestFleet::new("");
    let other = |project: &str, containers: &[&str]| EngineNetwork {
        project: project.to_owned(),
        containers: containers.iter().map(ToString::to_string).collect(),
        ..network("shop_default", "172.19.0.0/16", false)
    };
    for (there, end) in [
        (
            other("", &["a", "b"]),
            "which has the containers a, b; remove that one (docker stop a b && docker rm a b && docker network rm shop_default) or choose another subnet",
        ),
        (
            other("shop", &["a"]),
            "which has the containers a; remove that one (docker compose -p shop down) or choose another subnet",
        ),
    ] {
        let reported = reported(&test_fleet, WEB, Found { networks: vec![there], ..Found::default() });
        assert!(reported[0].ends_with(end), "{reported:?}");
    }
}

/// Conflicts when a stack with its own network and volume was deployed from one declaration and then has another.
fn declared(first: &str, then: &str, found: Found) -> Vec<String> {
    let mut test_fleet = TestFleet::new("[stacks.web]\nplace = { \"*\" = \"alpha\" }\n");
    let yaml =
        |more: &str| format!("services: {{web: {{image: i, networks: [own], volumes: ['data:/data']}}}}\n{more}\n");
    test_fleet.up("web", &yaml(first));
    let target = test_fleet.propose("web", &yaml(then)).target;
    conflicts(&test_fleet.held, &target, &BTreeMap::from([("alpha".to_owned(), found)]))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_changed_declaration_of_a_network_is_refused_with_a_solution() {
    let own = |more: &str| format!("networks: {{own: {{{more}}}}}\nvolumes: {{data: {{}}}}");
    let there = || EngineNetwork { gateways: vec![], ..network("web_own", "10.9.0.0/16", true) };
    for (then, problem) in [
        ("internal: true", "internal is false and should be true"),
        ("attachable: true", "attachable is false and should be true"),
        ("enable_ipv6: true", "enable_ipv6 is false and should be true"),
        ("driver_opts: {mtu: '1400'}", "option mtu is not set and should be 1400"),
        (
            "ipam: {config: [{subnet: 10.9.0.0/16, ip_range: 10.9.1.0/24}]}",
            "ipam is not set and should be 10.9.0.0/16 10.9.1.0/24",
        ),
    ] {
        let found = Found { networks: vec![there()], ..Found::default() };
        let found = declared(&own(""), &own(then), found);
        let solution = "run `landfast down web` and `landfast up web` to recreate it";
        assert_eq!(found, [format!("alpha: the network web_own differs from its declaration: {problem}; {solution}")]);
    }
    let dropped = declared(&own("driver_opts: {mtu: '1400'}"), &own(""), Found::default());
    assert!(dropped[0].contains("option mtu is 1400 and should be not set"), "{dropped:?}");
    assert_eq!(declared(&own("internal: true"), &own("internal: true"), Found::default()), [""; 0]);
}

#[test]
fn a_volume_that_differs_from_its_declaration_is_refused_and_keeps_its_data() {
    let data = |more: &str| format!("networks: {{own: {{}}}}\nvolumes: {{data: {{{more}}}}}");
    let bind = "driver_opts: {type: none, o: bind, device: /srv/a}";
    let volume = |managed: bool, device: Option<&str>| EngineVolume {
        name: "web_data".into(),
        driver: "local".into(),
        options: device
            .into_iter()
            .flat_map(|device| [("type", "none"), ("o", "bind"), ("device", device)])
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        managed,
    };
    let found = |volume: EngineVolume| Found { volumes: vec![volume], ..Found::default() };
    let reported = declared(&data(bind), &data(&bind.replace("/a", "/b")), found(volume(true, Some("/srv/a"))));
    assert!(
        reported[0].contains("option device is /srv/a and should be /srv/b; it was not changed because it may hold data: correct the declaration, choose another name, or delete it and its data \
             with `landfast down web --volumes`"),
        "{reported:?}"
    );
    assert!(declared(&data(bind), &data(""), found(volume(true, Some("/srv/a"))))[0].contains("should be not set"));
    assert!(declared(&data(""), &data("driver: nfs"), found(volume(true, None)))[0].contains("driver is local"));
    assert_eq!(declared(&data(bind), &data(bind), found(volume(true, Some("/srv/a")))), [""; 0]);
    assert_eq!(
        declared(&data(""), &data(""), found(volume(false, Some("/srv/a")))),
        [""; 0],
        "the user created it before"
    );
}

#[test]
fn a_missing_external_volume_is_reported() {
    let test_fleet = TestFleet::new("");
    let yaml =
        "services: {web: {image: i, volumes: ['theirs:/x', '/anonymous']}}\nvolumes: {theirs: {external: true}}\n";
    let target = test_fleet.propose("web", yaml).target;
    let bridge = || vec![network("bridge", "172.17.0.0/16", false)];
    let reported = |volumes| {
        let found = Found { networks: bridge(), volumes, ..Found::default() };
        conflicts(&test_fleet.held, &target, &BTreeMap::from([("alpha".to_owned(), found)]))
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let expected = "alpha: web/web.1 mounts the volume theirs, which is external and does not exist: run \
                    `docker volume create theirs`, or remove `external`";
    assert_eq!(reported(Vec::new()), [expected]);
    assert_eq!(reported(vec![EngineVolume { name: "theirs".into(), ..EngineVolume::default() }]), [""; 0]);
}

#[test]
fn f49_a_port_in_use_is_reported_with_its_owner() {
    let mut test_fleet = TestFleet::new("[stacks.web]\nplace = { \"*\" = \"alpha\" }\n");
    let used = |owner: &str, instance: &str, address: &str| Found {
        ports: vec![UsedPort {
            address: address.into(),
            port: 8080,
            protocol: "tcp".into(),
            owner: owner.into(),
            instance: instance.into(),
        }],
        ..Found::default()
    };
    assert_eq!(
        reported(&test_fleet, WEB, used("a process on the host", "", "0.0.0.0")),
        [
            "alpha: port 127.0.0.1:8080/tcp that web/web.1 publishes is in use by a process on the host: stop it, or publish another port"
        ]
    );
    assert_eq!(reported(&test_fleet, WEB, used("a process on the host", "", "192.168.2.201")), [""; 0]);
    // The port belongs to its own container, or to a container that this plan removes.
    assert_eq!(reported(&test_fleet, WEB, used("container web-web-1", "web/web.1", "127.0.0.1")), [""; 0]);
    test_fleet.up("web", &format!("{}{NET}", WEB.replace("web: {", "old: {")));
    assert_eq!(reported(&test_fleet, WEB, used("container web-old-1", "web/old.1", "127.0.0.1")), [""; 0]);
}

#[test]
fn a_missing_external_network_is_reported() {
    let test_fleet = TestFleet::new("");
    let yaml = "services: {web: {image: i, networks: [theirs]}}\nnetworks: {theirs: {external: true}}\n";
    let target = test_fleet.propose("web", yaml).target;
    let found = Found { networks: vec![network("bridge", "172.17.0.0/16", false)], ..Found::default() };
    let reported = conflicts(&test_fleet.held, &target, &BTreeMap::from([("alpha".to_owned(), found)]));
    assert_eq!(
        reported[0].to_string(),
        "alpha: web/web.1 uses the network theirs, which is external and does not exist: create it, or add it to landfast.toml"
    );
}
