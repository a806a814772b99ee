//! Desired state of hosts: other stacks as they are held, networks on every host, addresses and names of all.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::collections::BTreeSet;
use std::sync::Arc;

use landfast_agreement::Mac;
use landfast_core::address::gateways;
use landfast_core::desired::{HostState, remove_host, vni};
use landfast_core::fabric::Holder;
use landfast_core::ledger::ledger;
use test_fleet::{NET, TestFleet, address, host_of};

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
    let name = |wanted: &str| proposal.target["alpha"].fabric.names[wanted].len();
    assert_eq!((name("redis"), name("redis.web")), (2, 1));
}

#[test]
fn every_host_knows_the_instances_and_gateways_of_the_others() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("db"));
    assert_eq!(
        endpoints(&test_fleet.held["beta"]),
        [
            "172.19.128.1 1 192.168.2.201 data/db.1",
            "172.19.255.1 0 192.168.2.201 gateway",
            "172.19.255.2 0 192.168.2.202 gateway",
            "172.19.255.3 0 192.168.2.203 gateway",
        ]
    );
    assert!(Arc::ptr_eq(&test_fleet.held["alpha"].fabric, &test_fleet.held["beta"].fabric), "it is in memory once");
}

/// Address, epoch, host and holder of each endpoint that a host knows.
fn endpoints(state: &HostState) -> Vec<String> {
    let holder = |holder: &Holder| match holder {
        Holder::Gateway => "gateway".to_owned(),
        Holder::Instance(name) => name.to_string(),
        Holder::Nobody => "nobody".to_owned(),
    };
    let all = state.fabric.endpoints.iter();
    all.map(|(address, it)| format!("{} {} {} {}", address.ip, it.epoch, it.host, holder(&it.holder))).collect()
}

/// What the fleet knows of the address of the only instance.
fn address_of_db(test_fleet: &TestFleet) -> String {
    endpoints(&test_fleet.held["gamma"]).swap_remove(0)
}

#[test]
fn the_epoch_of_an_address_grows_with_each_move_and_never_falls() {
    let placed = |host: &str| TestFleet::new(&format!("[stacks.data.place]\ndb = \"{host}\"\n")).fleet;
    let mut test_fleet = TestFleet::new("");
    test_fleet.fleet = placed("alpha");
    test_fleet.up("data", &service("db"));
    assert_eq!(address_of_db(&test_fleet), "172.19.128.1 1 192.168.2.201 data/db.1");
    test_fleet.fleet = placed("beta");
    test_fleet.up("data", &service("db"));
    assert_eq!(address_of_db(&test_fleet), "172.19.128.1 2 192.168.2.202 data/db.1");
    // The ledger remembers an address that was vacated, also in the folder of somebody else.
    let down = test_fleet.propose_down("data", false);
    test_fleet.done(down);
    assert_eq!(address_of_db(&test_fleet), "172.19.128.1 2 192.168.2.202 nobody");
    test_fleet.fleet = placed("alpha");
    test_fleet.before.clear();
    test_fleet.up("data", &service("db"));
    assert_eq!(address_of_db(&test_fleet), "172.19.128.1 3 192.168.2.201 data/db.1");
    let db = test_fleet.held["alpha"].instance(&"data/db.1".parse().unwrap()).unwrap();
    let end = &db.container.networks[0];
    assert_eq!((end.epoch, end.mac.as_str()), (3, "02:1f:00:03:80:01"));
}

#[test]
fn f60_an_address_stays_held_when_its_host_has_lost_its_memory() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("db"));
    let home = host_of(&test_fleet.held, "data/db.1");
    let lost = test_fleet.held.get_mut(&home).unwrap();
    lost.instances.clear();
    lost.trees.clear();
    test_fleet.unmanaged.insert("data/db.1".parse().unwrap());
    // Another stack gets another address, and the names of the lost one resolve.
    test_fleet.up("web", &service("app"));
    assert_eq!(address(&test_fleet.held, "web/app.1", "infra_net"), "172.19.128.2");
    let fabric = &test_fleet.held["gamma"].fabric;
    assert_eq!(fabric.names["db.data"].len(), 1);
    assert!(address_of_db(&test_fleet).ends_with("data/db.1"));
    // Its stack takes the address up again, or gives it back.
    let down = test_fleet.propose_down("data", false);
    test_fleet.done(down);
    assert!(address_of_db(&test_fleet).ends_with("nobody"));
    assert!(!test_fleet.held["gamma"].fabric.names.contains_key("db.data"));
}

#[test]
fn a_host_that_has_missed_a_removal_does_not_bring_it_back() {
    let mut test_fleet = TestFleet::new("[stacks.data.place]\ndb = \"alpha\"\n");
    test_fleet.up("data", &service("db"));
    let old = test_fleet.held["gamma"].fabric.clone();
    let down = test_fleet.propose_down("data", false);
    test_fleet.done(down);
    test_fleet.held.get_mut("gamma").unwrap().fabric = old;
    let known = ledger(&test_fleet.held);
    assert!(!known.names.contains_key("db.data"));
    test_fleet.up("web", &service("app"));
    assert_eq!(address(&test_fleet.held, "web/app.1", "infra_net"), "172.19.128.1", "the address is free");
}

#[test]
fn names_of_an_instance_that_was_never_made_are_gone_with_the_next_deployment() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("web", &service("app"));
    // A rollout that failed has published what it was about to make.
    let failed = test_fleet.propose("data", &service("db"));
    let fabric = failed.target["alpha"].fabric.clone();
    assert!(fabric.names.contains_key("db.data"));
    test_fleet.held.values_mut().for_each(|state| state.fabric.clone_from(&fabric));
    test_fleet.up("web", &service("app"));
    assert!(!test_fleet.held["alpha"].fabric.names.contains_key("db.data"));
}

#[test]
fn of_two_hosts_that_hold_one_address_the_later_one_has_it_and_its_epoch_stays() {
    let placed = |host: &str| TestFleet::new(&format!("[stacks.data.place]\ndb = \"{host}\"\n")).fleet;
    let mut test_fleet = TestFleet::new("");
    test_fleet.fleet = placed("gamma");
    test_fleet.up("data", &service("db"));
    let stale = test_fleet.held["gamma"].clone();
    test_fleet.fleet = placed("alpha");
    test_fleet.up("data", &service("db"));
    // The old host comes back as it was.
    test_fleet.held.insert("gamma".to_owned(), stale.clone());
    test_fleet.up("web", &service("app"));
    assert_eq!(address_of_db(&test_fleet), "172.19.128.1 2 192.168.2.201 data/db.1");
    // After the stack is removed elsewhere, what still runs on the old host keeps its address from others.
    let down = test_fleet.propose_down("data", false);
    test_fleet.done(down);
    test_fleet.held.insert("gamma".to_owned(), stale);
    test_fleet.up("other", &service("app"));
    assert_eq!(address(&test_fleet.held, "other/app.1", "infra_net"), "172.19.128.3");
    assert_eq!(address_of_db(&test_fleet), "172.19.128.1 2 192.168.2.203 data/db.1");
}

#[test]
fn a_host_with_a_new_lan_address_keeps_its_containers_and_its_gateway() {
    let mut test_fleet = TestFleet::new("[stacks.data.place]\ndb = \"alpha\"\n");
    test_fleet.up("data", &service("db"));
    // Another host takes over the old address.
    test_fleet.fleet.hosts.get_mut("alpha").unwrap().address = "192.168.2.99".parse().unwrap();
    test_fleet.fleet.hosts.get_mut("beta").unwrap().address = "192.168.2.201".parse().unwrap();
    let proposal = test_fleet.propose("data", &service("db"));
    assert!(proposal.plan.steps.iter().all(|step| step.action.instance().is_none()), "{}", proposal.plan);
    test_fleet.done(proposal);
    assert_eq!(address_of_db(&test_fleet), "172.19.128.1 1 192.168.2.99 data/db.1");
    let gateways = gateways(&test_fleet.fleet, &test_fleet.held);
    assert_eq!(gateways.values().collect::<BTreeSet<_>>().len(), 3, "{gateways:?}");
}

#[test]
fn two_hosts_do_not_get_the_gateway_of_one_that_is_known_by_its_lan_address() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("db"));
    test_fleet.held.get_mut("gamma").unwrap().networks.clear();
    let gateways = gateways(&test_fleet.fleet, &test_fleet.held);
    assert_eq!(gateways[&("infra_net".to_owned(), "gamma".to_owned())].to_string(), "172.19.255.3");
    test_fleet.fleet.hosts.get_mut("gamma").unwrap().address = "192.168.2.201".parse().unwrap();
    let gateways = landfast_core::address::gateways(&test_fleet.fleet, &test_fleet.held);
    assert_eq!(gateways.values().collect::<BTreeSet<_>>().len(), 3, "{gateways:?}");
}

#[test]
fn what_a_host_has_missed_of_the_fabric_does_not_change_the_ledger() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("data", &service("db"));
    let old = test_fleet.held["gamma"].fabric.clone();
    test_fleet.up("web", &service("app"));
    let newest = test_fleet.held["alpha"].fabric.clone();
    test_fleet.held.get_mut("gamma").unwrap().fabric = old;
    assert!(Arc::ptr_eq(&ledger(&test_fleet.held), &newest));
    let plan = test_fleet.up("web", &service("app"));
    assert!(plan.contains("on gamma: names of the fleet changed; addresses of the fleet changed"), "{plan}");
}

#[test]
fn a_host_that_is_removed_keeps_its_volumes_and_gives_up_its_addresses() {
    let mut test_fleet = TestFleet::new("[stacks.data.place]\ndb = \"gamma\"\n");
    let files = service("db").replace("networks: [infra_net]}", "networks: [infra_net], volumes: ['files:/files']}");
    test_fleet.up("data", &format!("{files}volumes: {{files: {{}}}}\n"));
    test_fleet.up("web", &service("app"));
    let states = remove_host("gamma", "192.168.2.203".parse().unwrap(), &test_fleet.held, &BTreeSet::new());
    let gamma = &states["gamma"];
    assert!(gamma.instances.is_empty() && gamma.trees.is_empty() && gamma.networks.is_empty());
    assert_eq!(gamma.volumes, test_fleet.held["gamma"].volumes);
    assert!(!gamma.volumes[0].remove);
    assert_eq!(states["alpha"].fabric.held_at("192.168.2.203".parse().unwrap()).count(), 0);
    assert!(!states["alpha"].fabric.names.contains_key("db.data"));
    assert_eq!(endpoints(&states["alpha"])[0], "172.19.128.1 1 192.168.2.203 nobody");
    // The same without its state, as for a host that never returns.
    let others = test_fleet.held.iter().filter(|(host, _)| *host != "gamma");
    let others = others.map(|(host, state)| (host.clone(), state.clone())).collect();
    let lost = remove_host("gamma", "192.168.2.203".parse().unwrap(), &others, &BTreeSet::new());
    assert_eq!(lost["alpha"].fabric, states["alpha"].fabric);
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
