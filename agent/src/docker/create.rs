//! Builds the request to create a container. It is a pure function of the instance, of its place on the host and of the API
//! version. Engines before API 1.44 accept one network and one MAC at the creation; the other networks are connected before
//! the start.

mod mounts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, NetworkConnectRequest, NetworkingConfig, PortBinding, PortMap, ResourcesBlkioWeightDevice,
    ResourcesUlimits, RestartPolicy, ThrottleDevice,
};
use bollard::query_parameters::CreateContainerOptions;

use landfast_agent_core::desired::InstanceName;
use landfast_agreement::partner;

use super::anonymous::{self, Inheritance};
use super::{Engine, EngineError, LONG, Labels, SHORT, hooks};
use crate::wire;

const ANNOTATIONS: u32 = 43;
const START_INTERVALS: u32 = 44;
/// API version since which all networks, each with a MAC, can be given at the creation.
const MANY_NETWORKS: u32 = 44;
const GATEWAY_PRIORITIES: u32 = 48;
const INTERFACE_NAMES: u32 = 49;
/// Option of the engine for Compose's `interface_name`.
const INTERFACE_NAME: &str = "com.docker.network.endpoint.ifname";

/// What the host adds to the description of an instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) fleet: String,
    /// Name of the container for now.
    pub(crate) name: String,
    /// Reference or id of the image.
    pub(crate) image: String,
    /// Path on the host of each mount that has one, in the order of the mounts.
    pub(crate) sources: Vec<Option<PathBuf>>,
    /// Ids of the containers that it shares namespaces or volumes with, by instance.
    pub(crate) partners: BTreeMap<InstanceName, String>,
    /// Anonymous volumes of the previous container, by their paths.
    pub(crate) inherited: Inheritance,
    /// DNS server to use if the instance names none.
    pub(crate) dns: Option<String>,
}

/// A request to create a container, and the networks to connect it to before its start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Creation {
    pub(crate) name: String,
    pub(crate) platform: String,
    pub(crate) body: ContainerCreateBody,
    /// MAC on the first network, in the form that older engines accept.
    pub(crate) mac: Option<String>,
    pub(crate) connect: Vec<(String, EndpointSettings)>,
}

impl Engine {
    /// Creates a container, connects it to its networks, and returns its id. A container that cannot be connected is
    /// removed again.
    pub(crate) async fn create_container(
        &self,
        instance: &wire::Instance,
        place: &Place,
    ) -> Result<String, EngineError> {
        let creation = creation(instance, place, self.minor()).map_err(EngineError::Unsupported)?;
        let options = CreateContainerOptions { name: Some(creation.name), platform: creation.platform };
        let client = match creation.mac {
            None => self.client()?.clone(),
            Some(mac) => self.client_with_body(with_mac(&creation.body, mac))?,
        };
        let created = self.within(LONG, client.create_container(Some(options), creation.body)).await?;
        for (network, endpoint) in creation.connect {
            let request = NetworkConnectRequest { container: created.id.clone(), endpoint_config: Some(endpoint) };
            if let Err(error) = self.within(SHORT, self.client()?.connect_network(&network, request)).await {
                if let Err(left) = self.remove_container(&created.id).await {
                    tracing::warn!(container = created.id, error = %left, "incomplete container not removed");
                }
                return Err(error);
            }
        }
        Ok(created.id)
    }
}

/// Adds to a request the MAC that API 1.43 and older accept, and that bollard no longer supports.
fn with_mac(body: &ContainerCreateBody, mac: String) -> Vec<u8> {
    let mut body = serde_json::to_value(body).unwrap_or_default();
    body["MacAddress"] = mac.into();
    body.to_string().into_bytes()
}

/// Builds the request for an instance; or returns why this engine cannot create it.
pub(crate) fn creation(instance: &wire::Instance, place: &Place, minor: u32) -> Result<Creation, String> {
    let empty = wire::Container::default();
    let container = instance.container.as_ref().unwrap_or(&empty);
    check_age(container, minor)?;
    let container = &resolved(instance, container, place)?;
    let networks = networks(container, minor)?;
    let body = ContainerCreateBody {
        hostname: non_empty(&container.hostname),
        domainname: non_empty(&container.domainname),
        user: non_empty(&container.user),
        exposed_ports: some(exposed(container)),
        // Compose sets these too: a client that attaches to the container later sees its output.
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(container.tty),
        open_stdin: Some(container.stdin_open),
        env: some(container.environment.clone()),
        cmd: container.command.as_ref().map(|list| list.values.clone()),
        healthcheck: container.healthcheck.as_ref().map(health),
        image: Some(place.image.clone()),
        working_dir: non_empty(&container.working_dir),
        // An empty entry point means none at all, which the engine writes as one empty string.
        entrypoint: container
            .entrypoint
            .as_ref()
            .map(|list| if list.values.is_empty() { vec![String::new()] } else { list.values.clone() }),
        labels: Some(labels(instance, container, place)),
        stop_signal: non_empty(&container.stop_signal),
        stop_timeout: container.stop_grace_seconds.map(i64::from),
        host_config: Some(host_config(container, place, networks.mode, minor)?),
        networking_config: some(networks.first).map(|endpoints| NetworkingConfig { endpoints_config: Some(endpoints) }),
        ..ContainerCreateBody::default()
    };
    let (name, platform) = (place.name.clone(), container.platform.clone());
    Ok(Creation { name, platform, body, mac: networks.mac, connect: networks.later })
}

/// Replaces the services that the container shares something with by their containers.
fn resolved(instance: &wire::Instance, container: &wire::Container, place: &Place) -> Result<wire::Container, String> {
    let name = wire::instance_name(instance);
    let mut container = container.clone();
    let modes = [&mut container.network_mode, &mut container.pid_mode, &mut container.ipc_mode];
    for text in modes.into_iter().chain(&mut container.volumes_from) {
        let Some(service) = wire::service_of(text) else { continue };
        let partner = partner(&name, service, place.partners.keys()).and_then(|it| place.partners.get(it));
        let id = partner.ok_or_else(|| {
            format!("the service {service}, which it shares a namespace or volumes with, has no container on this host")
        })?;
        *text = text.replacen(&format!("service:{service}"), &format!("container:{id}"), 1);
    }
    // The engine expects the container alone where it accepts only containers.
    for from in &mut container.volumes_from {
        *from = from.trim_start_matches("container:").to_owned();
    }
    Ok(container)
}

/// Refuses what older engines would ignore silently.
fn check_age(container: &wire::Container, minor: u32) -> Result<(), String> {
    let interval = container.healthcheck.as_ref().is_some_and(|check| check.start_interval != 0);
    for (asked, since, what) in [
        (interval, START_INTERVALS, "healthcheck.start_interval needs Docker Engine 25 or newer"),
        (!container.annotations.is_empty(), ANNOTATIONS, "annotations need Docker Engine 24 or newer"),
    ] {
        if asked && minor < since {
            return Err(what.to_owned());
        }
    }
    Ok(())
}

struct Networks {
    mode: Option<String>,
    mac: Option<String>,
    first: HashMap<String, EndpointSettings>,
    later: Vec<(String, EndpointSettings)>,
}

fn networks(container: &wire::Container, minor: u32) -> Result<Networks, String> {
    let attachments = &container.networks;
    // Before API 1.44, only the network that is the container's network mode gets the MAC.
    let first =
        attachments.iter().position(|attachment| !attachment.mac.is_empty() && minor < MANY_NETWORKS).unwrap_or(0);
    let Some(primary) = attachments.get(first) else {
        return Ok(Networks {
            mode: non_empty(&container.network_mode),
            mac: None,
            first: HashMap::new(),
            later: Vec::new(),
        });
    };
    let written = attachments.iter().any(|attachment| attachment.gateway_priority != 0);
    if attachments.iter().any(|it| it.driver_options.contains_key(INTERFACE_NAME)) && minor < INTERFACE_NAMES {
        return Err("interface_name needs Docker Engine 28.1 or newer".to_owned());
    }
    if written && minor < GATEWAY_PRIORITIES {
        return Err("gw_priority needs Docker Engine 28 or newer".to_owned());
    }
    let endpoints = attachments.iter().map(|attachment| {
        let mut settings = endpoint(attachment, &container.name);
        settings.gw_priority = number(attachment.gateway_priority);
        if minor < MANY_NETWORKS {
            settings.mac_address = None;
        }
        (attachment.network.clone(), settings)
    });
    let mode = Some(primary.network.clone());
    if minor >= MANY_NETWORKS {
        return Ok(Networks { mode, mac: None, first: endpoints.collect(), later: Vec::new() });
    }
    if attachments.iter().filter(|attachment| !attachment.mac.is_empty()).count() > 1 {
        let names: Vec<&str> = attachments.iter().map(|attachment| attachment.network.as_str()).collect();
        let needed = "a container on several fleet networks needs Docker Engine 25 or newer";
        return Err(format!("the container is attached to {}: {needed}", names.join(", ")));
    }
    let (first, later) = endpoints.partition::<Vec<_>, _>(|(network, _)| *network == primary.network);
    Ok(Networks { mode, mac: non_empty(&primary.mac), first: first.into_iter().collect(), later })
}

fn endpoint(attachment: &wire::Attachment, name: &str) -> EndpointSettings {
    let fixed = [&attachment.address, &attachment.address6].iter().any(|address| !address.is_empty())
        || !attachment.link_local_ips.is_empty();
    EndpointSettings {
        ipam_config: fixed.then(|| EndpointIpamConfig {
            ipv4_address: non_empty(&attachment.address),
            ipv6_address: non_empty(&attachment.address6),
            link_local_ips: some(attachment.link_local_ips.clone()),
        }),
        mac_address: non_empty(&attachment.mac),
        aliases: some(aliases(attachment, name)),
        driver_opts: map(&attachment.driver_options),
        links: some(attachment.links.clone()),
        ..EndpointSettings::default()
    }
}

/// Returns the container's aliases on a network: its own name, and those of the attachment. The engine's default network
/// has no names.
fn aliases(attachment: &wire::Attachment, name: &str) -> Vec<String> {
    let given = &attachment.aliases;
    let own = Some(name).filter(|name| !given.is_empty() && given.iter().all(|alias| alias != name));
    own.into_iter().chain(given.iter().map(String::as_str)).map(str::to_owned).collect()
}

fn labels(instance: &wire::Instance, container: &wire::Container, place: &Place) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = container.labels.clone().into_iter().collect();
    hooks::label(&container.pre_stop, &mut labels);
    anonymous::label(&place.inherited, &mut labels);
    if instance.incarnation != 0 {
        labels.insert(Labels::INCARNATION.to_owned(), instance.incarnation.to_string());
    }
    labels.extend([
        (Labels::FLEET.to_owned(), place.fleet.clone()),
        (Labels::STACK.to_owned(), instance.stack.clone()),
        (Labels::SERVICE.to_owned(), instance.service.clone()),
        (Labels::INDEX.to_owned(), instance.index.to_string()),
        (Labels::DIGEST.to_owned(), instance.digest.clone()),
        (Labels::RELEASE.to_owned(), instance.release.to_string()),
        ("com.docker.compose.config-hash".to_owned(), instance.digest.clone()),
        ("com.docker.compose.depends_on".to_owned(), dependencies(instance)),
    ]);
    labels
}

/// Returns the label from which Compose takes the order of stops and starts: `job:service_completed_successfully:false,…`.
fn dependencies(instance: &wire::Instance) -> String {
    use wire::dependency::Condition;
    let condition = |on: &wire::Dependency| match on.condition() {
        Condition::Unspecified | Condition::Started => "service_started",
        Condition::Healthy => "service_healthy",
        Condition::Completed => "service_completed_successfully",
    };
    let all: Vec<_> = instance.depends_on.iter().map(|on| format!("{}:{}:false", on.service, condition(on))).collect();
    all.join(",")
}

fn exposed(container: &wire::Container) -> Vec<String> {
    let mut ports = container.expose.clone();
    ports.extend(container.ports.iter().map(target));
    ports.sort();
    ports.dedup();
    ports
}

fn target(port: &wire::Port) -> String {
    format!("{}/{}", port.target, if port.protocol.is_empty() { "tcp" } else { &port.protocol })
}

fn bindings(container: &wire::Container) -> PortMap {
    let mut bindings = PortMap::new();
    for port in &container.ports {
        let host_port = match (port.published, port.published_end) {
            (0, _) => String::new(),
            (first, last) if last > first => format!("{first}-{last}"),
            (port, _) => port.to_string(),
        };
        let binding = PortBinding { host_ip: Some(port.address.clone()), host_port: Some(host_port) };
        bindings.entry(target(port)).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

fn health(check: &wire::Healthcheck) -> HealthConfig {
    HealthConfig {
        test: some(check.test.clone()),
        interval: number(check.interval),
        timeout: number(check.timeout),
        retries: number(i64::from(check.retries)),
        start_period: number(check.start_period),
        start_interval: number(check.start_interval),
    }
}

fn host_config(
    container: &wire::Container,
    place: &Place,
    network_mode: Option<String>,
    minor: u32,
) -> Result<HostConfig, String> {
    let (binds, mounts) = mounts::mounts(container, place, minor)?;
    let dns = if container.dns.is_empty() { place.dns.iter().cloned().collect() } else { container.dns.clone() };
    let tmpfs = container.tmpfs.iter().map(|tmpfs| (tmpfs.target.clone(), tmpfs.options.clone())).collect();
    let host = HostConfig {
        binds: some(binds),
        mounts: some(mounts),
        network_mode,
        port_bindings: some(bindings(container)),
        restart_policy: container.restart.as_ref().map(restart).transpose()?,
        log_config: container
            .logging
            .as_ref()
            .map(|logging| HostConfigLogConfig { typ: non_empty(&logging.driver), config: map(&logging.options) }),
        annotations: map(&container.annotations),
        cap_add: some(capabilities(&container.cap_add)),
        cap_drop: some(capabilities(&container.cap_drop)),
        cgroupns_mode: non_empty(&container.cgroup_mode).map(|mode| mode.parse()).transpose()?,
        dns: some(dns),
        dns_options: some(container.dns_options.clone()),
        dns_search: some(container.dns_search.clone()),
        extra_hosts: some(container.extra_hosts.clone()),
        group_add: some(container.group_add.clone()),
        ipc_mode: non_empty(&container.ipc_mode),
        volumes_from: some(container.volumes_from.clone()),
        oom_score_adj: container.oom_score_adj.map(i64::from),
        pid_mode: non_empty(&container.pid_mode),
        privileged: Some(container.privileged),
        readonly_rootfs: Some(container.read_only),
        security_opt: some(container.security_opt.clone()),
        // An empty list differs from no list, which means the engine's own choice.
        masked_paths: container.unconfined_paths.then(Vec::new),
        readonly_paths: container.unconfined_paths.then(Vec::new),
        storage_opt: map(&container.storage_options),
        tmpfs: some(tmpfs),
        uts_mode: non_empty(&container.uts_mode),
        userns_mode: non_empty(&container.userns_mode),
        shm_size: container.shm_size,
        sysctls: map(&container.sysctls),
        runtime: non_empty(&container.runtime),
        init: container.init,
        ..HostConfig::default()
    };
    Ok(with_resources(host, container))
}

fn with_resources(host: HostConfig, container: &wire::Container) -> HostConfig {
    let resources = container.resources.clone().unwrap_or_default();
    HostConfig {
        nano_cpus: number(resources.nano_cpus),
        memory: number(resources.memory),
        memory_reservation: number(resources.memory_reservation),
        memory_swap: number(resources.memory_swap),
        memory_swappiness: resources.memory_swappiness,
        pids_limit: number(resources.pids),
        cpu_shares: number(resources.cpu_shares),
        cpu_quota: number(resources.cpu_quota),
        cpu_period: number(resources.cpu_period),
        cpu_realtime_period: number(resources.cpu_rt_period),
        cpu_realtime_runtime: number(resources.cpu_rt_runtime),
        cpuset_cpus: non_empty(&resources.cpuset),
        blkio_weight: u16::try_from(resources.blkio_weight).ok().filter(|weight| *weight != 0),
        blkio_weight_device: some(resources.blkio_weight_devices.iter().map(weight).collect()),
        blkio_device_read_bps: some(rates(&resources.blkio_read_bps)),
        blkio_device_read_iops: some(rates(&resources.blkio_read_iops)),
        blkio_device_write_bps: some(rates(&resources.blkio_write_bps)),
        blkio_device_write_iops: some(rates(&resources.blkio_write_iops)),
        cgroup_parent: non_empty(&container.cgroup_parent),
        oom_kill_disable: container.oom_kill_disable.then_some(true),
        device_cgroup_rules: some(container.device_cgroup_rules.clone()),
        devices: some(container.devices.iter().map(device).collect()),
        device_requests: some(container.gpus.iter().map(device_request).collect()),
        ulimits: some(container.ulimits.iter().map(ulimit).collect()),
        ..host
    }
}

/// Returns capabilities as the engine's own client writes them: in order, each once, with `net_raw` as `CAP_NET_RAW`. `ALL`
/// replaces all others.
fn capabilities(written: &[String]) -> Vec<String> {
    let full = |name: &String| match name.to_uppercase() {
        name if name == "ALL" || name.starts_with("CAP_") => name,
        name => format!("CAP_{name}"),
    };
    let names: BTreeSet<String> = written.iter().map(full).collect();
    if names.contains("ALL") { vec!["ALL".to_owned()] } else { names.into_iter().collect() }
}

fn weight(limit: &wire::DeviceLimit) -> ResourcesBlkioWeightDevice {
    ResourcesBlkioWeightDevice { path: non_empty(&limit.path), weight: usize::try_from(limit.value).ok() }
}

fn rates(limits: &[wire::DeviceLimit]) -> Vec<ThrottleDevice> {
    let rate = |limit: &wire::DeviceLimit| ThrottleDevice {
        path: non_empty(&limit.path),
        rate: i64::try_from(limit.value).ok(),
    };
    limits.iter().map(rate).collect()
}

fn restart(restart: &wire::RestartPolicy) -> Result<RestartPolicy, String> {
    let attempts = i64::from(restart.max_attempts);
    Ok(RestartPolicy {
        name: Some(restart.policy.parse()?),
        maximum_retry_count: (restart.policy == "on-failure" && attempts > 0).then_some(attempts),
    })
}

fn device(device: &wire::Device) -> DeviceMapping {
    let permissions = if device.permissions.is_empty() { "rwm" } else { &device.permissions };
    DeviceMapping {
        path_on_host: non_empty(&device.host),
        path_in_container: non_empty(if device.container.is_empty() { &device.host } else { &device.container }),
        cgroup_permissions: Some(permissions.to_owned()),
    }
}

fn device_request(request: &wire::DeviceRequest) -> DeviceRequest {
    DeviceRequest {
        driver: non_empty(&request.driver),
        count: number(request.count),
        device_ids: some(request.device_ids.clone()),
        capabilities: Some(vec![request.capabilities.clone()]),
        options: map(&request.options),
    }
}

fn ulimit(ulimit: &wire::Ulimit) -> ResourcesUlimits {
    ResourcesUlimits { name: non_empty(&ulimit.name), soft: Some(ulimit.soft), hard: Some(ulimit.hard) }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(number: i64) -> Option<i64> {
    (number != 0).then_some(number)
}

fn map(map: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!map.is_empty()).then(|| map.clone().into_iter().collect())
}

/// Returns `None` for an empty value, so that the engine or the image chooses.
fn some<T>(all: T) -> Option<T>
where
    for<'a> &'a T: IntoIterator,
{
    let any = (&all).into_iter().next().is_some();
    any.then_some(all)
}

#[cfg(test)]
mod tests;
