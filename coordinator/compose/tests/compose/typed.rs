//! The typed project.
use std::path::{Path, PathBuf};

use landfast_compose::model::{Condition, MountKind, Origin, Published, Restart};
use landfast_compose::quantity::{Bytes, Nanos};

use crate::stack::{service, stack};

const DATABASE: &str = "\
name: data
x-logging: &logging
  logging:
    driver: json-file
    options: {max-size: 10m, max-file: 3}
x-hardened: &hardened
  read_only: true
  cap_drop: [ALL]
services:
  job:
    image: job:1
    restart: on-failure:3
  postgres:
    <<: [*logging, *hardened]
    image: postgres:16
    restart: unless-stopped
    depends_on:
      job:
        condition: service_completed_successfully
    environment:
      POSTGRES_PASSWORD_FILE: /run/secrets/password
    secrets: [{source: password, mode: 0400, uid: '70'}]
    tmpfs: ['/run:size=64m', /tmp]
    volumes:
      - pg:/var/lib/postgresql/data
      - ${DATA:-./data}/conf:/etc/postgresql:ro
    ports: ['127.0.0.1:5432:5432', '9000-9010:9000']
    networks:
      infra_net:
        ipv4_address: 172.19.0.20
        aliases: [db]
    healthcheck:
      test: pg_isready
      interval: 10s
      start_period: 1m
      retries: 5
    ulimits: {nofile: 1024, nproc: {soft: 1, hard: 2}}
    extra_hosts: ['gateway:172.19.0.1']
    stop_grace_period: 30s
    mem_swappiness: 10
    deploy:
      resources: {limits: {cpus: '1.5', memory: 512M}}
      update_config: {parallelism: 1, delay: 5s, order: start-first}
      placement: {constraints: ['node.labels.disk==ssd']}
networks:
  infra_net: {external: true}
volumes:
  pg: {labels: {keep: 'yes'}}
secrets:
  password: {file: ./secrets/password}
";

#[test]
fn everything_is_a_value_of_its_own_kind() {
    let project = stack(DATABASE).project();
    assert_eq!((project.name.as_str(), project.working_dir.as_path()), ("data", Path::new("/srv/app")));
    let postgres = &project.services["postgres"];
    assert_eq!(postgres.restart, Some(Restart::UnlessStopped));
    assert_eq!(project.services["job"].restart, Some(Restart::OnFailure(3)));
    assert_eq!(postgres.depends_on["job"].condition, Condition::Completed);
    assert_eq!(postgres.logging.as_ref().unwrap().options["max-file"], "3");
    assert!(postgres.read_only);
    assert_eq!(postgres.secrets[0].mode, Some(0o400));
    assert_eq!(postgres.secrets[0].target.as_deref(), Some("/run/secrets/password"));
    assert_eq!(postgres.tmpfs[0].options, "size=64m");
    assert_eq!(postgres.stop_grace_period, Some(Nanos(30_000_000_000)));
    assert_eq!(postgres.mem_swappiness, Some(10));
    assert_eq!((postgres.ulimits["nofile"].soft, postgres.ulimits["nproc"].hard), (1024, 2));
    assert_eq!(
        (postgres.extra_hosts[0].name.as_str(), postgres.extra_hosts[0].address.as_str()),
        ("gateway", "172.19.0.1")
    );
    let healthcheck = postgres.healthcheck.as_ref().unwrap();
    assert_eq!(healthcheck.start_period, Some(Nanos(60_000_000_000)));
    assert_eq!(healthcheck.test, ["CMD-SHELL", "pg_isready"]);
}

#[test]
fn mounts_ports_and_networks_are_resolved() {
    let project = stack(DATABASE).project();
    let postgres = &project.services["postgres"];
    assert_eq!((postgres.volumes[0].kind, postgres.volumes[0].source.as_deref()), (MountKind::Volume, Some("pg")));
    assert_eq!(postgres.volumes[1].source.as_deref(), Some("/srv/app/data/conf"));
    assert!(postgres.volumes[1].read_only && postgres.volumes[1].bind.create_host_path);
    assert_eq!(postgres.ports[0].host_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(postgres.ports[1].published, Some(Published { start: 9000, end: 9010 }));
    assert_eq!(postgres.networks["infra_net"].ipv4_address.as_deref(), Some("172.19.0.20"));
    assert!(project.networks["infra_net"].external);
    assert_eq!(project.volumes["pg"].name, "data_pg");
    assert_eq!(project.secrets["password"].origin, Origin::File(PathBuf::from("/srv/app/secrets/password")));
}

#[test]
fn limits_and_updates_are_typed() {
    let project = stack(DATABASE).project();
    let deploy = &project.services["postgres"].deploy;
    assert_eq!(deploy.resources.limits.memory, Some(Bytes(512 << 20)));
    assert_eq!(deploy.resources.limits.cpus, Some(1.5));
    let update = deploy.update_config.as_ref().unwrap();
    assert_eq!((update.parallelism, update.delay), (Some(1), Some(Nanos(5_000_000_000))));
    assert_eq!(deploy.placement.constraints, ["node.labels.disk==ssd"]);
    assert_eq!(project.services["postgres"].replicas(), 1);
}

#[test]
fn every_key_has_a_location() {
    let project = stack(DATABASE).project();
    let place = |path: &str| project.locate(path).map(|at| (at.line, at.column));
    assert_eq!(place("services.postgres.networks.infra_net.ipv4_address"), Some((30, 9)));
    assert_eq!(place("services.postgres.networks.infra_net.mac_address"), Some((29, 7)), "the nearest key around it");
    assert_eq!(place("services.postgres.volumes[1].source"), Some((26, 9)));
    assert_eq!(place("nothing"), None);
}

#[test]
fn networks_are_sorted_by_priority_and_name() {
    let project =
        stack("services: {web: {image: w, networks: {a: , b: {priority: 5}, c: }}}\nnetworks: {a: , b: , c: }")
            .project();
    let order: Vec<&str> = project.services["web"].networks_by_priority().iter().map(|(name, _)| *name).collect();
    assert_eq!(order, ["b", "a", "c"]);
}

#[test]
fn invalid_values_can_be_printed_but_not_typed() {
    let loaded = service("restart: sometimes").load();
    let refusal = loaded.project().unwrap_err().to_string();
    assert!(refusal.contains("compose.yaml:4:5: `sometimes` is not no, always"), "{refusal}");
}

#[test]
fn a_resource_without_a_name_can_be_printed_but_not_typed() {
    let text = "services: {web: {image: w, volumes: ['data:/d']}}\nvolumes:\n  data: {name: '${NAME:-}'}\n";
    let refusal = stack(text).load().project().unwrap_err().to_string();
    assert!(refusal.starts_with("/srv/app/compose.yaml:3:3: the name is empty (volumes.data.name)"), "{refusal}");
}
