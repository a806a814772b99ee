//! Merging of files.
use serde_json::json;

use crate::stack::{service, stack};

#[test]
fn mappings_merge_lists_are_appended_and_scalars_are_replaced() {
    let web = service("cap_add: [A]\ndeploy: {replicas: 1, mode: x}").over(
        "over.yaml",
        "services: {web: {image: 'web:2', cap_add: [A, B], deploy: {replicas: 3}}, more: {image: m}}",
    );
    assert_eq!(web.printed("services.web.image"), json!("web:2"));
    assert_eq!(web.printed("services.web.cap_add"), json!(["A", "B"]));
    assert_eq!(web.printed("services.web.deploy.replicas"), json!(3));
    assert_eq!(web.printed("services.web.deploy.mode"), json!("x"));
    assert_eq!(web.printed("services.more.image"), json!("m"));
    let refusal = service("cap_add: [A]").over("over.yaml", "services: {web: {cap_add: A}}").refusal();
    assert!(refusal.starts_with("/srv/app/over.yaml:1:18: a string cannot override a list"), "{refusal}");
}

#[test]
fn elements_that_a_list_contains_are_not_appended_again() {
    let base = "security_opt: [a]\nbuild: {context: ., cache_from: [a, a]}\npost_start: [{command: x}]";
    let over = "security_opt: [a, b]\nbuild: {cache_from: [b, a, b]}\npost_start: [{command: x}, {command: y}]";
    let web = service(base).over("over.yaml", &format!("services:\n  web:\n    {}", over.replace('\n', "\n    ")));
    assert_eq!(web.printed("services.web.security_opt"), json!(["a", "b"]));
    assert_eq!(web.printed("services.web.build.cache_from"), json!(["a", "a", "b"]));
    let labelled = service("label_file: [a, b, a]").file("a", "A=1").file("b", "B=1");
    let labelled = labelled.over("over.yaml", "services: {web: {label_file: [b, a]}}");
    assert_eq!(labelled.printed("services.web.label_file"), json!(["/srv/app/a", "/srv/app/b", "/srv/app/a"]));
    assert_eq!(web.printed("services.web.post_start"), json!([{"command": ["x"]}, {"command": ["y"]}]));
    let refusal = service("security_opt: [a, a]").refusal();
    assert!(refusal.contains("items 0 and 1 are the same"), "{refusal}");
}

#[test]
fn commands_and_tests_are_replaced_whole() {
    let web = service("command: [a, b]\nhealthcheck: {test: [CMD, a], interval: 5s}")
        .over("over.yaml", "services: {web: {command: [c], healthcheck: {test: [CMD, b]}}}");
    assert_eq!(web.printed("services.web.command"), json!(["c"]));
    assert_eq!(web.printed("services.web.healthcheck"), json!({"test": ["CMD", "b"], "interval": "5s"}));
}

#[test]
fn variables_merge_by_name_in_both_forms() {
    let web = service("environment: {A: 1, B: 1}\nlabels: [x=1]")
        .over("over.yaml", "services: {web: {environment: ['B=2', C=2], labels: {x: 2, y: 2}}}");
    assert_eq!(web.printed("services.web.environment"), json!({"A": "1", "B": "2", "C": "2"}));
    assert_eq!(web.printed("services.web.labels"), json!({"x": "2", "y": "2"}));
}

#[test]
fn mounts_merge_by_target_and_ports_when_they_are_the_same() {
    let web = service("volumes: ['./a:/x', './b:/y']\nports: ['80:80', '81:81']")
        .over("over.yaml", "services: {web: {volumes: ['./c:/x'], ports: ['81:81', '82:82']}}");
    assert_eq!(web.printed("services.web.volumes.0.source"), json!("/srv/app/c"));
    assert_eq!(web.printed("services.web.volumes").as_array().unwrap().len(), 2);
    assert_eq!(web.printed("services.web.ports").as_array().unwrap().len(), 3);
}

#[test]
fn dependencies_networks_and_builds_merge_in_both_forms() {
    let web = stack("services: {web: {build: ., depends_on: [db], networks: [a]}, db: {image: d}}\nnetworks: {a: , b: }")
        .over(
            "over.yaml",
            "services: {web: {build: {target: t}, depends_on: {db: {condition: service_healthy}}, networks: {b: {aliases: [x]}}}}",
        );
    assert_eq!(web.printed("services.web.build.target"), json!("t"));
    assert_eq!(web.printed("services.web.build.context"), json!("/srv/app"));
    assert_eq!(web.printed("services.web.depends_on.db.condition"), json!("service_healthy"));
    assert_eq!(web.printed("services.web.networks"), json!({"a": null, "b": {"aliases": ["x"]}}));
}

#[test]
fn options_of_a_replaced_log_driver_are_dropped() {
    let base = "logging: {driver: json-file, options: {max-size: 1m}}";
    let same = service(base).over("over.yaml", "services: {web: {logging: {options: {max-file: 3}}}}");
    assert_eq!(same.printed("services.web.logging.options"), json!({"max-size": "1m", "max-file": "3"}));
    let other = service(base).over("over.yaml", "services: {web: {logging: {driver: syslog}}}");
    assert_eq!(other.printed("services.web.logging"), json!({"driver": "syslog"}));
    let refusal = service(base).over("over.yaml", "services: {web: {logging: null}}").refusal();
    assert!(
        refusal.starts_with("/srv/app/over.yaml:1:18: must be a mapping, not null (services.web.logging)"),
        "{refusal}"
    );
}

#[test]
fn subnets_merge_by_subnet() {
    let text = "services: {web: {image: w, networks: [n]}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}";
    let web =
        stack(text).over("over.yaml", "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.9}]}}}");
    assert_eq!(web.printed("networks.n.ipam.config"), json!([{"subnet": "10.0.0.0/24", "gateway": "10.0.0.9"}]));
    let refusal = stack(text).over("over.yaml", "networks: {n: {ipam: {config: []}}}").refusal();
    assert!(refusal.contains("an empty list overrides nothing (networks.n.ipam.config)"), "{refusal}");
    let none = stack(text).over("over.yaml", "networks: {n: {ipam: {config: !override []}}}");
    assert_eq!(none.printed("networks.n.ipam"), json!({}));
}

#[test]
fn reset_removes_and_override_replaces() {
    let web = service("ports: ['80:80']\ncap_add: [A]\nenvironment: {A: 1, B: 1}\ndns: [1.1.1.1]").over(
        "over.yaml",
        "services: {web: {ports: !reset [], cap_add: !override [B], environment: {A: !reset null}, dns: !reset null}}",
    );
    assert_eq!(web.printed("services.web.ports"), json!(null));
    assert_eq!(web.printed("services.web.cap_add"), json!(["B"]));
    assert_eq!(web.printed("services.web.environment"), json!({"B": "1"}));
    assert_eq!(web.printed("services.web.dns"), json!(null));
}

#[test]
fn merge_keys_accept_mappings_and_lists_of_mappings() {
    let text = "x-a: &a {restart: always, labels: {a: '1'}}\nx-b: &b {init: true, restart: 'no'}\n\
                services: {web: {<<: [*a, *b], image: w}}";
    let web = stack(text);
    assert_eq!(web.printed("services.web.restart"), json!("always"));
    assert_eq!(web.printed("services.web.init"), json!(true));
    assert_eq!(web.printed("services.web.labels"), json!({"a": "1"}));
}

#[test]
fn a_merge_key_may_have_its_tag() {
    let web = stack("x-a: &a {init: true}\nservices: {web: {!!merge <<: *a, image: w}}");
    assert_eq!(web.printed("services.web.init"), json!(true));
    assert!(stack("x-a: &a {init: true}\nservices: {web: {!!str <<: *a, image: w}}").refusal().contains("`<<`"));
}

#[test]
fn documents_of_a_file_merge() {
    let web = stack("services: {web: {image: a}}\n---\nservices: {web: {image: b}}\n");
    assert_eq!(web.printed("services.web.image"), json!("b"));
}

#[test]
fn a_reset_needs_no_value_of_the_right_kind() {
    let web = stack("services: {web: {image: w, init: !reset null, tty: !reset x}, gone: !reset null}");
    assert_eq!(web.printed("services.web.init"), json!(null));
    assert_eq!(web.printed("services.gone"), json!(null));
}

#[test]
fn a_variable_that_is_a_mapping_is_refused_in_a_later_file_too() {
    let web = service("environment: {A: 1}").over("over.yaml", "services: {web: {environment: {B: {c: d}}}}");
    let refusal = web.refusal();
    assert!(
        refusal.starts_with("/srv/app/over.yaml:1:32: must be a string of the form KEY=value, not a mapping"),
        "{refusal}"
    );
}
