//! What the recorded messages contain. The messages that travel and are kept have every field set, and no field is left to its
//! default, so that a new field does not compile before it is recorded too.

use std::collections::BTreeMap;

use landfast_proto::v1::*;

fn s(text: &str) -> String {
    text.to_owned()
}

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| s(text)).collect()
}

fn map(key: &str, value: &str) -> BTreeMap<String, String> {
    [(s(key), s(value)), (s("a"), s("first"))].into()
}

fn limits(path: &str, value: u64) -> Vec<DeviceLimit> {
    vec![DeviceLimit { path: s(path), value }]
}

fn hook(word: &str) -> Vec<Hook> {
    vec![Hook {
        command: list(&["echo", word]),
        user: s("1000"),
        working_dir: s("/srv"),
        environment: list(&["WORD=x"]),
        privileged: true,
    }]
}

fn mount(source: mount::Source) -> Mount {
    Mount {
        source: Some(source),
        target: s("/target"),
        read_only: true,
        propagation: s("rslave"),
        create: true,
        no_copy: true,
        subpath: s("sub"),
        relabel: s("z"),
        recursive: s("readonly"),
        labels: map("tier", "data"),
    }
}

/// A container with every setting.
fn container() -> Container {
    Container {
        name: s("data-redis-1"),
        image: s("redis:7"),
        image_fingerprint: s("fingerprint"),
        hostname: s("redis"),
        domainname: s("lan"),
        entrypoint: Some(StringList { values: list(&["/entry"]) }),
        command: Some(StringList { values: list(&["serve", "--port"]) }),
        environment: list(&["A=1", "B=2"]),
        labels: map("tier", "data"),
        annotations: map("note", "x"),
        user: s("1000:1000"),
        working_dir: s("/srv"),
        tty: true,
        stdin_open: true,
        read_only: true,
        init: Some(true),
        privileged: true,
        cap_add: list(&["NET_ADMIN"]),
        cap_drop: list(&["ALL"]),
        security_opt: list(&["no-new-privileges"]),
        unconfined_paths: true,
        sysctls: map("net.core.somaxconn", "1024"),
        ulimits: vec![Ulimit { name: s("nofile"), soft: 1024, hard: 2048 }],
        shm_size: Some(64 << 20),
        devices: vec![Device { host: s("/dev/a"), container: s("/dev/b"), permissions: s("rw") }],
        group_add: list(&["video"]),
        pid_mode: s("host"),
        ipc_mode: s("shareable"),
        uts_mode: s("host"),
        userns_mode: s("host"),
        cgroup_mode: s("private"),
        cgroup_parent: s("slice"),
        network_mode: s("none"),
        tmpfs: vec![Tmpfs { target: s("/tmp"), options: s("size=64m") }],
        mounts: vec![
            mount(mount::Source::Tree(s("conf/redis.conf"))),
            mount(mount::Source::Host(s("/srv/redis"))),
            mount(mount::Source::Volume(s("data_redis"))),
            mount(mount::Source::Memory(Memory { size: 4096, mode: 0o1777 })),
        ],
        ports: vec![Port {
            address: s("127.0.0.1"),
            published: 6380,
            target: 6379,
            protocol: s("tcp"),
            published_end: 6390,
        }],
        expose: list(&["6379/tcp"]),
        networks: vec![Attachment {
            network: s("infra_net"),
            address: s("172.19.0.6"),
            mac: s("02:1f:00:03:00:06"),
            aliases: list(&["redis"]),
            link_local_ips: list(&["169.254.0.6"]),
            address6: s("fd00::6"),
            driver_options: map("mode", "l2"),
            gateway_priority: 7,
            links: list(&["db:database"]),
            epoch: 3,
        }],
        extra_hosts: list(&["host:10.0.0.9"]),
        dns: list(&["10.0.0.53"]),
        dns_search: list(&["lan"]),
        dns_options: list(&["ndots:1"]),
        restart: Some(Restart { policy: s("on-failure"), max_attempts: 5 }),
        healthcheck: Some(Healthcheck {
            test: list(&["CMD", "ping"]),
            interval: 1_000,
            timeout: 2_000,
            start_period: 3_000,
            start_interval: 4_000,
            retries: 5,
        }),
        logging: Some(Logging { driver: s("json-file"), options: map("max-size", "10m") }),
        stop_signal: s("SIGINT"),
        stop_grace_seconds: Some(30),
        resources: Some(Resources {
            nano_cpus: 1,
            memory: 2,
            memory_reservation: 3,
            memory_swap: 4,
            pids: 5,
            cpu_shares: 6,
            cpu_quota: 7,
            cpu_period: 8,
            cpuset: s("0-1"),
            memory_swappiness: Some(10),
            cpu_rt_period: 11,
            cpu_rt_runtime: 12,
            blkio_weight: 13,
            blkio_weight_devices: limits("/dev/sda", 14),
            blkio_read_bps: limits("/dev/sdb", 15),
            blkio_read_iops: limits("/dev/sdc", 16),
            blkio_write_bps: limits("/dev/sdd", 17),
            blkio_write_iops: limits("/dev/sde", 18),
        }),
        runtime: s("runc"),
        platform: s("linux/amd64"),
        device_cgroup_rules: list(&["c 1:3 mr"]),
        storage_options: map("size", "1G"),
        oom_score_adj: Some(-500),
        oom_kill_disable: true,
        gpus: vec![DeviceRequest {
            driver: s("nvidia"),
            count: -1,
            device_ids: list(&["0"]),
            capabilities: list(&["gpu"]),
            options: map("mode", "x"),
        }],
        files: vec![PlacedFile {
            target: s("/run/secret"),
            contents: b"word".to_vec(),
            mode: 0o400,
            uid: 1,
            gid: 2,
            salt: s("salt"),
            digest: s("digest"),
        }],
        post_start: hook("after"),
        pre_stop: hook("before"),
        volumes_from: list(&["service:app:ro"]),
    }
}

fn instance() -> Instance {
    Instance {
        stack: s("data"),
        service: s("redis"),
        index: 1,
        release: 4,
        digest: s("instance digest"),
        container: Some(container()),
        depends_on: vec![
            Dependency { service: s("init"), condition: dependency::Condition::Completed.into() },
            Dependency { service: s("app"), condition: dependency::Condition::Healthy.into() },
        ],
        stopped: true,
        incarnation: 3,
        wanted: instance::Wanted::Drain.into(),
        last_incarnation: 5,
    }
}

fn network() -> Network {
    Network {
        name: s("data_own"),
        stack: s("data"),
        key: s("own"),
        driver: s("bridge"),
        subnet: s("10.9.0.0/24"),
        gateway: s("10.9.0.1"),
        internal: true,
        attachable: true,
        ipv6: true,
        options: map("mode", "1"),
        labels: map("tier", "data"),
        overlay: None,
        pools: vec![Pool {
            subnet: s("10.9.0.0/24"),
            gateway: s("10.9.0.1"),
            ip_range: s("10.9.0.128/25"),
            aux_addresses: map("router", "10.9.0.2"),
        }],
        ipam_driver: s("default"),
        ipam_options: map("x", "y"),
        ipv4: Some(true),
        project: s("shop"),
    }
}

fn fleet_network(neighbours: Vec<Neighbour>) -> Network {
    Network {
        name: s("infra_net"),
        key: s("infra_net"),
        subnet: s("172.19.0.0/16"),
        gateway: s("172.19.255.1"),
        overlay: Some(Overlay { vni: 4242, local: s("10.0.0.1"), mtu: 1450, neighbours }),
        ..Network::default()
    }
}

fn volume(remove: bool) -> Volume {
    Volume {
        name: s("data_redis"),
        stack: s("data"),
        key: s("redis"),
        driver: s("local"),
        options: map("type", "none"),
        labels: map("tier", "data"),
        remove,
        project: s("shop"),
        users: vec![VolumeUser { stack: s("data"), service: s("redis"), index: 1 }],
    }
}

fn name() -> Name {
    Name { name: s("redis.infra_net"), addresses: list(&["172.19.0.6", "172.19.0.7"]) }
}

fn endpoint(address: &str, epoch: u64, holder: Option<endpoint::Holder>) -> Endpoint {
    Endpoint { network: s("infra_net"), address: s(address), host: s("10.0.0.1"), epoch, holder }
}

fn fabric() -> Fabric {
    let endpoints = vec![
        endpoint("172.19.0.5", 2, None),
        endpoint("172.19.0.6", 3, Some(endpoint::Holder::Instance(s("data/redis.1")))),
        endpoint("172.19.255.1", 0, Some(endpoint::Holder::Gateway(true))),
    ];
    Fabric { endpoints, names: vec![name()], version: 8 }
}

/// The contents of one unit of each kind, by the name of its file.
pub(super) fn units() -> BTreeMap<&'static str, landfast_proto::Contents> {
    use landfast_proto::Contents;
    let state = StackState {
        stack: s("data"),
        manifest: s("manifest"),
        networks: vec![network()],
        volumes: vec![volume(false)],
        instances: vec![instance()],
    };
    [
        ("unit-stack", Contents::Stack(state)),
        (
            "unit-removal",
            Contents::Removal(Removal { stack: s("gone"), volumes: vec![Volume { stack: s("gone"), ..volume(true) }] }),
        ),
        ("unit-base", Contents::Base(HostBase { networks: vec![fleet_network(Vec::new())] })),
        ("unit-fabric", Contents::Fabric(fabric())),
    ]
    .into()
}

pub(super) fn stamp(digest: String) -> Stamp {
    Stamp { epoch: 5, owner: s("anna@laptop, process 4711"), generation: 9, digest }
}

pub(super) fn fabric_delta() -> Unit {
    let delta = FabricDelta {
        from: s("before"),
        endpoints: fabric().endpoints,
        gone: vec![EndpointKey { network: s("infra_net"), address: s("172.19.0.9") }],
        names: vec![name()],
        gone_names: list(&["old.infra_net"]),
        version: 9,
    };
    let contents = Some(unit::Contents::FabricDelta(delta));
    Unit { stamp: Some(stamp(s("after"))), if_digest: Some(s("before")), contents }
}

pub(super) fn report() -> Report {
    let unit = |unit| UnitReport { unit: Some(unit), stamp: Some(stamp(s("digest"))), converged: true };
    Report {
        epoch: 5,
        generation: 9,
        converged: true,
        instances: vec![InstanceReport {
            stack: s("data"),
            service: s("redis"),
            index: 1,
            incarnation: 3,
            container_id: s("c1"),
            state: instance_report::State::Restarting.into(),
            health: instance_report::Health::Unhealthy.into(),
            exit_code: -1,
            image: s("redis:7"),
            digest: s("instance digest"),
            release: 4,
            addresses: map("infra_net", "172.19.0.6"),
            ports: vec![instance_report::Port {
                address: s("127.0.0.1"),
                published: 6380,
                target: 6379,
                protocol: s("tcp"),
            }],
            started_at: 11,
            restarts: 12,
            health_output: s("no answer"),
            unfinished: s("no such table"),
            output: s("out of memory"),
            tree: s("manifest"),
            unmanaged: true,
        }],
        problems: vec![Problem {
            step: s("create"),
            resource: s("data_own"),
            message: s("no room"),
            r#final: true,
            stack: s("data"),
            kind: problem::Kind::Network.into(),
        }],
        trees: vec![TreeReport { stack: s("data"), manifest: s("manifest"), drift: list(&["a", "b"]), progress: 7 }],
        engine_lost: true,
        units: vec![
            unit(unit_report::Unit::Stack(s("data"))),
            unit(unit_report::Unit::Removal(s("gone"))),
            unit(unit_report::Unit::Base(true)),
            unit(unit_report::Unit::Fabric(true)),
        ],
        owner: s("anna@laptop, process 4711"),
    }
}

pub(super) fn description() -> DescribeResponse {
    DescribeResponse {
        fleet: s("home"),
        host: s("alpha"),
        agent_version: s("0.1.0"),
        engine: Some(Engine {
            version: s("28.0.1"),
            api_version: s("1.48"),
            image_store: s("containerd"),
            os: s("linux"),
            architecture: s("amd64"),
            error: s("gone"),
            runtimes: list(&["runc"]),
            device_drivers: list(&["cdi"]),
        }),
        epoch: 5,
        generation: 9,
        report: Some(report()),
        images: vec![Image {
            id: s("sha256:1"),
            references: list(&["redis:7"]),
            fingerprint: s("fingerprint"),
            size: 4,
            os: s("linux"),
            architecture: s("arm"),
            variant: s("v7"),
        }],
        networks: vec![EngineNetwork {
            name: s("data_own"),
            driver: s("bridge"),
            subnets: list(&["10.9.0.0/24"]),
            gateways: list(&["10.9.0.1"]),
            internal: true,
            options: map("mode", "1"),
            managed: true,
            containers: list(&["data-redis-1"]),
            project: s("shop"),
        }],
        ports: vec![UsedPort {
            address: s("0.0.0.0"),
            port: 80,
            protocol: s("tcp"),
            owner: s("container web"),
            instance: s("web/app.1"),
        }],
        disk_free: 12,
        volumes: vec![EngineVolume {
            name: s("data_redis"),
            driver: s("local"),
            options: map("type", "none"),
            managed: true,
        }],
        held: vec![fabric_delta()],
        features: list(&["units"]),
        highest_epoch: 16,
        claim: Some(HostClaim { epoch: 5, owner: s("anna"), purpose: s("up data"), since: 4, remaining: 5 }),
        releases: vec![ReleaseRecord {
            stack: s("data"),
            number: 2,
            time: s("2026-11-20T17:00:00Z"),
            env: s("live"),
            operation: release_record::Operation::Rollback.into(),
            outcome: release_record::Outcome::Partial.into(),
            manifest: s("manifest"),
            deployment: s("deployment"),
            instances: 9,
            owed: list(&["recreate data/app.1 on gamma"]),
            secrets: list(&["secret"]),
        }],
    }
}

/// The state of a host as the version before the units kept it: every setting that this version had, one instance that needs
/// nothing else to run, and the addresses of another host.
pub(super) fn old_host_state() -> HostState {
    let unnumbered = Instance { incarnation: 0, wanted: 0, last_incarnation: 0, ..instance() };
    let mut full = unnumbered.clone();
    let container = full.container.as_mut().expect("there");
    container.networks[0].epoch = 0;
    container.files[0].digest.clear();
    let app = Container {
        name: s("data-app-1"),
        image: s("app:1"),
        networks: vec![Attachment {
            network: s("infra_net"),
            address: s("172.19.0.8"),
            mac: s("02:1f:00:02:00:08"),
            ..Attachment::default()
        }],
        mounts: vec![Mount {
            source: Some(mount::Source::Volume(s("data_redis"))),
            target: s("/data"),
            ..Mount::default()
        }],
        restart: Some(Restart { policy: s("unless-stopped"), max_attempts: 0 }),
        ..Container::default()
    };
    let app = Instance {
        service: s("app"),
        digest: s("app digest"),
        container: Some(app),
        depends_on: Vec::new(),
        stopped: false,
        ..unnumbered
    };
    let neighbour = |address: &str, mac: &str| Neighbour { address: s(address), mac: s(mac), host: s("10.0.0.2") };
    HostState {
        fleet: s("home"),
        host: s("alpha"),
        epoch: 2,
        generation: 9,
        networks: vec![
            network(),
            fleet_network(vec![
                neighbour("172.19.0.5", "02:1f:00:02:00:05"),
                neighbour("172.19.255.2", "02:1f:00:00:ff:02"),
            ]),
        ],
        volumes: vec![volume(false)],
        trees: vec![Tree { stack: s("data"), manifest: s("manifest") }],
        instances: vec![app, full],
        names: vec![name()],
    }
}
