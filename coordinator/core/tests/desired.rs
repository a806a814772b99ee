//! Desired state of hosts: other stacks as they are held, networks on every host, names and neighbours of all.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use landfast_agreement::Mac;
use landfast_core::address::gateways;
use landfast_core::desired::vni;
use test_fleet::{NET, TestFleet};

fn service(name: &str) -> String {
    format!("services: {{{name}: {{image: i, networks: [infra_net]}}}}\n{NET}")
}

#[test]
fn other_stacks_stay_as_the_hosts_hold_them() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("db"));
    test_fleet.up("web", &service("front"));
    let held = |name: &str| test_fleet.held.values().any(|state| state.instance(&name.parse().unwrap()).is_some());
    assert!(held("data/db.1") && held("web/front.1"));
    let down = test_fleet.propose_down("web", false);
    assert!(down.plan.steps.iter().all(|step| step.action.stack() == Some("web")), "{}", down.plan);
    // The other stack still uses the network of the fleet.
    assert!(down.target["gamma"].networks.iter().any(|network| network.name == "infra_net"));
}

#[test]
fn a_name_in_two_stacks_gives_a_warning_and_resolves_to_both() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("redis"));
    let proposal = test_fleet.propose("web", &service("redis"));
    assert!(
        proposal.warnings.contains(
            "redis on infra_net is also a service of data: the name resolves to the addresses of all of them"
        ),
        "{}",
        proposal.warnings
    );
    let name =
        |wanted: &str| proposal.target["alpha"].names.iter().find(|it| it.name == wanted).unwrap().addresses.len();
    assert_eq!((name("redis"), name("redis.web")), (2, 1));
}

#[test]
fn every_host_knows_the_instances_and_gateways_of_the_others() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("db"));
    let neighbours = |host: &str| -> Vec<String> {
        let overlay = test_fleet.held[host].networks[0].overlay.as_ref().unwrap();
        overlay.neighbours.iter().map(|it| format!("{} {} {}", it.address, it.mac, it.host)).collect()
    };
    assert_eq!(
        neighbours("beta"),
        [
            "172.19.128.1 02:1f:00:01:80:01 192.168.2.201",
            "172.19.255.1 02:1f:00:00:ff:01 192.168.2.201",
            "172.19.255.3 02:1f:00:00:ff:03 192.168.2.203",
        ]
    );
    assert_eq!(neighbours("alpha").len(), 2);
}

#[test]
fn gateways_stay_when_hosts_join_and_leave() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("db"));
    test_fleet.fleet = TestFleet::new("[hosts.aaa]\naddress = \"192.168.2.9\"\n").fleet;
    test_fleet.fleet.hosts.remove("beta");
    let gateways = gateways(&test_fleet.fleet, &test_fleet.held);
    let of = |host: &str| gateways[&("infra_net".to_owned(), host.to_owned())].to_string();
    assert_eq!([of("aaa"), of("alpha"), of("gamma")], ["172.19.255.2", "172.19.255.1", "172.19.255.3"]);
}

#[test]
fn what_hosts_agree_on_by_computing_it_is_pinned() {
    assert_eq!(vni("infra_net"), 774_158);
    assert_eq!(Mac::of(1, "172.19.0.50".parse().unwrap()).to_string(), "02:1f:00:01:00:32");
    assert_eq!(Mac::of(0x1234, "10.0.255.7".parse().unwrap()).to_string(), "02:1f:12:34:ff:07");
}
