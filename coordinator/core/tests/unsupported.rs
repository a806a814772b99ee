//! Tests that every unsupported key and value is reported with its location, and with the reason from the page of keys.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use landfast_compose::{Support, keys};
use test_fleet::{NET, TestFleet};

/// A key and its YAML: in the service `web`, or at the top level if it starts with a space.
const WRITTEN: &[(&str, &str)] = &[
    ("models", " models: {s: {model: a}}"),
    ("services.*.attach", "attach: false"),
    ("services.*.cpu_count", "cpu_count: 1"),
    ("services.*.cpu_percent", "cpu_percent: 10"),
    ("services.*.credential_spec", "credential_spec: {file: a}"),
    ("services.*.deploy.endpoint_mode", "deploy: {endpoint_mode: vip}"),
    ("services.*.deploy.labels", "deploy: {labels: {a: b}}"),
    ("services.*.deploy.placement.preferences", "deploy: {placement: {preferences: [{spread: node.labels.zone}]}}"),
    ("services.*.deploy.resources.reservations.cpus", "deploy: {resources: {reservations: {cpus: '1'}}}"),
    (
        "services.*.deploy.resources.reservations.generic_resources",
        "deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}}}",
    ),
    ("services.*.deploy.restart_policy.delay", "deploy: {restart_policy: {delay: 5s}}"),
    ("services.*.deploy.restart_policy.window", "deploy: {restart_policy: {window: 5s}}"),
    ("services.*.deploy.rollback_config", "deploy: {rollback_config: {parallelism: 1}}"),
    ("services.*.deploy.update_config.monitor", "deploy: {update_config: {monitor: 5s}}"),
    ("services.*.develop", "develop: {watch: [{path: ., action: rebuild}]}"),
    ("services.*.external_links", "external_links: [other], networks: [infra_net]"),
    ("services.*.isolation", "isolation: hyperv"),
    ("services.*.links", "links: ['db:database'], networks: [infra_net]"),
    ("services.*.models", " models: {s: {model: a}}"),
    ("services.*.pre_start", "pre_start: [{command: a}]"),
    ("services.*.provider", "provider: {type: awesomecloud}"),
    ("services.*.pull_refresh_after", "pull_refresh_after: 1d"),
    ("services.*.use_api_socket", "use_api_socket: true"),
    ("services.*.volumes[].image", "volumes: [{type: image, source: 'a:1', target: /a, image: {subpath: b}}]"),
    ("secrets.*.driver", " secrets: {s: {file: a, driver: b}}"),
    ("secrets.*.driver_opts", " secrets: {s: {file: a, driver_opts: {b: c}}}"),
    ("secrets.*.template_driver", " secrets: {s: {file: a, template_driver: b}}"),
    ("configs.*.template_driver", " configs: {s: {file: a, template_driver: b}}"),
    ("services.*.deploy.mode", "deploy: {mode: replicated-job}"),
    ("services.*.deploy.update_config.delay", "deploy: {update_config: {delay: 5s}}"),
    ("services.*.deploy.update_config.failure_action", "deploy: {update_config: {failure_action: rollback}}"),
    ("services.*.deploy.update_config.max_failure_ratio", "deploy: {update_config: {max_failure_ratio: 0.5}}"),
    ("services.*.deploy.update_config.order", "deploy: {update_config: {order: start-first}}"),
    ("services.*.mac_address", "mac_address: '02:42:ac:11:65:43', networks: [infra_net]"),
    ("services.*.networks.*.mac_address", "networks: {infra_net: {mac_address: '02:42:ac:11:65:43'}}"),
    ("services.*.network_mode", "network_mode: somebodys"),
    ("services.*.pull_policy", "pull_policy: refresh"),
    (
        "services.*.volumes[].bind.recursive",
        "volumes: [{type: bind, source: /a, target: /a, bind: {recursive: disabled, selinux: z}}]",
    ),
    ("services.*.volumes[].type", "volumes: [{type: npipe, source: a, target: /a}]"),
    ("services.*.secrets[].uid", "secrets: [{source: key, uid: '1'}]"),
    ("services.*.secrets[].gid", "secrets: [{source: key, gid: '1'}]"),
    ("services.*.secrets[].mode", "secrets: [{source: key, mode: 0400}]"),
    ("services.*.configs[].uid", "configs: [{source: key, uid: '1'}]"),
    ("services.*.configs[].gid", "configs: [{source: key, gid: '1'}]"),
    ("services.*.configs[].mode", "configs: [{source: key, mode: 0400}]"),
    ("networks.*.driver", "networks: [strange]"),
    ("secrets.*.external", "secrets: [theirs]"),
    ("configs.*.external", "configs: [theirs]"),
    ("secrets.*.environment", "secrets: [var], read_only: true"),
    ("secrets.*.environment", "secrets: [var], tmpfs: /run"),
    ("configs.*.environment", "configs: [{source: var, target: /tmp/a}], read_only: true"),
    ("configs.*.environment", "configs: [{source: var, target: /tmp/a}], tmpfs: /tmp"),
    ("configs.*.content", "configs: [{source: inline, target: /tmp/a}], read_only: true"),
    ("configs.*.content", "configs: [{source: inline, target: /tmp/a}], tmpfs: /tmp"),
];

/// Sections that the keys refer to.
const BESIDE: &str = "
secrets: {key: {file: key}, var: {environment: VAR}, theirs: {external: true}}
configs: {key: {file: key}, var: {environment: VAR}, inline: {content: c}, theirs: {external: true}}
";

/// Returns all errors and warnings about a project with this YAML.
fn said(written: &str) -> String {
    let mut test_fleet = TestFleet::new("").file("key", "k");
    test_fleet.environment.insert("VAR".into(), "v".into());
    let top = written.strip_prefix(' ');
    // What no service uses is left out.
    let service = match top.and_then(|top| top.split_once(':')) {
        Some((section, _)) => format!("{section}: [s]"),
        None => written.to_owned(),
    };
    let mut yaml = format!("services:\n  web: {{image: 'web:1', {service}}}\n  db: {{image: 'db:1'}}\n");
    let networks = NET.replace("networks: {", "networks: {strange: {driver: strange}, ");
    yaml += if written == "networks: [strange]" { &networks } else { NET };
    yaml += &top.map_or_else(|| BESIDE.to_owned(), |top| format!("{top}\n"));
    test_fleet.everything_said("app", &yaml)
}

fn reason(standing: Support) -> &'static str {
    match standing {
        Support::Supported => "",
        Support::Ignored(why) | Support::Refused(why) => why,
    }
}

#[test]
fn unsupported_keys_are_reported_with_location_and_reason() {
    let mut wrong = Vec::new();
    let keys = keys();
    for key in &keys {
        // What images are built from is tested beside the builds.
        let is_built = key.path.starts_with("services.*.build");
        let is_inside = keys.iter().any(|other| {
            let rest = key.path.strip_prefix(&other.path);
            other.support != Support::Supported && rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        });
        if is_built || is_inside {
            continue;
        }
        let reasons = std::iter::once(key.support).chain(key.cases.iter().map(|case| case.support)).map(reason);
        for why in reasons.filter(|why| !why.is_empty()) {
            let mut written = WRITTEN.iter().filter(|(path, _)| *path == key.path).map(|(_, written)| said(written));
            let is_said = |text: String| text.lines().any(|line| line.contains(why) && line.contains("compose.yaml:"));
            if !written.any(is_said) {
                wrong.push(format!("{}: {why}", key.path));
            }
        }
    }
    assert!(wrong.is_empty(), "not said, or not written in this test:\n{}", wrong.join("\n"));
}
