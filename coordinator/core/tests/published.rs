//! Published ports in a plan: the addresses that they are bound to, and what decided them.
mod test_fleet;

use landfast_core::deployment::BoundBy;
use landfast_core::plan::{Plan, Published};
use test_fleet::TestFleet;

/// Lines of a plan about published ports.
fn lines(plan: &Plan) -> Vec<String> {
    plan.to_string().lines().filter(|line| line.starts_with("Published")).map(str::to_owned).collect()
}

const YAML: &str = "\
services:
  web: {image: i, ports: ['8080:80', '53:53/udp', '9000-9005:90', '81', '127.0.0.1:82:82', '0.0.0.0:83:83']}
  api: {image: i, ports: ['3000:3000'], deploy: {replicas: 2}}
  none: {image: i, expose: ['80']}
  host: {image: i, network_mode: host, ports: ['99:99']}
";

#[test]
fn ports_on_loopback_are_listed_with_the_setting_that_opens_them() {
    let plan = TestFleet::new("").propose("app", YAML).plan;
    assert_eq!(
        lines(&plan),
        ["Published on 127.0.0.1 only: app/api 3000, app/web 8080 and 53/udp and 9000-9005 and a free port for 81. \
         [stacks.app.publish] in landfast.toml can open them."]
    );
}

#[test]
fn ports_that_landfast_toml_opens_are_listed_with_their_addresses() {
    let stacks = "[stacks.app.publish]\nweb = \"lan\"\napi = \"all\"\n[stacks.app.place]\nweb = \"beta\"\n";
    let plan = TestFleet::new(stacks).propose("app", YAML).plan;
    assert_eq!(
        lines(&plan),
        [
            "Published on 0.0.0.0: app/api 3000.",
            "Published on 192.168.2.202: app/web 8080 and 53/udp and 9000-9005 and a free port for 81.",
        ]
    );
    let plan = TestFleet::new("[stacks.app.publish]\n\"*\" = \"loopback\"\n").propose("app", YAML).plan;
    assert_eq!(lines(&plan), [""; 0], "loopback on request");
}

#[test]
fn only_ports_of_created_containers_are_listed() {
    let mut test_fleet = TestFleet::new("");
    let yaml = "services: {a: {image: 'i:1', ports: ['80:80']}, b: {image: 'i:2', ports: ['81:81']}}\n";
    test_fleet.up("app", yaml);
    assert_eq!(lines(&test_fleet.propose("app", yaml).plan), [""; 0]);
    let changed = test_fleet.propose("app", &yaml.replace("i:2", "i:3")).plan;
    assert_eq!(
        lines(&changed),
        ["Published on 127.0.0.1 only: app/b 81. [stacks.app.publish] in landfast.toml can open them."]
    );
    assert_eq!(lines(&test_fleet.propose_down("app", false).plan), [""; 0]);
}

#[test]
fn a_step_has_the_ports_of_its_container_and_what_decided_their_addresses() {
    let yaml = "services: {web: {image: i, ports: ['8080:80', '127.0.0.1:53:53/udp']}}\n";
    let plan = TestFleet::new("[stacks.app.publish]\nweb = \"all\"\n").propose("app", yaml).plan;
    let port = |address: &str, published: &str, target, protocol: &str, by| Published {
        address: address.into(),
        published: published.into(),
        target,
        protocol: protocol.into(),
        by,
    };
    assert_eq!(
        plan.steps.last().expect("a step").action.ports(),
        [
            port("0.0.0.0", "8080", 80, "tcp", BoundBy::Publish),
            port("127.0.0.1", "53", 53, "udp", BoundBy::ComposeFile),
        ]
    );
    assert!(plan.steps[0].action.ports().is_empty(), "{plan}");
}
