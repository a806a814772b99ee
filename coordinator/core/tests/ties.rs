//! Tests of tied services: where they run, and when they are recreated.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use landfast_core::compile;
use test_fleet::{NET, TestFleet, host_of};

const YAML: &str = "
services:
  db: {image: 'db:1', networks: [infra_net]}
  web: {image: 'web:1', network_mode: 'service:db', volumes_from: ['db:ro']}
  probe: {image: 'probe:1', pid: 'service:web', ipc: 'service:db', networks: [infra_net]}
";

fn yaml() -> String {
    format!("{YAML}{NET}")
}

#[test]
fn tied_services_run_on_one_host() {
    let mut test_fleet = TestFleet::new("[stacks.app.place]\ndb = \"gamma\"\n");
    let plan = test_fleet.up("app", &yaml());
    for service in ["db", "web", "probe"] {
        assert_eq!(host_of(&test_fleet.held, &format!("app/{service}.1")), "gamma", "{plan}");
    }
    assert!(plan.contains("db is there, and it shares its network"), "{plan}");
    let web = test_fleet.held["gamma"].instance(&"app/web.1".parse().unwrap()).unwrap().container.clone();
    assert_eq!((web.network_mode.as_str(), web.volumes_from.clone()), ("service:db", vec!["service:db:ro".to_owned()]));
}

#[test]
fn placement_rules_that_separate_tied_services_are_refused() {
    let test_fleet = TestFleet::new("[stacks.app.place]\ndb = \"gamma\"\nweb = \"alpha\"\n");
    let refusal = test_fleet.compile("app", &yaml()).unwrap_err();
    assert!(
        refusal.contains("app/compose.yaml:4:25: it must run on the same host as db, which is placed on gamma"),
        "{refusal}"
    );
    assert!(refusal.contains("place both services on one host in landfast.toml"), "{refusal}");
}

#[test]
fn a_tied_service_is_recreated_with_the_other_and_the_plan_gives_the_reason() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("app", &yaml());
    let plan = test_fleet.propose("app", &yaml().replace("db:1", "db:2")).plan.to_string();
    assert!(plan.contains("it is recreated together with app/db.1"), "{plan}");
    assert!(plan.contains("it is recreated together with app/web.1"), "{plan}");
    let plan = test_fleet.propose("app", &yaml().replace("probe:1", "probe:2")).plan;
    assert_eq!(plan.steps.len(), 1, "{plan}");
}

#[test]
fn a_dependency_with_restart_recreates_the_service_on_any_host() {
    let mut test_fleet = TestFleet::new("[stacks.app.place]\ndb = \"alpha\"\nweb = \"beta\"\n");
    let of = |restart: bool| {
        let on = format!("depends_on: {{db: {{condition: service_started, restart: {restart}}}}}");
        format!(
            "services:\n  db: {{image: 'db:1', networks: [infra_net]}}\n  web: {{image: 'web:1', networks: [infra_net], {on}}}\n{NET}"
        )
    };
    test_fleet.up("app", &of(true));
    let plan = test_fleet.propose("app", &of(true).replace("db:1", "db:2")).plan.to_string();
    assert!(plan.contains("web") && plan.contains("it is recreated together with app/db.1"), "{plan}");
    test_fleet.up("app", &of(false));
    assert_eq!(test_fleet.propose("app", &of(false).replace("db:1", "db:2")).plan.steps.len(), 1);
}

#[test]
fn only_the_owner_of_a_shared_network_publishes_ports() {
    let yaml = yaml().replace("network_mode: 'service:db'", "network_mode: 'service:db', ports: ['80:80']");
    let refusal = TestFleet::new("").compile("app", &yaml).unwrap_err();
    assert!(
        refusal.contains("the service shares the network of service:db, so it cannot publish ports itself"),
        "{refusal}"
    );
}

#[test]
fn a_link_is_a_name_for_its_service_only() {
    let yaml = format!(
        "services:\n  db: {{image: 'db:1', networks: {{infra_net: {{ipv4_address: 172.19.0.5}}}}}}\n  \
         cache: {{image: 'cache:1', networks: [own]}}\n  \
         web: {{image: 'web:1', networks: [infra_net, own], links: ['db:database', 'cache:memory', 'db']}}\n{}",
        NET.replace("networks: {", "networks: {own: {}, ")
    );
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("app", &yaml);
    let host = host_of(&test_fleet.held, "app/web.1");
    let web = test_fleet.held[&host].instance(&"app/web.1".parse().unwrap()).unwrap().container.clone();
    assert_eq!(web.extra_hosts, ["database:172.19.0.5"]);
    let links: Vec<_> = web.networks.iter().map(|end| (end.network.as_str(), end.links.clone())).collect();
    assert_eq!(links, [("infra_net", Vec::new()), ("app_own", vec!["app-cache-1:memory".to_owned()])]);
}

#[test]
fn a_link_of_an_earlier_release_gets_the_current_address() {
    let yaml = format!(
        "services:\n  db: {{image: 'db:1', networks: [infra_net]}}\n  \
         web: {{image: 'web:1', networks: [infra_net], links: ['db:database']}}\n{NET}"
    );
    let test_fleet = TestFleet::new("");
    let mut earlier = test_fleet.compile("app", &yaml).unwrap().deployment;
    // It had other addresses then, which are not in the automatic range any more.
    let text = serde_json::to_string(&earlier).unwrap().replace("172.19.128.1", "172.19.128.77");
    earlier = serde_json::from_str(&text).unwrap();
    let today = compile::RollbackInput { fleet: &test_fleet.fleet, held: &test_fleet.held, beside: &[], release: 2 };
    let again = compile::rollback(today, earlier).unwrap();
    let of = |service: &str| &again.instances[&format!("app/{service}.1").parse().unwrap()].container;
    assert_eq!(of("web").extra_hosts, [format!("database:{}", of("db").networks[0].address.unwrap())]);
}
