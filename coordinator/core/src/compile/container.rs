//! Compiles one instance of a service into a container.
use std::collections::BTreeMap;

use super::container_input::{ContainerInput, container_name_of};
use super::{files, image, links, mounts, networks, ports, resources, security};
use crate::container::{Container, Device, DeviceRequest, Healthcheck, Hook, Logging, Restart, Ulimit};
use crate::deployment::InstanceName;
use crate::findings::Findings;
use crate::place::is_cdi;
use landfast_compose::model::{self, Service};

/// Returns the container, and the files of the bundle that it mounts.
pub(super) fn container(
    input: ContainerInput<'_>,
    findings: &mut Findings<'_>,
) -> (Container, BTreeMap<String, String>) {
    let service = input.service();
    let mut mounted = mounts::mounts(input, findings);
    files::add(input, &mut mounted, findings);
    let links = links::links(input, findings);
    let security = security::security(input, findings);
    let reference = service.image.clone().unwrap_or_default();
    let mut container = Container {
        name: container_name_of(&input.compile.project.name, service, input.name),
        image_fingerprint: image::fingerprint(input, &reference, findings),
        image: reference,
        labels: labels(input),
        mounts: mounted.mounts,
        tmpfs: mounted.tmpfs,
        files: mounted.put,
        security_opt: security.options,
        unconfined_paths: security.unconfined_paths,
        ports: ports::ports(input, findings),
        networks: networks::attachments(input, &links.on, findings),
        dns: networks::dns(input),
        healthcheck: service.healthcheck.as_ref().map(healthcheck),
        restart: restart(service),
        logging: service.logging.as_ref().map(logging),
        resources: resources::resources(service),
        gpus: gpus(service),
        stop_grace_seconds: service.stop_grace_period.map(|grace| whole_seconds(grace.0)),
        ..settings(service)
    };
    container.extra_hosts.extend(links.hosts);
    (container, mounted.files)
}

/// Settings that are copied from the service without further decisions.
fn settings(service: &Service) -> Container {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    // A name without a value removes the variable of the image.
    let environment = service.environment.iter().map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    });
    let ulimit =
        |(name, limit): (&String, &model::Ulimit)| Ulimit { name: name.clone(), soft: limit.soft, hard: limit.hard };
    let device = |device: &model::Device| Device {
        host: device.source.clone(),
        container: device.target.clone(),
        permissions: device.permissions.clone(),
    };
    Container {
        hostname: text(&service.hostname),
        domainname: text(&service.domainname),
        entrypoint: service.entrypoint.clone(),
        command: service.command.clone(),
        environment: environment.collect(),
        annotations: service.annotations.clone(),
        user: text(&service.user),
        working_dir: text(&service.working_dir),
        tty: service.tty,
        stdin_open: service.stdin_open,
        read_only: service.read_only,
        init: service.init,
        privileged: service.privileged,
        cap_add: service.cap_add.clone(),
        cap_drop: service.cap_drop.clone(),
        sysctls: service.sysctls.clone(),
        ulimits: service.ulimits.iter().map(ulimit).collect(),
        shm_size: service.shm_size.map(|size| size.0),
        devices: service.devices.iter().filter(|it| !is_cdi(it)).map(device).collect(),
        group_add: service.group_add.clone(),
        pid_mode: text(&service.pid),
        ipc_mode: text(&service.ipc),
        uts_mode: text(&service.uts),
        userns_mode: text(&service.userns_mode),
        cgroup_mode: text(&service.cgroup),
        cgroup_parent: text(&service.cgroup_parent),
        network_mode: service.network_mode.clone().filter(|mode| mode != "bridge").unwrap_or_default(),
        expose: service.expose.iter().map(|port| with_protocol(port)).collect(),
        extra_hosts: service.extra_hosts.iter().map(|host| format!("{}:{}", host.name, host.address)).collect(),
        dns_search: service.dns_search.clone(),
        dns_options: service.dns_opt.clone(),
        stop_signal: text(&service.stop_signal),
        runtime: text(&service.runtime),
        platform: text(&service.platform),
        device_cgroup_rules: service.device_cgroup_rules.clone(),
        storage_options: service.storage_opt.clone(),
        oom_score_adj: service.oom_score_adj,
        oom_kill_disable: service.oom_kill_disable,
        post_start: service.post_start.iter().map(hook).collect(),
        pre_stop: service.pre_stop.iter().map(hook).collect(),
        volumes_from: service.volumes_from.iter().map(|from| volumes_from(from)).collect(),
        ..Container::default()
    }
}

/// Labels of the service, and those that `docker compose ps` on the host needs to show it.
fn labels(input: ContainerInput<'_>) -> BTreeMap<String, String> {
    let InstanceName { stack, service, index } = input.name;
    let mut labels = input.service().labels.clone();
    // These are paths on the host, so that deploying from another machine does not recreate every container.
    let folder = landfast_agreement::paths::live_folder(stack);
    let compose = [
        ("project", input.compile.project.name.clone()),
        ("service", service.clone()),
        ("container-number", index.to_string()),
        ("oneoff", "False".to_owned()),
        ("version", "landfast".to_owned()),
        ("project.config_files", format!("{folder}/compose.yaml")),
        ("project.working_dir", folder),
    ];
    labels.extend(compose.map(|(key, value)| (format!("com.docker.compose.{key}"), value)));
    labels
}

fn healthcheck(check: &model::Healthcheck) -> Healthcheck {
    if check.disable {
        return Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() };
    }
    let nanos = |time: Option<landfast_compose::quantity::Nanos>| time.map_or(0, |time| time.0);
    Healthcheck {
        test: check.test.clone(),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval),
        retries: check.retries.unwrap_or(0),
    }
}

/// Restart policy from `deploy.restart_policy`, or else from `restart:`, as in Docker Compose.
fn restart(service: &Service) -> Option<Restart> {
    let of = |policy: &str, max_attempts| Some(Restart { policy: policy.to_owned(), max_attempts });
    if let Some(policy) = &service.deploy.restart_policy {
        let attempts = policy.max_attempts.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(0);
        return match policy.condition.as_deref() {
            Some("any" | "always") => of("always", 0),
            Some("on-failure") => of("on-failure", attempts),
            Some("none" | "no") => of("no", 0),
            // Others are refused by the engine in its own words.
            Some(other) if !other.is_empty() => of(other, 0),
            _ => None,
        };
    }
    match service.restart? {
        model::Restart::No => of("no", 0),
        model::Restart::Always => of("always", 0),
        model::Restart::OnFailure(attempts) => of("on-failure", attempts),
        model::Restart::UnlessStopped => of("unless-stopped", 0),
    }
}

fn logging(logging: &model::Logging) -> Logging {
    Logging { driver: logging.driver.clone().unwrap_or_default(), options: logging.options.clone() }
}

fn gpus(service: &Service) -> Vec<DeviceRequest> {
    let reserved = &service.deploy.resources.reservations.devices;
    let request = |request: &model::DeviceRequest| DeviceRequest {
        driver: request.driver.clone(),
        count: request.count,
        device_ids: request.device_ids.clone(),
        capabilities: request.capabilities.clone(),
        options: request.options.clone(),
    };
    let mut gpus: Vec<DeviceRequest> = service.gpus.iter().map(request).collect();
    for gpu in gpus.iter_mut().filter(|gpu| !gpu.capabilities.iter().any(|it| it == "gpu")) {
        gpu.capabilities.push("gpu".to_owned());
    }
    let cdi = service.devices.iter().filter(|device| is_cdi(device)).map(|device| DeviceRequest {
        driver: "cdi".to_owned(),
        device_ids: vec![device.source.clone()],
        ..DeviceRequest::default()
    });
    gpus.into_iter().chain(reserved.iter().map(request)).chain(cdi).collect()
}

fn hook(hook: &model::Hook) -> Hook {
    let variable = |(key, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    };
    Hook {
        command: hook.command.clone().unwrap_or_default(),
        user: hook.user.clone().unwrap_or_default(),
        working_dir: hook.working_dir.clone().unwrap_or_default(),
        environment: hook.environment.iter().map(variable).collect(),
        privileged: hook.privileged,
    }
}

/// Adds the prefix for services: `db:ro` becomes `service:db:ro`.
fn volumes_from(from: &str) -> String {
    if from.starts_with("container:") { from.to_owned() } else { format!("service:{from}") }
}

/// Adds the default protocol: `5432` becomes `5432/tcp`.
fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
}

/// Converts nanoseconds to seconds and rounds up, so that half a second does not become 0.
fn whole_seconds(nanos: i64) -> u32 {
    u32::try_from(nanos.max(0).unsigned_abs().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}
