//! Short forms are expanded to long forms.
use serde_json::json;

use crate::stack::{service, stack};

#[test]
fn ports() {
    let web = service("ports: ['80', '127.0.0.1:8080:80', '9000-9001:9000-9001/udp', 443]");
    let port = |published: Option<&str>, target: u16, protocol: &str| {
        let mut port = json!({"mode": "ingress", "protocol": protocol, "target": target});
        if let Some(published) = published {
            port["published"] = json!(published);
        }
        port
    };
    let mut local = port(Some("8080"), 80, "tcp");
    local["host_ip"] = json!("127.0.0.1");
    let expected = json!([
        port(None, 80, "tcp"),
        local,
        port(Some("9000"), 9000, "udp"),
        port(Some("9001"), 9001, "udp"),
        port(None, 443, "tcp")
    ]);
    assert_eq!(web.printed("services.web.ports"), expected);
    assert!(service("ports: ['80:http']").refusal().contains("`http` in `80:http` is not a port or a range"));
}

#[test]
fn volumes() {
    let web = stack(
        "services: {web: {image: w, volumes: ['./a:/a:ro', 'data:/data/', '/anonymous', '~/h:/h']}}\nvolumes: {data: }",
    )
    .variable("HOME", "/home/u");
    let bind = |source: &str, target: &str| json!({"type": "bind", "source": source, "target": target, "bind": {}});
    let mut read_only = bind("/srv/app/a", "/a");
    read_only["read_only"] = json!(true);
    let expected = json!([
        read_only,
        {"type": "volume", "source": "data", "target": "/data", "volume": {}},
        {"type": "volume", "target": "/anonymous", "volume": {}},
        bind("/home/u/h", "/h"),
    ]);
    assert_eq!(web.printed("services.web.volumes"), expected);
    assert_eq!(web.printed("volumes"), json!({"data": {"name": "app_data"}}));
    assert!(service("volumes: ['nope:/data']").refusal().contains("volume `nope` is not defined"));
    assert!(service("volumes: [':/data']").refusal().contains("an empty part between colons"));
}

#[test]
fn commands_are_split_into_words_and_tests_are_not() {
    let web = service("command: sh -c 'a b'\nentrypoint: []\nhealthcheck: {test: curl -f x || exit 1}");
    assert_eq!(web.printed("services.web.command"), json!(["sh", "-c", "a b"]));
    assert_eq!(web.printed("services.web.entrypoint"), json!([]));
    assert_eq!(web.printed("services.web.healthcheck.test"), json!(["CMD-SHELL", "curl -f x || exit 1"]));
    assert!(service("command: sh -c 'a").refusal().contains("has an unclosed quote"));
    assert!(service("healthcheck: {test: [curl, x]}").refusal().contains("a test must start with CMD"));
}

#[test]
fn environment_is_a_mapping_of_strings() {
    let list = service("environment: ['A=1', 'B=x=y', 'C', 'D=']").variable("C", "from outside");
    let expected = json!({"A": "1", "B": "x=y", "C": "from outside", "D": ""});
    assert_eq!(list.printed("services.web.environment"), expected);
    let mapping = service("environment: {A: 0755, B: true, C: 1.50, D: , E: 'no'}");
    let expected = json!({"A": "493", "B": "true", "C": "1.5", "D": null, "E": "no"});
    assert_eq!(mapping.printed("services.web.environment"), expected);
    assert!(service("environment: {A: [1]}").refusal().contains("services.web.environment.A"));
    assert!(service("environment: {A: 2024-01-05}").refusal().contains("not a date"));
}

#[test]
fn dependencies_have_conditions() {
    let web = stack("services: {web: {image: w, depends_on: [db]}, db: {image: d}}");
    let expected = json!({"db": {"condition": "service_started", "required": true}});
    assert_eq!(web.printed("services.web.depends_on"), expected);
    let refusal = stack("services: {web: {image: w, depends_on: {db: {condition: up}}}, db: {image: d}}").refusal();
    assert!(refusal.contains("`up` is not one of service_started"), "{refusal}");
}

#[test]
fn links_and_shared_namespaces_are_dependencies() {
    let web =
        stack("services: {web: {image: w, network_mode: 'service:db', links: ['c:x']}, db: {image: d}, c: {image: c}}");
    let expected = json!({
        "c": {"condition": "service_started", "required": true, "restart": true},
        "db": {"condition": "service_started", "required": true, "restart": true},
    });
    assert_eq!(web.printed("services.web.depends_on"), expected);
}

#[test]
fn secrets_and_configs_have_targets() {
    let text = "services: {web: {image: w, secrets: [s], configs: [{source: c, mode: 0440}]}}\n\
                secrets: {s: {file: ./s.txt}}\nconfigs: {c: {content: 'a $$b'}}";
    let web = stack(text);
    assert_eq!(web.printed("services.web.secrets"), json!([{"source": "s", "target": "/run/secrets/s"}]));
    assert_eq!(web.printed("services.web.configs"), json!([{"source": "c", "mode": "0440"}]));
    assert_eq!(web.printed("secrets.s"), json!({"name": "app_s", "file": "/srv/app/s.txt"}));
    assert_eq!(web.printed("configs.c"), json!({"name": "app_c", "content": "a $b"}));
    assert!(service("secrets: [nope]").refusal().contains("secret `nope` is not defined"));
    assert!(
        stack("services: {a: {image: a}}\nsecrets: {s: {}}")
            .refusal()
            .contains("one of file, environment or `external: true` is required")
    );
}

#[test]
fn sizes_durations_and_fractions_are_canonical() {
    let web = service(
        "mem_limit: 1.5g\nshm_size: 64mb\nstop_grace_period: 90s\ncpus: '0.50'\n\
         healthcheck: {test: [NONE], interval: 1h, start_period: 1500ms}",
    );
    assert_eq!(web.printed("services.web.mem_limit"), json!("1610612736"));
    assert_eq!(web.printed("services.web.shm_size"), json!("67108864"));
    assert_eq!(web.printed("services.web.stop_grace_period"), json!("1m30s"));
    assert_eq!(web.printed("services.web.cpus"), json!(0.5));
    assert_eq!(web.printed("services.web.healthcheck.interval"), json!("1h0m0s"));
    assert_eq!(web.printed("services.web.healthcheck.start_period"), json!("1.5s"));
    assert!(service("mem_limit: lots").refusal().contains("`lots` is not a size"));
    assert!(service("stop_grace_period: 10").refusal().contains("must be a duration"));
}

#[test]
fn hosts_devices_and_limits() {
    let web = service(
        "extra_hosts: ['b:10.0.0.2', 'a=[::1]']\ndevices: ['/dev/x', '/dev/y:/dev/z:r']\n\
         ulimits: {nproc: 10, nofile: {soft: 1, hard: 2}}\ngpus: all",
    );
    assert_eq!(web.printed("services.web.extra_hosts"), json!(["a=::1", "b=10.0.0.2"]));
    assert_eq!(
        web.printed("services.web.devices.1"),
        json!({"source": "/dev/y", "target": "/dev/z", "permissions": "r"})
    );
    assert_eq!(web.printed("services.web.ulimits"), json!({"nproc": 10, "nofile": {"soft": 1, "hard": 2}}));
    assert_eq!(web.printed("services.web.gpus"), json!([{"count": -1}]));
    assert!(service("extra_hosts: [a]").refusal().contains("`a` has no address"));
    assert!(service("ulimits: {nofile: lots}").refusal().contains("services.web.ulimits.nofile"));
}

#[test]
fn networks_are_attachments() {
    let web = stack("services: {web: {image: w, networks: [a]}, db: {image: d}}\nnetworks: {a: , unused: }");
    assert_eq!(web.printed("services.web.networks"), json!({"a": null}));
    assert_eq!(web.printed("services.db.networks"), json!({"default": null}));
    let expected = json!({"a": {"name": "app_a", "ipam": {}}, "default": {"name": "app_default", "ipam": {}}});
    assert_eq!(web.printed("networks"), expected);
    assert!(service("networks: [nope]").refusal().contains("network `nope` is not defined"));
    assert!(service("networks: [default]\nnetwork_mode: host").refusal().contains("cannot be combined"));
}

#[test]
fn external_resources_keep_their_names() {
    let web = stack(
        "services: {web: {image: w, networks: [a, b]}}\nnetworks: {a: {external: true}, b: {external: {name: c}}}",
    );
    assert_eq!(web.printed("networks.a"), json!({"name": "a", "external": true, "ipam": {}}));
    assert_eq!(web.printed("networks.b.name"), json!("c"));
    let refusal = stack("services: {a: {image: a}}\nvolumes: {v: {external: true, driver: x}}").refusal();
    assert!(refusal.contains("`external` and `driver` cannot be combined"), "{refusal}");
}

#[test]
fn builds_have_absolute_contexts() {
    let web = stack("services: {web: {build: ./web}, remote: {build: 'https://example.com/r.git'}}");
    let expected = json!({"context": "/srv/app/web", "dockerfile": "Dockerfile"});
    assert_eq!(web.printed("services.web.build"), expected);
    assert_eq!(web.printed("services.remote.build.context"), json!("https://example.com/r.git"));
    let refusal = service("build: {context: ., dockerfile: x, dockerfile_inline: y}").refusal();
    assert!(refusal.contains("cannot be combined"), "{refusal}");
}

#[test]
fn the_experimental_name_of_initial_sync_is_accepted() {
    let watch = |rest: &str| service(&format!("develop: {{watch: [{{path: /a, action: sync, target: /t, {rest}}}]}}"));
    let printed = |rest: &str| watch(rest).printed("services.web.develop.watch.0.initial_sync");
    assert_eq!(printed("x-initialSync: true"), json!(true));
    assert_eq!(printed("initial_sync: true, x-initialSync: false"), json!(true));
    let refusal = watch("x-initialSync: maybe").refusal();
    assert!(
        refusal.contains("must be a boolean, not a string (services.web.develop.watch[0].x-initialSync)"),
        "{refusal}"
    );
}

#[test]
fn counts_in_a_deployment_are_not_negative() {
    for counts in [
        "restart_policy: {max_attempts: -1}",
        "update_config: {parallelism: -1}",
        "placement: {max_replicas_per_node: -1}",
    ] {
        let refusal = service(&format!("deploy: {{{counts}}}")).refusal();
        assert!(refusal.contains("-1 is less than 0 (services.web.deploy."), "{refusal}");
    }
}
