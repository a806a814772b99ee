//! What stands in the way on the hosts, and is told before anything is touched.
#![allow(clippy::unwrap_used)]
mod stage;

use std::collections::BTreeMap;

use landfast_core::plan::{EngineNetwork, Found, UsedPort, conflicts};
use stage::{NET, Stage};

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

fn told(stage: &Stage, yaml: &str, found: Found) -> Vec<String> {
    let target = stage.propose("web", &format!("{yaml}{NET}")).target;
    let found = BTreeMap::from([("alpha".to_owned(), found)]);
    conflicts(&stage.held, &target, &found).iter().map(ToString::to_string).collect()
}

const WEB: &str = "services: {web: {image: i, networks: [infra_net], ports: ['8080:80']}}\n";

#[test]
fn f34_a_network_that_is_there_with_other_options_is_told_with_the_difference() {
    let stage = Stage::new("");
    let told = |there: EngineNetwork| told(&stage, WEB, Found { networks: vec![there], ..Found::default() });
    assert_eq!(
        told(EngineNetwork { driver: "macvlan".into(), internal: true, ..network("infra_net", "10.5.0.0/16", false) }),
        [
            "alpha: the network infra_net is there already, not made by Landfast, with driver macvlan instead of bridge, \
          subnet 10.5.0.0/16 instead of 172.19.0.0/16, internal true instead of false; nothing was changed: remove it \
          (docker network rm infra_net) or change landfast.toml"
        ]
    );
    assert!(told(network("infra_net", "172.19.0.0/16", false))[0].contains("Landfast must make it itself"));
    assert_eq!(told(network("infra_net", "172.19.0.0/16", true)), [""; 0]);
    assert!(told(network("infra_net", "10.5.0.0/16", true))[0].contains("take its stacks down first"));
    assert_eq!(
        told(network("other", "172.19.64.0/18", false)),
        [
            "alpha: the network infra_net cannot be made: its subnet 172.19.0.0/16 overlaps 172.19.64.0/18 of the network other"
        ]
    );
}

#[test]
fn f49_a_port_that_somebody_holds_is_told_with_its_owner() {
    let mut stage = Stage::new("[stacks.web]\nplace = { \"*\" = \"alpha\" }\n");
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
        told(&stage, WEB, used("a process on the host", "", "0.0.0.0")),
        [
            "alpha: port 127.0.0.1:8080/tcp that web/web.1 publishes is taken by a process on the host: stop it, or publish another port"
        ]
    );
    assert_eq!(told(&stage, WEB, used("a process on the host", "", "192.168.2.201")), [""; 0]);
    // Its own container, and one that this plan takes the port from.
    assert_eq!(told(&stage, WEB, used("container web-web-1", "web/web.1", "127.0.0.1")), [""; 0]);
    stage.up("web", &format!("{}{NET}", WEB.replace("web: {", "old: {")));
    assert_eq!(told(&stage, WEB, used("container web-old-1", "web/old.1", "127.0.0.1")), [""; 0]);
}

#[test]
fn an_external_network_that_is_not_there_is_told() {
    let stage = Stage::new("");
    let yaml = "services: {web: {image: i, networks: [theirs]}}\nnetworks: {theirs: {external: true}}\n";
    let target = stage.propose("web", yaml).target;
    let found = Found { networks: vec![network("bridge", "172.17.0.0/16", false)], ..Found::default() };
    let told = conflicts(&stage.held, &target, &BTreeMap::from([("alpha".to_owned(), found)]));
    assert_eq!(
        told[0].to_string(),
        "alpha: web/web.1 is on theirs, which is external and not there: make it, or add it to landfast.toml"
    );
}
