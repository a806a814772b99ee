//! Tests of compiling compose files into containers: supported values, refused values and messages.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::net::Ipv4Addr;

use landfast_core::container::{Container, Mount, Port, Restart, Source, Tmpfs};
use landfast_core::deployment::Deployment;
use test_fleet::{NET, TestFleet, address, host_of};

fn one(test_fleet: &TestFleet, yaml: &str) -> Container {
    deployment(test_fleet, yaml).instances.into_values().next().unwrap().container.as_ref().clone()
}

fn deployment(test_fleet: &TestFleet, yaml: &str) -> Deployment {
    test_fleet.compile("app", &format!("{yaml}{NET}")).unwrap().deployment
}

fn refusal(test_fleet: &TestFleet, yaml: &str) -> String {
    test_fleet.compile("app", &format!("{yaml}{NET}")).unwrap_err()
}

fn warnings(test_fleet: &TestFleet, yaml: &str) -> String {
    let compiled = test_fleet.compile("app", &format!("{yaml}{NET}")).unwrap();
    compiled.warnings.iter().map(|it| format!("{it}\n").replace("/home/anna/", "")).collect()
}

#[test]
fn a_service_becomes_a_container() {
    let test_fleet = TestFleet::new("").file("web.conf", "x").file("secrets/key.txt", "y");
    let yaml = r#"
services:
  web:
    image: web:1
    container_name: front
    command: [serve, "--fast"]
    environment: {B: "2", A: "1"}
    user: "1000:1000"
    read_only: true
    cap_drop: [ALL]
    restart: on-failure:3
    stop_grace_period: 1500ms
    init: true
    logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}
    deploy: {resources: {limits: {cpus: "0.5", memory: 64M, pids: 100}}}
    healthcheck: {test: [CMD, curl, localhost], interval: 5s, retries: 4, start_period: 1m}
    ports: ["8080:80", "192.168.2.9:9000:9000/udp"]
    volumes: ["./web.conf:/etc/web.conf:ro", "./data/cache:/cache", "/etc/localtime:/etc/localtime:ro", "store:/store"]
    tmpfs: [/tmp]
    secrets: [key]
    networks: [infra_net]
secrets: {key: {file: secrets/key.txt}}
volumes: {store: {}}
"#;
    let web = one(&test_fleet, yaml);
    assert_eq!((web.name.as_str(), web.image.as_str(), web.image_fingerprint.as_str()), ("front", "web:1", "fp:web:1"));
    assert_eq!(web.command, Some(vec!["serve".to_owned(), "--fast".to_owned()]));
    assert_eq!(web.environment, ["A=1", "B=2"]);
    assert_eq!((web.user.as_str(), web.read_only, web.init), ("1000:1000", true, Some(true)));
    assert_eq!(web.restart, Some(Restart { policy: "on-failure".into(), max_attempts: 3 }));
    assert_eq!(web.stop_grace_seconds, Some(2));
    let resources = web.resources.unwrap();
    assert_eq!((resources.nano_cpus, resources.memory, resources.pids), (500_000_000, 64 << 20, 100));
    assert_eq!(web.logging.unwrap().options["max-size"], "10m");
    let check = web.healthcheck.unwrap();
    assert_eq!((check.interval, check.start_period, check.retries), (5_000_000_000, 60_000_000_000, 4));
    let port = |address: &str, published, target, protocol: &str| Port {
        address: address.into(),
        published,
        target,
        protocol: protocol.into(),
        published_end: 0,
    };
    assert_eq!(web.ports, [port("127.0.0.1", 8080, 80, "tcp"), port("192.168.2.9", 9000, 9000, "udp")]);
    let mount = |source, target: &str, read_only, create| Mount { read_only, create, ..Mount::new(source, target) };
    assert_eq!(
        web.mounts,
        [
            mount(Source::Tree("web.conf".into()), "/etc/web.conf", true, true),
            mount(Source::Tree("data/cache".into()), "/cache", false, true),
            mount(Source::Host("/etc/localtime".into()), "/etc/localtime", true, true),
            mount(Source::Volume("app_store".into()), "/store", false, false),
            mount(Source::Tree("secrets/key.txt".into()), "/run/secrets/key", true, false),
        ]
    );
    assert_eq!(web.tmpfs, [Tmpfs { target: "/tmp".into(), options: String::new() }]);
    let end = &web.networks[0];
    assert_eq!(
        (end.network.as_str(), end.address, end.mac.as_str()),
        ("infra_net", Some(Ipv4Addr::new(172, 19, 128, 1)), "02:1f:00:01:80:01")
    );
    assert_eq!(web.dns, ["172.19.255.1"]);
    assert_eq!(web.labels["com.docker.compose.project"], "app");
    assert_eq!(web.labels["com.docker.compose.container-number"], "1");
}

#[test]
fn the_digest_covers_the_container_and_the_files_that_it_mounts() {
    let yaml = "services: {web: {image: 'web:1', volumes: ['./conf:/conf'], networks: [infra_net]}}\n";
    let test_fleet = |text: &str, other: &str| TestFleet::new("").file("conf/a", text).file("other", other);
    let digest = |test_fleet: &TestFleet, yaml: &str| {
        deployment(test_fleet, yaml).instances.values().next().unwrap().digest.clone()
    };
    let before = digest(&test_fleet("1", "1"), yaml);
    assert_eq!(before, digest(&test_fleet("1", "2"), yaml));
    assert_ne!(before, digest(&test_fleet("2", "1"), yaml));
    assert_ne!(before, digest(&test_fleet("1", "1"), &yaml.replace("web:1", "web:2")));
    assert_eq!(before.len(), 64);
    // Pinned: another value here makes every container of every fleet again.
    assert_eq!(&before[..16], "d7483c647640da45");
}

#[test]
fn ports_without_an_address_stay_on_loopback_unless_the_fleet_opens_them() {
    let yaml = "services: {web: {image: 'w:1', ports: ['80:80'], networks: [infra_net]}}\n";
    let address = |stacks: &str| one(&TestFleet::new(stacks), yaml).ports[0].address.clone();
    assert_eq!(address(""), "127.0.0.1");
    assert_eq!(address("[stacks.app]\npublish = { web = \"lan\" }\n"), "192.168.2.201");
    assert_eq!(address("[stacks.app]\npublish = { \"*\" = \"all\" }\n"), "0.0.0.0");
}

#[test]
fn unavailable_addresses_are_refused_with_their_owner() {
    let mut test_fleet = TestFleet::new("");
    let web = |address: &str| {
        format!("services: {{web: {{image: 'w:1', networks: {{infra_net: {{ipv4_address: {address}}}}}}}}}\n")
    };
    let place = "app/compose.yaml:1:55: ";
    let key = " (services.web.networks.infra_net.ipv4_address)";
    for (address, message) in [
        ("10.0.0.1", "10.0.0.1 is outside infra_net's subnet 172.19.0.0/16 (landfast.toml:4:11)"),
        (
            "172.19.255.1",
            "172.19.255.1 is the gateway of host alpha on infra_net (gateways = 172.19.255.0/24, landfast.toml:4:11)",
        ),
        ("172.19.255.9", "172.19.255.9 is in infra_net's range for gateways, 172.19.255.0/24 (landfast.toml:4:11)"),
        (
            "172.19.0.0",
            "172.19.0.0 is the first or last address of infra_net's subnet 172.19.0.0/16, which no instance can have",
        ),
    ] {
        assert_eq!(refusal(&test_fleet, &web(address)), format!("{place}{message}{key}"));
    }
    test_fleet.up(
        "data",
        &format!("services: {{db: {{image: 'd:1', networks: {{infra_net: {{ipv4_address: 172.19.0.9}}}}}}}}\n{NET}"),
    );
    assert_eq!(
        refusal(&test_fleet, &web("172.19.0.9")),
        format!("{place}172.19.0.9 on infra_net is held by data/db.1 on alpha{key}")
    );
}

#[test]
fn an_address_written_twice_is_refused_with_both_locations() {
    let yaml = "\
services:
  a:
    image: i
    networks: {infra_net: {ipv4_address: 172.19.0.9}}
  b:
    image: i
    networks: {infra_net: {ipv4_address: 172.19.0.9}}
";
    assert_eq!(
        refusal(&TestFleet::new(""), yaml),
        "app/compose.yaml:7:28: 172.19.0.9 on infra_net is also the address of app/a.1 (app/compose.yaml:4:28) \
         (services.b.networks.infra_net.ipv4_address)"
    );
}

#[test]
fn automatic_addresses_do_not_change() {
    let services = |names: &[&str]| {
        let service = |name: &&str| format!("{name}: {{image: 'i:1', networks: [infra_net]}}");
        format!("services: {{{}}}\n{NET}", names.iter().map(service).collect::<Vec<_>>().join(", "))
    };
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("app", &services(&["b", "c"]));
    assert_eq!(address(&test_fleet.held, "app/b.1", "infra_net"), "172.19.128.1");
    test_fleet.up("app", &services(&["a", "b", "c"]));
    assert_eq!(address(&test_fleet.held, "app/b.1", "infra_net"), "172.19.128.1");
    assert_eq!(address(&test_fleet.held, "app/a.1", "infra_net"), "172.19.128.3");
    // Who goes keeps its address until it is gone.
    test_fleet.up("app", &services(&["d"]));
    assert_eq!(address(&test_fleet.held, "app/d.1", "infra_net"), "172.19.128.4");
}

#[test]
fn an_instance_stays_where_it_runs_and_new_ones_spread() {
    let mut test_fleet = TestFleet::new("");
    let yaml = |replicas: u32| {
        format!("services: {{web: {{image: 'i:1', networks: [infra_net], deploy: {{replicas: {replicas}}}}}}}\n{NET}")
    };
    test_fleet.up("app", &yaml(1));
    assert_eq!(host_of(&test_fleet.held, "app/web.1"), "alpha");
    let plan = test_fleet.up("app", &yaml(4));
    assert!(plan.contains("app/web.2 on beta at infra_net 172.19.128.2: fewest of web (0)"), "{plan}");
    assert_eq!(host_of(&test_fleet.held, "app/web.1"), "alpha");
    assert_eq!(host_of(&test_fleet.held, "app/web.3"), "gamma");
    assert_eq!(host_of(&test_fleet.held, "app/web.4"), "alpha");
}

#[test]
fn services_on_a_network_of_the_stack_run_on_one_host() {
    let yaml = "services: {a: {image: i}, b: {image: i}, c: {image: i}}\n";
    let deployment = deployment(&TestFleet::new(""), yaml);
    assert_eq!(deployment.hosts().into_iter().collect::<Vec<_>>(), ["alpha"]);
    let apart = TestFleet::new("[stacks.app]\nplace = { a = \"beta\", b = \"gamma\" }\n");
    let warnings = warnings(&apart, yaml);
    assert!(warnings.contains("a network of a stack does not span hosts"), "{warnings}");
}

#[test]
fn a_service_that_no_host_may_run_is_refused_with_the_reasons() {
    let test_fleet = TestFleet::new("[stacks.app]\nplace = { web = \"alpha\" }\n");
    let yaml = "services: {web: {image: i, networks: [infra_net], deploy: {placement: {constraints: ['node.labels.disk!=ssd']}}}}\n";
    assert_eq!(
        refusal(&test_fleet, yaml),
        "app/compose.yaml:1:12: no host can run web; excluded hosts: alpha by the constraint node.labels.disk!=ssd; \
         beta by landfast.toml:16:11 (it is placed on alpha); gamma by landfast.toml:16:11 (it is placed on alpha) (services.web)\n  \
         hint: change the placement in landfast.toml, the constraint, or the labels of a host"
    );
    let unknown = yaml.replace("node.labels.disk!=ssd", "node.role==manager");
    assert!(refusal(&TestFleet::new(""), &unknown).contains("the constraint \"node.role==manager\" is not supported"));
}

#[test]
fn a_global_service_runs_once_on_every_host() {
    let yaml = "services: {web: {image: i, networks: [infra_net], deploy: {mode: global}}}\n";
    assert_eq!(deployment(&TestFleet::new(""), yaml).hosts().len(), 3);
}

#[test]
fn two_instances_with_one_port_on_one_host_are_refused() {
    let test_fleet = TestFleet::new("[stacks.app]\nplace = { \"*\" = \"alpha\" }\n");
    let yaml = "\
services:
  a: {image: i, networks: [infra_net], ports: ['80:80']}
  b: {image: i, networks: [infra_net], ports: ['80:8080']}
";
    assert_eq!(
        refusal(&test_fleet, yaml),
        "app/compose.yaml:3:48: port 127.0.0.1:80/tcp on alpha is used by both app/b.1 and app/a.1 (app/compose.yaml:2:40) \
         (services.b.ports[0])\n  hint: publish one of them on another port, or place them on different hosts"
    );
}

#[test]
fn an_invalid_container_port_is_refused() {
    let test_fleet = TestFleet::new("");
    for target in ["0", "65536"] {
        let yaml = format!("services: {{web: {{image: i, networks: [infra_net], ports: [{{target: {target}}}]}}}}\n");
        assert_eq!(
            refusal(&test_fleet, &yaml),
            format!(
                "app/compose.yaml:1:59: {target} is not a valid container port (services.web.ports[0])\n  \
                 hint: ports are from 1 to 65535"
            )
        );
    }
}

#[test]
fn a_different_declaration_of_a_fleet_network_is_refused() {
    let yaml = |subnet: &str| {
        format!(
            "services: {{web: {{image: i, networks: [infra_net]}}}}
networks: {{infra_net: {{name: infra_net, driver: bridge, ipam: {{config: [{{subnet: {subnet}}}]}}}}}}\n"
        )
    };
    let test_fleet = TestFleet::new("");
    assert!(test_fleet.compile("app", &yaml("172.19.0.0/16")).is_ok());
    let refusal = test_fleet.compile("app", &yaml("172.20.0.0/16")).unwrap_err();
    assert!(
        refusal.contains("the subnet is 172.20.0.0/16 here and 172.19.0.0/16 for infra_net in landfast.toml:4:11"),
        "{refusal}"
    );
}

#[test]
fn unsupported_values_are_reported_with_their_location() {
    let test_fleet = TestFleet::new("");
    for (key, message) in [
        ("network_mode: somebodys", "write other networks under `networks`"),
        ("deploy: {mode: replicated-job}", "only replicated and global are"),
        ("container_name: front, deploy: {mode: global}", "several instances cannot have one container name"),
        ("secrets: [nowhere]", "nowhere"),
    ] {
        let refusal = refusal(&test_fleet, &format!("services:\n  web: {{image: i, {key}}}\n  other: {{image: i}}\n"));
        assert!(refusal.contains(message) && refusal.contains("compose.yaml:2:"), "{key}: {refusal}");
    }
    for (key, message) in [
        ("pull_policy: refresh", "it sets no period"),
        ("deploy: {update_config: {order: start-first}}", "an update stops the old container first"),
    ] {
        let warnings = warnings(&test_fleet, &format!("services:\n  web: {{image: i, {key}}}\n"));
        assert!(warnings.contains(message) && warnings.contains("compose.yaml:2:"), "{key}: {warnings}");
    }
}

#[test]
fn a_secret_that_is_not_in_the_folder_is_refused() {
    let yaml = |file: &str| {
        format!(
            "services: {{web: {{image: i, networks: [infra_net], secrets: [key]}}}}\nsecrets: {{key: {{file: {file}}}}}\n"
        )
    };
    let test_fleet = TestFleet::new("");
    assert!(refusal(&test_fleet, &yaml("missing.txt")).contains("the file missing.txt is not in the stack's folder"));
    assert!(refusal(&test_fleet, &yaml("/etc/key")).contains("outside the stack's folder"));
}

#[test]
fn a_missing_file_is_reported_once_with_the_services_that_use_it() {
    let yaml = "\
services:
  web: {image: i, networks: [infra_net], secrets: [key, other], configs: [conf], scale: 3}
  job: {image: i, networks: [infra_net], secrets: [key, store]}
  worker: {image: i, networks: [infra_net], secrets: [again, store, token]}
secrets:
  key: {file: missing.txt}
  again: {file: missing.txt}
  other: {file: other.txt}
  store: {external: true}
  token: {environment: TOKEN}
configs:
  conf: {file: /etc/conf}
";
    let said = refusal(&TestFleet::new(""), yaml);
    let lines: Vec<_> = said.lines().filter(|line| !line.starts_with("  hint")).collect();
    assert_eq!(
        lines,
        [
            "app/compose.yaml:6:9: the file missing.txt is not in the stack's folder, or is ignored (secrets.key.file), used by job, web, worker",
            "app/compose.yaml:8:11: the file other.txt is not in the stack's folder, or is ignored (secrets.other.file), used by web",
            "app/compose.yaml:9:11: store: it is external, and Landfast has no secret store (secrets.store.external), used by job, worker",
            "app/compose.yaml:10:11: token comes from the variable TOKEN, which is not set (secrets.token.environment), used by worker",
            "app/compose.yaml:12:10: /etc/conf is outside the stack's folder and would not be on the hosts (configs.conf.file), used by web",
        ]
    );
}

#[test]
fn every_host_resolves_the_names_of_the_whole_fleet() {
    let mut test_fleet = TestFleet::new("");
    test_fleet.up(
        "data",
        &format!("services: {{db: {{image: i, networks: {{infra_net: {{aliases: [Main]}}}}, scale: 2}}}}\n{NET}"),
    );
    let names: Vec<_> = test_fleet.held["gamma"]
        .fabric
        .names
        .iter()
        .map(|(name, it)| format!("{name} {}", it.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")))
        .collect();
    assert_eq!(
        names,
        [
            "data-db-1 172.19.128.1",
            "data-db-2 172.19.128.2",
            "db 172.19.128.1,172.19.128.2",
            "db.data 172.19.128.1,172.19.128.2",
            "main 172.19.128.1,172.19.128.2",
        ]
    );
}

#[test]
fn a_placement_rule_for_an_unknown_service_causes_a_warning() {
    let test_fleet = TestFleet::new("[stacks.app]\nplace = { wbe = \"alpha\" }\n");
    assert_eq!(
        warnings(&test_fleet, "services: {web: {image: i, networks: [infra_net]}}\n"),
        "landfast.toml:16:11: there is a placement rule for wbe, but the enabled profiles have no such service (stacks.app.place.wbe)\n"
    );
}

#[test]
fn named_devices_and_gpus_become_device_requests() {
    let yaml = "services: {web: {image: i, gpus: all, devices: ['/dev/null:/dev/zero', 'vendor.com/class=one']}}\n";
    let web = one(&TestFleet::new(""), yaml);
    assert_eq!(web.devices.iter().map(|it| it.host.as_str()).collect::<Vec<_>>(), ["/dev/null"]);
    let asked: Vec<_> =
        web.gpus.iter().map(|it| (it.driver.as_str(), it.count, &it.capabilities, &it.device_ids)).collect();
    let (gpu, one) = (vec!["gpu".to_owned()], vec!["vendor.com/class=one".to_owned()]);
    assert_eq!(asked, [("", -1, &gpu, &Vec::new()), ("cdi", 0, &Vec::new(), &one)]);
}

#[test]
fn the_mac_of_a_service_on_a_fleet_network_is_refused() {
    let mac = "mac_address: '02:42:ac:11:65:43'";
    let yaml = |networks: &str| format!("services:\n  web: {{image: i, {mac}, networks: [{networks}]}}\n");
    let test_fleet = TestFleet::new("");
    assert!(
        refusal(&test_fleet, &yaml("infra_net"))
            .contains("compose.yaml:2:19: on a network of the fleet, the MAC is derived")
    );
    let own = test_fleet.compile("app", &format!("{}networks: {{own: {{}}}}\n", yaml("own"))).unwrap();
    let web = own.deployment.instances.into_values().next().unwrap().container;
    assert_eq!(web.networks[0].mac, "02:42:ac:11:65:43");
}

const PROFILED: &str = "services: {web: {image: 'w:1', networks: [infra_net], security_opt: [OPTIONS]}}\n";

#[test]
fn a_seccomp_profile_becomes_its_contents() {
    let test_fleet =
        TestFleet::new("").file("conf/profile.json", "{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\", \"n\": 1.0\n}\n");
    let yaml = PROFILED.replace("OPTIONS", "'seccomp:./conf/profile.json', no-new-privileges, 'label:disable'");
    let web = one(&test_fleet, &yaml);
    let expected = [r#"seccomp={"defaultAction":"SCMP_ACT_ALLOW","n":1.0}"#, "no-new-privileges", "label:disable"];
    assert_eq!((&web.security_opt[..], web.unconfined_paths), (&expected.map(str::to_owned)[..], false));
    let digest =
        |test_fleet: &TestFleet| deployment(test_fleet, &yaml).instances.values().next().unwrap().digest.clone();
    assert_ne!(digest(&test_fleet), digest(&TestFleet::new("").file("conf/profile.json", "{}")), "another profile");
}

#[test]
fn named_profiles_stay_and_systempaths_become_a_setting() {
    let options = "'seccomp=unconfined', 'no-new-privileges:true', systempaths=unconfined, apparmor=unconfined";
    let web = one(&TestFleet::new(""), &PROFILED.replace("OPTIONS", options));
    assert_eq!(web.security_opt, ["seccomp=unconfined", "no-new-privileges:true", "apparmor=unconfined"]);
    assert!(web.unconfined_paths);
}

#[test]
fn invalid_security_options_are_refused_with_their_location() {
    let test_fleet = TestFleet::new("").file("list.json", "[]").file("broken.json", "{\n  \"a\": }\n");
    for (option, said) in [
        (
            "seccomp=none.json",
            "app/compose.yaml:1:70: the seccomp profile none.json: the file does not exist (services.web.security_opt[0])",
        ),
        ("seccomp=../above.json", "the seccomp profile ../above.json: it is outside"),
        ("seccomp=~/mine.json", "the seccomp profile ~/mine.json: it is outside"),
        ("'seccomp:'", "no file is named"),
        ("seccomp=broken.json", "app/broken.json:2:8: this is not a seccomp profile: expected value"),
        ("seccomp=list.json", "app/list.json:1:1: this is not a seccomp profile: invalid type: sequence"),
        ("'systempaths:unconfined'", "write systempaths=unconfined"),
        ("no-new-privileges=maybe", "no-new-privileges must be true or false, not \"maybe\""),
        ("disable", "\"disable\" is not a security option"),
    ] {
        let refusal = refusal(&test_fleet, &PROFILED.replace("OPTIONS", option));
        assert!(refusal.contains(said), "{option}: {refusal}");
    }
}

const NEWER: &str = "
services:
  web:
    image: w:1
    annotations: {a: b}
    healthcheck: {test: [CMD, ok], start_interval: 1s}
    networks: {infra_net: {gw_priority: 5}, inner: {interface_name: in0}, second: {}}
    volumes:
      - {type: bind, source: /a, target: /a, read_only: true, bind: {recursive: writable}}
      - {type: volume, source: data, target: /b, volume: {subpath: c}}
volumes: {data: {}}
networks: {infra_net: {external: true, name: infra_net}, second: {external: true}, inner: {enable_ipv4: false, enable_ipv6: true}}
";

fn two_networks() -> TestFleet {
    let second =
        "[networks.second]\nsubnet = \"172.20.0.0/16\"\nauto = \"172.20.128.0/17\"\ngateways = \"172.20.255.0/24\"\n";
    let mut test_fleet = TestFleet::new(&format!("{second}[stacks.app]\nplace = {{ web = \"beta\" }}\n"));
    // The engine of another host does not matter.
    test_fleet.engines.insert("alpha".into(), 30);
    test_fleet
}

#[test]
fn features_that_an_engine_is_too_old_for_are_refused_with_their_location() {
    let mut test_fleet = two_networks();
    let places = [
        ("5:5", "annotations", "24", 43),
        ("6:36", "healthcheck.start_interval", "25", 44),
        ("7:5", "networks", "25", 44),
        ("9:70", "volumes[0].bind.recursive", "25", 44),
        ("10:59", "volumes[1].volume.subpath", "26", 45),
        ("7:28", "networks.infra_net.gw_priority", "28", 48),
        ("7:53", "networks.inner.interface_name", "28.1", 49),
    ];
    test_fleet.engines.insert("beta".into(), 41);
    let refusal = test_fleet.compile("app", NEWER).unwrap_err();
    for (at, key, release, api) in places {
        let line = refusal.lines().find(|line| line.contains(&format!("(services.web.{key})"))).expect(&refusal);
        let needs = format!("needs Docker Engine {release} or newer, with API version 1.{api} (");
        assert!(line.starts_with(&format!("app/compose.yaml:{at}:")) && line.contains(&needs), "{key}: {line}");
    }
    assert!(refusal.contains("a network with `enable_ipv4` needs Docker Engine 28 or newer"), "{refusal}");
    assert!(
        refusal.contains("the engine on beta has API version 1.41: update it, or place the service on another host"),
        "{refusal}"
    );
    for (_, key, _, api) in places {
        test_fleet.engines.insert("beta".into(), api);
        let refusal = test_fleet.compile("app", NEWER).err().unwrap_or_default();
        assert!(!refusal.contains(&format!("(services.web.{key})")), "{key}: {refusal}");
    }
}

#[test]
fn new_enough_and_unknown_engines_are_accepted() {
    let mut test_fleet = two_networks();
    assert!(test_fleet.compile("app", NEWER).is_ok());
    test_fleet.engines.insert("beta".into(), 49);
    assert!(test_fleet.compile("app", NEWER).is_ok());
}

#[test]
fn what_is_not_an_address_or_a_subnet_is_refused_with_its_line() {
    let yaml = "
services:
  web:
    image: web:1
    networks: {back: {ipv4_address: 10.1.0.x}}
networks:
  back:
    ipam: {config: [{subnet: 10.1.0.0/16, gateway: gate}, {subnet: ten}]}
";
    let refused = TestFleet::new("").compile("app", yaml).unwrap_err();
    for part in [
        "\"10.1.0.x\" is not an IPv4 address",
        "\"gate\" is not an address",
        "\"ten\" is not a subnet, as in 172.20.0.0/16",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}
