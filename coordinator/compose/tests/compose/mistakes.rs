//! Mistakes are reported all at once, with their locations and hints.
use crate::stack::{service, stack};

#[test]
fn unknown_keys_are_refused_with_their_location() {
    let text = "services:\n  web:\n    imagee: w\n    x-own: {any: thing}\n    healthcheck:\n      tests: [NONE]\nvolume: {}\n";
    let refusal = stack(text).refusal();
    let lines: Vec<&str> = refusal.lines().collect();
    assert_eq!(lines[0], "/srv/app/compose.yaml:3:5: unknown key `imagee` (services.web.imagee)");
    assert_eq!(lines[1], "  hint: did you mean `image`?");
    assert_eq!(lines[2], "/srv/app/compose.yaml:6:7: unknown key `tests` (services.web.healthcheck.tests)");
    assert_eq!(lines[4], "/srv/app/compose.yaml:7:1: unknown key `volume` (volume)");
    assert_eq!(lines[5], "  hint: did you mean `volumes`?");
}

#[test]
fn mistakes_of_all_steps_are_reported_at_once() {
    let text = "\
services:
  db:
    image: ${IMAGE:?say which}
    mem_limit: lots
  web:
    imagee: w
    ports: [80:80:80:80, x, '8080:80']
    healthcheck: {interval: 5x}
    depends_on: [dbb]
    volumes: [data:/data]
    env_file: absent.env
  job:
    image: j
    extends: {file: absent.yaml, service: job}
    volumes: [{type: bind, source: /a}]
    scale: many
";
    let refusal = stack(text).refusal();
    let lines: Vec<&str> = refusal.lines().filter_map(|line| line.strip_prefix("/srv/app/compose.yaml:")).collect();
    let expected = [
        "3:5: required variable IMAGE is missing a value: say which (services.db.image)",
        "4:5: `lots` is not a size such as 512m (services.db.mem_limit)",
        "6:5: unknown key `imagee` (services.web.imagee)",
        "7:13: `80:80` in `80:80:80:80` is not an IP address (services.web.ports[0])",
        "7:26: `x` in `x` is not a port or a range (services.web.ports[1])",
        "8:19: `5x` is not a duration such as 1m30s (services.web.healthcheck.interval)",
        "9:18: service `dbb` is not defined (services.web.depends_on.dbb)",
        "10:15: volume `data` is not defined (services.web.volumes[0])",
        "11:5: file /srv/app/absent.env does not exist (services.web.env_file)",
        "14:5: file /srv/app/absent.yaml does not exist (services.job.extends.file)",
        "15:15: key `target` is missing (services.job.volumes[0])",
        "16:5: `many` is not a number (services.job.scale)",
    ];
    assert_eq!(lines, expected, "{refusal}");
}

#[test]
fn mistakes_that_follow_from_others_are_not_reported() {
    let refusal = stack("services: {web: {image: [w]}}").refusal();
    assert_eq!(refusal.matches("compose.yaml:").count(), 1, "{refusal}");
    assert!(refusal.contains("must be a string, not a list (services.web.image)"), "{refusal}");
    let refusal = stack("services: {web: [w], db: {image: d, depends_on: [web]}}").refusal();
    assert_eq!(refusal.matches("compose.yaml:").count(), 1, "{refusal}");
    let circle = "services: {a: {extends: b}, b: {extends: c}, c: {extends: a}, d: {extends: a}}";
    let refusal = stack(circle).refusal();
    assert_eq!(refusal.matches("compose.yaml:").count(), 1, "{refusal}");
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    let cases = [
        ("image: [a]", "must be a string, not a list (services.web.image)"),
        ("hostname: 5", "must be a string, not a number (services.web.hostname)\n  hint: write the value in quotes"),
        ("ports: 80", "must be a list, not a number (services.web.ports)"),
        ("volumes:", "must be a list, not null (services.web.volumes)"),
        ("tty: 5", "must be a boolean, not a number (services.web.tty)"),
        ("cgroup: other", "`other` is not one of host, private"),
        ("cap_drop: [1]", "must be a string, not a number (services.web.cap_drop[0])"),
        ("oom_score_adj: 2000", "2000 is more than 1000"),
        ("security_opt: [a, a]", "items 0 and 1 are the same"),
        ("pull_policy: sometimes", "`sometimes` is not always, never"),
        ("extends: {}", "key `service` is missing"),
        ("deploy: {update_config: {order: random}}", "`random` is not one of start-first, stop-first"),
    ];
    for (keys, message) in cases {
        let refusal = stack(&format!("services:\n  web:\n    {keys}\n")).refusal();
        assert!(refusal.contains(message), "{keys}: {refusal}");
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let cases = [
        ("scale: 2\ndeploy: {replicas: 3}", "`scale` and `deploy.replicas` differ"),
        ("scale: 2\ncontainer_name: web", "2 instances cannot have the same `container_name`"),
        (
            "mem_limit: 1g\ndeploy: {resources: {limits: {memory: 2g}}}",
            "`mem_limit` and `deploy.resources.limits.memory` differ",
        ),
        (
            "pids_limit: 5\ndeploy: {resources: {limits: {cpus: '1'}}}",
            "`pids_limit` and `deploy.resources.limits.pids` differ",
        ),
        ("tmpfs: [/run]\nvolumes: ['./a:/run']", "`/run` is already mounted by services.web.tmpfs[0]"),
        ("deploy: {replicas: -1}", "cannot be negative"),
        ("ports: [{target: 80, host_ip: x}]", "`x` is not an IP address"),
        ("gpus: [{count: 1, device_ids: ['0']}]", "`count` and `device_ids` cannot be combined"),
        ("volumes: [{type: bind, target: /x}]", "a bind mount needs a `source`"),
    ];
    for (keys, message) in cases {
        let refusal = service(keys).refusal();
        assert!(refusal.contains(message), "{keys}: {refusal}");
    }
    assert!(service("mem_limit: 1g\ndeploy: {resources: {limits: {memory: 1024m}}}").try_load().is_ok());
}

#[test]
fn dependency_cycles_are_refused() {
    let text = "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [c]}\n  c:\n    image: c\n    depends_on:\n      - a\n";
    let refusal = stack(text).refusal();
    assert!(
        refusal.starts_with("/srv/app/compose.yaml:7:9: services depend on each other in a cycle: a -> b -> c -> a"),
        "{refusal}"
    );
    let undefined =
        stack("services: {a: {image: a, depends_on: {b: {condition: service_started, required: false}}}}").refusal();
    assert!(undefined.contains("service `b` is not defined"), "{undefined}");
}

#[test]
fn a_service_needs_an_image_or_a_build_and_a_container_name_of_its_own() {
    assert!(stack("services: {a: {tty: true}}").refusal().contains("neither `image` nor `build`"));
    let text = "services: {a: {image: a, container_name: same}, b: {image: b, container_name: same}}";
    assert!(stack(text).refusal().contains("already the container name of service `a`"));
}

#[test]
fn a_file_must_contain_a_project() {
    assert!(stack("").refusal().contains("the file is empty"));
    assert!(stack("hello").refusal().contains("must contain a mapping, not a string (`hello`)"));
    assert!(stack("services: {'a b': {image: a}}").refusal().contains("`a b` is not a valid name"));
}

#[test]
fn ignored_keys_are_warned_about_and_unsupported_ones_refused() {
    let web = service("isolation: default\ndeploy: {endpoint_mode: vip}");
    let warnings = web.warnings();
    assert!(
        warnings.contains("compose.yaml:4:5: no effect: it only applies to Windows (services.web.isolation)"),
        "{warnings}"
    );
    assert!(warnings.contains("(services.web.deploy.endpoint_mode)"), "{warnings}");
    let hooks = service("pre_start: [{command: x}]").load();
    let refusal = hooks.project().unwrap_err().to_string();
    assert!(
        refusal.contains("compose.yaml:4:5: not deployed: commands before a container are not supported"),
        "{refusal}"
    );
    assert!(stack("version: '3'\nservices: {a: {image: a}}").warnings().contains("`version` is obsolete"));
}

#[test]
fn a_fraction_of_a_byte_is_refused() {
    let refusal = service("mem_limit: 1.5").refusal();
    assert!(
        refusal.contains("a size must be a whole number of bytes, or a string such as 1.5g (services.web.mem_limit)"),
        "{refusal}"
    );
}

#[test]
fn an_unknown_mount_option_is_warned_about() {
    let warnings = service("volumes: ['./a:/a:r0,Z', './b:/b:ro,cached']").warnings();
    assert_eq!(warnings.matches("no effect").count(), 1, "{warnings}");
    assert!(
        warnings.contains("compose.yaml:4:15: no effect: `r0` is not an option of a mount (services.web.volumes[0])"),
        "{warnings}"
    );
}

#[test]
fn values_that_engine_and_reference_refuse_have_locations() {
    let refused = [
        ("networks: [x-net]", "`x-net` cannot be a network"),
        ("labels: {'': x}", "a key cannot be empty (services.web.labels)"),
        ("ports: [{target: -1}]", "-1 is less than 0 (services.web.ports[0].target)"),
        ("build: {context: ., ssh: [default, default]}", "items 0 and 1 are the same (services.web.build.ssh[1])"),
        ("develop: {watch: [{path: a, action: sync}]}", "key `target` is missing: this action copies files"),
    ];
    for (text, why) in refused {
        let refusal = service(text).refusal();
        assert!(refusal.contains(why), "{refusal}");
    }
    assert_eq!(service("develop: {watch: [{path: /a, action: rebuild}]}").load().warnings.len(), 1);
    let refusal = stack("services: {web: {image: w}}\nnetworks: {'a b': }").refusal();
    assert!(refusal.contains("`a b` is not a valid name (networks.a b)"), "{refusal}");
}
