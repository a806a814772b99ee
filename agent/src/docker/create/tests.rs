//! Requests as they are sent, to older and newer engines.

use super::*;
use serde_json::{Value, json};

fn attachment(network: &str, address: &str, mac: &str) -> wire::Attachment {
    wire::Attachment {
        network: network.to_owned(),
        address: address.to_owned(),
        mac: mac.to_owned(),
        aliases: vec!["redis".to_owned()],
        ..wire::Attachment::default()
    }
}

fn instance(change: impl FnOnce(&mut wire::Container)) -> wire::Instance {
    let mut container = wire::Container { name: "data-redis-1".to_owned(), ..wire::Container::default() };
    change(&mut container);
    wire::Instance {
        stack: "data".to_owned(),
        service: "redis".to_owned(),
        index: 1,
        release: 3,
        digest: "d".to_owned(),
        container: Some(container),
        ..wire::Instance::default()
    }
}

fn place() -> Place {
    Place { fleet: "home".to_owned(), name: "data-redis-1".to_owned(), image: "redis:7".to_owned(), ..Place::default() }
}

fn body(instance: &wire::Instance, place: &Place, minor: u32) -> Value {
    serde_json::to_value(creation(instance, place, minor).expect("can be done").body).expect("plain")
}

#[test]
fn newer_engines_get_all_networks_at_creation() {
    let instance = instance(|container| {
        let fleet = attachment("infra_net", "172.19.0.5", "02:1f:00:01:00:05");
        container.networks = vec![attachment("data_default", "", ""), fleet];
    });
    let creation = creation(&instance, &place(), 51).expect("can be done");
    assert!(creation.connect.is_empty() && creation.mac.is_none());
    let body = body(&instance, &place(), 51);
    assert_eq!(body["HostConfig"]["NetworkMode"], "data_default");
    let endpoints = &body["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(endpoints["data_default"], json!({"Aliases": ["data-redis-1", "redis"]}));
    assert_eq!(
        endpoints["infra_net"],
        json!({
            "IPAMConfig": {"IPv4Address": "172.19.0.5"}, "MacAddress": "02:1f:00:01:00:05", "Aliases": ["data-redis-1", "redis"],
        })
    );
}

#[test]
fn older_engines_get_the_network_with_the_mac_first_and_the_others_connected() {
    let instance = instance(|container| {
        let fleet = attachment("infra_net", "172.19.0.5", "02:1f:00:01:00:05");
        container.networks = vec![attachment("data_default", "", ""), fleet];
    });
    let creation = creation(&instance, &place(), 41).expect("can be done");
    assert_eq!(creation.mac.as_deref(), Some("02:1f:00:01:00:05"));
    let names: Vec<&str> = creation.connect.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["data_default"]);
    let sent: Value = serde_json::from_slice(&with_mac(&creation.body, creation.mac.expect("seen"))).expect("json");
    assert_eq!(sent["MacAddress"], "02:1f:00:01:00:05");
    assert_eq!(sent["HostConfig"]["NetworkMode"], "infra_net");
    assert_eq!(
        sent["NetworkingConfig"]["EndpointsConfig"],
        json!({"infra_net": {"IPAMConfig": {"IPv4Address": "172.19.0.5"}, "Aliases": ["data-redis-1", "redis"]}})
    );
}

#[test]
fn two_macs_are_refused_where_they_cannot_be() {
    let instance = instance(|container| {
        container.networks = vec![attachment("a", "", "02:1f:00:01:00:05"), attachment("b", "", "02:1f:00:01:00:06")];
    });
    assert!(creation(&instance, &place(), 41).expect_err("one only").contains("a, b"));
    assert!(creation(&instance, &place(), 44).is_ok());
}

#[test]
fn what_is_not_said_is_left_to_the_image() {
    let body = body(&instance(|_| ()), &place(), 51);
    for key in ["Cmd", "Entrypoint", "Env", "User", "WorkingDir", "Healthcheck", "StopSignal", "Hostname"] {
        assert_eq!(body.get(key), None, "{key}");
    }
}

#[test]
fn ours_are_labelled_so_that_we_and_compose_know_them() {
    let mut instance = instance(|container| {
        container.labels.insert("com.docker.compose.project".to_owned(), "data".to_owned());
    });
    let on = |service: &str, condition| wire::Dependency { service: service.to_owned(), condition };
    instance.depends_on = vec![on("job", 3), on("postgres", 2)];
    let labels = body(&instance, &place(), 51)["Labels"].clone();
    assert_eq!(
        labels,
        json!({
            "landfast.fleet": "home", "landfast.stack": "data", "landfast.service": "redis", "landfast.index": "1",
            "landfast.digest": "d", "landfast.release": "3", "com.docker.compose.config-hash": "d",
            "com.docker.compose.project": "data",
            "com.docker.compose.depends_on": "job:service_completed_successfully:false,postgres:service_healthy:false",
        })
    );
}

#[test]
fn a_container_says_which_incarnation_it_is_unless_it_has_no_number() {
    let label = |incarnation| {
        let instance = wire::Instance { incarnation, ..instance(|_| {}) };
        body(&instance, &place(), 51)["Labels"]["landfast.incarnation"].clone()
    };
    assert_eq!((label(0), label(3)), (Value::Null, json!("3")));
}

#[test]
fn ports_are_exposed_and_bound() {
    let port = |published, published_end| wire::Port {
        address: "127.0.0.1".to_owned(),
        published,
        published_end,
        target: 80,
        protocol: "tcp".to_owned(),
    };
    let instance = instance(|container| container.ports = vec![port(8080, 0), port(0, 0), port(9000, 9010)]);
    let body = body(&instance, &place(), 51);
    assert_eq!(body["ExposedPorts"], json!({"80/tcp": {}}));
    let bound = &body["HostConfig"]["PortBindings"]["80/tcp"];
    let ports: Vec<&str> = ["0", "1", "2"]
        .iter()
        .filter_map(|position| bound[position.parse::<usize>().expect("a number")]["HostPort"].as_str())
        .collect();
    assert_eq!(ports, ["8080", "", "9000-9010"]);
}

#[test]
fn mounts_are_asked_for_in_the_notation_that_compose_uses() {
    use wire::mount::Source;
    let mount = |source, target: &str| wire::Mount {
        source: Some(source),
        target: target.to_owned(),
        read_only: true,
        ..wire::Mount::default()
    };
    let (tree, host) = (|| Source::Tree("etc".to_owned()), |path: &str| Source::Host(path.to_owned()));
    let instance = instance(|container| {
        container.mounts = vec![
            mount(tree(), "/etc/must-be-there"),
            wire::Mount { create: true, ..mount(tree(), "/etc/app") },
            wire::Mount { relabel: "Z".to_owned(), ..mount(host("/srv"), "/srv") },
            wire::Mount { create: true, propagation: "rslave".to_owned(), ..mount(host("/mnt"), "/mnt") },
            wire::Mount { create: true, ..mount(host("/with:colon"), "/colon") },
            mount(Source::Volume("data_redis".to_owned()), "/data"),
            wire::Mount { no_copy: true, ..mount(Source::Volume("data_redis".to_owned()), "/empty") },
            mount(Source::Volume(String::new()), "/anonymous"),
            mount(Source::Memory(wire::Memory { size: 1024, mode: 0o700 }), "/memory"),
        ];
    });
    let paths = ["/live/etc", "/live/etc", "/srv", "/mnt", "/with:colon"];
    let sources = paths.iter().map(|path| Some(path.into())).chain([None, None, None, None]).collect();
    let body = body(&instance, &Place { sources, ..place() }, 51);
    assert_eq!(body["HostConfig"]["Binds"], json!(["/live/etc:/etc/app:ro", "/srv:/srv:ro,Z", "data_redis:/data:ro"]));
    assert_eq!(
        body["HostConfig"]["Mounts"],
        json!([
            {"Target": "/etc/must-be-there", "Source": "/live/etc", "Type": "bind", "ReadOnly": true},
            {"Target": "/mnt", "Source": "/mnt", "Type": "bind", "ReadOnly": true, "BindOptions": {"CreateMountpoint": true, "Propagation": "rslave"}},
            {"Target": "/colon", "Source": "/with:colon", "Type": "bind", "ReadOnly": true, "BindOptions": {"CreateMountpoint": true}},
            {"Target": "/empty", "Source": "data_redis", "Type": "volume", "ReadOnly": true, "VolumeOptions": {"NoCopy": true}},
            {"Target": "/anonymous", "Type": "volume", "ReadOnly": true},
            {"Target": "/memory", "Type": "tmpfs", "ReadOnly": true, "TmpfsOptions": {"SizeBytes": 1024, "Mode": 0o700}},
        ])
    );
}

#[test]
fn names_are_asked_of_the_gateway_unless_the_instance_says_whom() {
    let place = Place { dns: Some("172.19.255.1".to_owned()), ..place() };
    assert_eq!(body(&instance(|_| ()), &place, 51)["HostConfig"]["Dns"], json!(["172.19.255.1"]));
    let own = instance(|container| container.dns = vec!["9.9.9.9".to_owned()]);
    assert_eq!(body(&own, &place, 51)["HostConfig"]["Dns"], json!(["9.9.9.9"]));
}

#[test]
fn an_entry_point_of_nothing_is_none_at_all() {
    let instance = instance(|container| container.entrypoint = Some(wire::StringList::default()));
    assert_eq!(body(&instance, &place(), 51)["Entrypoint"], json!([""]));
}

#[test]
fn capabilities_have_one_spelling() {
    let written = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(capabilities(&written(&["net_raw", "CAP_CHOWN", "NET_RAW"])), ["CAP_CHOWN", "CAP_NET_RAW"]);
    assert_eq!(capabilities(&written(&["CHOWN", "all"])), ["ALL"]);
}

#[test]
fn what_is_mounted_beneath_a_mount_is_as_asked() {
    let mount = |recursive: &str| {
        let source = Some(wire::mount::Source::Host("/srv".to_owned()));
        instance(|container| {
            let recursive = recursive.to_owned();
            container.mounts =
                vec![wire::Mount { source, target: "/srv".to_owned(), recursive, ..wire::Mount::default() }];
        })
    };
    let place = Place { sources: vec![Some("/srv".into())], ..place() };
    let options =
        |recursive: &str| body(&mount(recursive), &place, 51)["HostConfig"]["Mounts"][0]["BindOptions"].clone();
    assert_eq!(options("disabled"), json!({"NonRecursive": true}));
    assert_eq!(options("writable"), json!({"ReadOnlyNonRecursive": true}));
    assert_eq!(options("readonly"), json!({"ReadOnlyForceRecursive": true}));
    assert_eq!(options(""), Value::Null);
    assert!(creation(&mount("readonly"), &place, 41).expect_err("too old").contains("Docker Engine 25"));
}

#[test]
fn single_devices_are_limited() {
    let limit = |value| vec![wire::DeviceLimit { path: "/dev/sda".to_owned(), value }];
    let instance = instance(|container| {
        container.resources = Some(landfast_proto::v1::Resources {
            blkio_weight_devices: limit(300),
            blkio_read_bps: limit(1),
            blkio_read_iops: limit(2),
            blkio_write_bps: limit(3),
            blkio_write_iops: limit(4),
            ..landfast_proto::v1::Resources::default()
        });
    });
    let host = body(&instance, &place(), 51)["HostConfig"].clone();
    assert_eq!(host["BlkioWeightDevice"], json!([{"Path": "/dev/sda", "Weight": 300}]));
    for (key, rate) in
        [("BlkioDeviceReadBps", 1), ("BlkioDeviceReadIOps", 2), ("BlkioDeviceWriteBps", 3), ("BlkioDeviceWriteIOps", 4)]
    {
        assert_eq!(host[key], json!([{"Path": "/dev/sda", "Rate": rate}]), "{key}");
    }
}

#[test]
fn the_default_route_is_the_one_of_the_highest_priority_where_one_is_written() {
    let instance = instance(|container| {
        let second = wire::Attachment { gateway_priority: 5, ..attachment("b", "", "") };
        container.networks = vec![attachment("a", "", ""), second];
    });
    let endpoints = body(&instance, &place(), 51)["NetworkingConfig"]["EndpointsConfig"].clone();
    assert_eq!((endpoints["a"].get("GwPriority"), &endpoints["b"]["GwPriority"]), (None, &json!(5)));
    assert!(creation(&instance, &place(), 41).expect_err("too old").contains("Docker Engine 28"));
}

#[test]
fn what_an_older_engine_would_not_know_is_refused() {
    let annotated = instance(|container| drop(container.annotations.insert("a".to_owned(), "1".to_owned())));
    assert!(creation(&annotated, &place(), 41).expect_err("too old").contains("Docker Engine 24"));
    let check = wire::Healthcheck { start_interval: 1, ..wire::Healthcheck::default() };
    let checked = instance(|container| container.healthcheck = Some(check));
    assert!(creation(&checked, &place(), 43).expect_err("too old").contains("start_interval needs Docker Engine 25"));
    assert!(creation(&checked, &place(), 44).is_ok());
}

#[test]
fn what_is_shared_with_a_service_is_shared_with_its_container() {
    let instance = instance(|container| {
        container.network_mode = "service:db".to_owned();
        container.pid_mode = "container:other".to_owned();
        container.ipc_mode = "service:cache".to_owned();
        container.volumes_from = vec!["service:db:ro".to_owned(), "container:other".to_owned()];
    });
    let partner = |service: &str, index| InstanceName { stack: "data".to_owned(), service: service.to_owned(), index };
    let partners = [(partner("db", 1), "c1"), (partner("db", 2), "c2"), (partner("cache", 4), "c4")];
    let partners = partners.map(|(name, id)| (name, id.to_owned())).into();
    let host = body(&instance, &Place { partners, ..place() }, 51)["HostConfig"].clone();
    assert_eq!((&host["NetworkMode"], &host["PidMode"]), (&json!("container:c1"), &json!("container:other")));
    assert_eq!(host["IpcMode"], "container:c4");
    assert_eq!(host["VolumesFrom"], json!(["c1:ro", "other"]));
    assert!(
        creation(&instance, &place(), 51).expect_err("nobody is there").contains("the service db, which it shares")
    );
}

#[test]
fn a_container_answers_to_its_own_name_where_it_has_names() {
    let alone = wire::Attachment { network: "bridge".to_owned(), ..wire::Attachment::default() };
    let instance = instance(|container| container.networks = vec![attachment("a", "", ""), alone]);
    let endpoints = body(&instance, &place(), 51)["NetworkingConfig"]["EndpointsConfig"].clone();
    assert_eq!(endpoints["a"]["Aliases"], json!(["data-redis-1", "redis"]));
    assert_eq!(endpoints["bridge"].get("Aliases"), None);
}

#[test]
fn links_and_names_of_interfaces_reach_the_engine() {
    let instance = instance(|container| {
        let own = wire::Attachment { links: vec!["data-db-1:database".to_owned()], ..attachment("own", "", "") };
        container.networks = vec![own];
    });
    let endpoint = body(&instance, &place(), 41)["NetworkingConfig"]["EndpointsConfig"]["own"].clone();
    assert_eq!(endpoint["Links"], json!(["data-db-1:database"]));
    let named = self::instance(|container| {
        let mut end = attachment("own", "", "");
        end.driver_options.insert(INTERFACE_NAME.to_owned(), "eth7".to_owned());
        container.networks = vec![end];
    });
    assert!(creation(&named, &place(), 48).expect_err("too old").contains("Docker Engine 28.1"));
    assert!(creation(&named, &place(), 49).is_ok());
}

#[test]
fn open_system_paths_are_empty_lists_and_not_none() {
    let open = body(&instance(|container| container.unconfined_paths = true), &place(), 41)["HostConfig"].clone();
    assert_eq!((&open["MaskedPaths"], &open["ReadonlyPaths"]), (&json!([]), &json!([])));
    let plain = body(&instance(|_| {}), &place(), 41)["HostConfig"].clone();
    assert!(plain.get("MaskedPaths").is_none() && plain.get("ReadonlyPaths").is_none());
}
