//! What a stack is once every form of writing it has been reduced to one: the typed project.
//!
//! Nothing here needs interpretation: paths are absolute, sizes are bytes, durations nanoseconds, short forms are long,
//! `extends`, `include`, profiles and variables are gone. Field names are Compose's own; where a field is an `Option`,
//! `None` means that the file does not say.
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::compose::diagnostic::Location;
use crate::compose::quantity::{Bytes, Nanos};

mod read;

/// One Compose project, with only the services that the chosen profiles enable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Lower-case, as the engine's names begin with it.
    pub name: String,
    /// The folder that relative paths started from; absolute.
    pub working_dir: PathBuf,
    /// By service name.
    pub services: BTreeMap<String, Service>,
    /// By key in the file; `Network::name` is the engine's.
    pub networks: BTreeMap<String, Network>,
    /// By key in the file; `Volume::name` is the engine's.
    pub volumes: BTreeMap<String, Volume>,
    /// By key in the file.
    pub secrets: BTreeMap<String, FileObject>,
    /// By key in the file.
    pub configs: BTreeMap<String, FileObject>,
    /// Where each key was written, by dotted path.
    pub locations: Locations,
}

impl Project {
    /// Where the key at this dotted path (`services.web.networks.infra_net.ipv4_address`) was written, or the nearest
    /// key around it that was.
    pub fn locate(&self, path: &str) -> Option<&Location> {
        self.locations.find(path)
    }
}

/// Where each key of a project was written, by dotted path: `services.web.ports.0.published`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Locations(pub BTreeMap<String, Location>);

impl Locations {
    /// The place of this path or, when it was not written (a default), of the nearest key around it.
    pub fn find(&self, path: &str) -> Option<&Location> {
        let mut path = path;
        loop {
            if let Some(location) = self.0.get(path) {
                return Some(location);
            }
            path = &path[..path.rfind('.')?];
        }
    }
}

/// One service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Names and values that are free for users of the engine.
    pub annotations: BTreeMap<String, String>,
    /// Absent for a service with an image alone.
    pub build: Option<Build>,
    /// Relative weight of block IO.
    pub blkio_config: BlkioConfig,
    /// Capabilities beyond the engine's default set.
    pub cap_add: Vec<String>,
    /// Capabilities taken from the engine's default set.
    pub cap_drop: Vec<String>,
    /// `host` or `private`.
    pub cgroup: Option<String>,
    /// Parent cgroup.
    pub cgroup_parent: Option<String>,
    /// `None`: the image's; empty: none.
    pub command: Option<Vec<String>>,
    /// Configs mounted as files.
    pub configs: Vec<FileReference>,
    /// A name of its own instead of `project-service-index`.
    pub container_name: Option<String>,
    /// CFS quota in microseconds a period.
    pub cpu_quota: Option<i64>,
    /// CFS period in microseconds.
    pub cpu_period: Option<i64>,
    /// Real-time period in microseconds.
    pub cpu_rt_period: Option<i64>,
    /// Real-time runtime in microseconds.
    pub cpu_rt_runtime: Option<i64>,
    /// Relative weight of CPU time.
    pub cpu_shares: Option<i64>,
    /// How many CPUs, in fractions.
    pub cpus: Option<f64>,
    /// `0-3` or `0,1`.
    pub cpuset: Option<String>,
    /// By service.
    pub depends_on: BTreeMap<String, Dependency>,
    /// How many, where, how updated.
    pub deploy: Deploy,
    /// Devices of the host.
    pub devices: Vec<Device>,
    /// Rules for device cgroups, as written.
    pub device_cgroup_rules: Vec<String>,
    /// DNS servers.
    pub dns: Vec<String>,
    /// resolv.conf options.
    pub dns_opt: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// NIS domain name.
    pub domainname: Option<String>,
    /// `None`: the image's; empty: none.
    pub entrypoint: Option<Vec<String>>,
    /// Env files and `environment:` together; `None` is a name without a value anywhere: it is not set.
    pub environment: BTreeMap<String, Option<String>>,
    /// `5432` or `5432/tcp`.
    pub expose: Vec<String>,
    /// Containers outside the project, `name[:alias]`.
    pub external_links: Vec<String>,
    /// Lines for /etc/hosts.
    pub extra_hosts: Vec<ExtraHost>,
    /// GPUs asked for beside `deploy.resources.reservations.devices`.
    pub gpus: Vec<DeviceRequest>,
    /// Groups of the process beyond its user's.
    pub group_add: Vec<String>,
    /// How the engine finds out whether it is well.
    pub healthcheck: Option<Healthcheck>,
    /// Host name inside the container.
    pub hostname: Option<String>,
    /// The reference as written; absent for a service that only has `build`.
    pub image: Option<String>,
    /// An init process as PID 1.
    pub init: Option<bool>,
    /// IPC namespace: `host`, `shareable`, `service:x`, …
    pub ipc: Option<String>,
    /// Isolation technology (Windows).
    pub isolation: Option<String>,
    /// Labels of the containers.
    pub labels: BTreeMap<String, String>,
    /// Other services under further names, `service[:alias]`.
    pub links: Vec<String>,
    /// Where its output goes.
    pub logging: Option<Logging>,
    /// MAC address, on the network that comes first.
    pub mac_address: Option<String>,
    /// Hard limit of memory.
    pub mem_limit: Option<Bytes>,
    /// Soft limit of memory.
    pub mem_reservation: Option<Bytes>,
    /// 0 to 100.
    #[serde(deserialize_with = "read::number")]
    pub mem_swappiness: Option<i64>,
    /// Memory and swap together; -1 for no limit.
    pub memswap_limit: Option<Bytes>,
    /// `none`, `host`, `bridge`, `service:x`, `container:x`; when set, `networks` is empty.
    pub network_mode: Option<String>,
    /// By network key; see [`Service::networks_by_priority`] for the order.
    #[serde(deserialize_with = "read::attachments")]
    pub networks: BTreeMap<String, Attachment>,
    /// Never killed when memory runs out.
    pub oom_kill_disable: bool,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// PID namespace: `host`, `service:x`, …
    pub pid: Option<String>,
    /// How many processes; -1 for no limit.
    pub pids_limit: Option<i64>,
    /// `linux/amd64`.
    pub platform: Option<String>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// All capabilities and devices.
    pub privileged: bool,
    /// Profiles that enable the service; none: always enabled.
    pub profiles: Vec<String>,
    /// `always`, `never`, `missing`, `build`, `daily`, `weekly`, `every_…`.
    pub pull_policy: Option<String>,
    /// A root file system that cannot be written.
    pub read_only: bool,
    /// `no`, `always`, `on-failure[:n]`, `unless-stopped`.
    pub restart: Option<Restart>,
    /// OCI runtime.
    pub runtime: Option<String>,
    /// Containers of this service, the older way to say `deploy.replicas`.
    pub scale: Option<u32>,
    /// Secrets mounted as files.
    pub secrets: Vec<FileReference>,
    /// AppArmor, seccomp, no-new-privileges, as written.
    pub security_opt: Vec<String>,
    /// Size of /dev/shm.
    pub shm_size: Option<Bytes>,
    /// An open standard input.
    pub stdin_open: bool,
    /// From stop signal to SIGKILL.
    pub stop_grace_period: Option<Nanos>,
    /// The signal to stop with.
    pub stop_signal: Option<String>,
    /// Options of the storage driver.
    pub storage_opt: BTreeMap<String, String>,
    /// Kernel settings of its namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// The short form; long ones stand in `volumes`.
    pub tmpfs: Vec<Tmpfs>,
    /// A terminal.
    pub tty: bool,
    /// By name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// User namespace: `host`.
    pub userns_mode: Option<String>,
    /// UTS namespace: `host`.
    pub uts: Option<String>,
    /// All mounts but the short form of tmpfs.
    pub volumes: Vec<Mount>,
    /// `service[:ro]` or `container:name[:ro]`, as written.
    pub volumes_from: Vec<String>,
    /// Working directory of the process.
    pub working_dir: Option<String>,
}

impl Service {
    /// How many instances: `deploy.replicas`, `scale`, or one.
    pub fn replicas(&self) -> u32 {
        self.deploy.replicas.or(self.scale).unwrap_or(1)
    }

    /// The networks, the one of the default route first: by priority, then by name.
    pub fn networks_by_priority(&self) -> Vec<(&str, &Attachment)> {
        let mut networks: Vec<_> = self.networks.iter().map(|(key, attachment)| (key.as_str(), attachment)).collect();
        networks.sort_by_key(|(_, attachment)| std::cmp::Reverse(attachment.priority));
        networks
    }
}

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Build {
    /// An absolute folder, or a URL.
    pub context: String,
    /// Relative to the context, or absolute.
    pub dockerfile: Option<String>,
    /// The Dockerfile itself.
    pub dockerfile_inline: Option<String>,
    /// Build arguments; `None`: no value anywhere.
    pub args: BTreeMap<String, Option<String>>,
    /// Further contexts by name.
    pub additional_contexts: BTreeMap<String, String>,
    /// Images to take layers from.
    pub cache_from: Vec<String>,
    /// Lines for /etc/hosts of the build, `name=address`.
    pub extra_hosts: Vec<ExtraHost>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Network mode of `RUN`.
    pub network: Option<String>,
    /// Build every layer anew.
    pub no_cache: bool,
    /// Platforms to build for.
    pub platforms: Vec<String>,
    /// Pull base images anew.
    pub pull: bool,
    /// Secrets of the build.
    pub secrets: Vec<FileReference>,
    /// Size of /dev/shm.
    pub shm_size: Option<Bytes>,
    /// Further names for the image.
    pub tags: Vec<String>,
    /// The stage to stop at.
    pub target: Option<String>,
}

/// Weight of block IO.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BlkioConfig {
    /// 10 to 1000.
    pub weight: Option<u32>,
}

/// What a service waits for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// The state to wait for.
    pub condition: Condition,
    /// Restarted when the dependency is.
    pub restart: bool,
    /// Absent is not an error when false.
    pub required: bool,
}

/// The state of a dependency to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Condition {
    /// Its container runs.
    #[default]
    #[serde(rename = "service_started")]
    Started,
    /// Its health check passes.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// Its container ended with status 0.
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

/// How many, where and how updated.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Deploy {
    /// `replicated`, `global`, `replicated-job`, `global-job`.
    pub mode: Option<String>,
    /// Containers of this service.
    pub replicas: Option<u32>,
    /// Labels of the service, not of its containers.
    pub labels: BTreeMap<String, String>,
    /// How a new release comes in.
    pub update_config: Option<UpdateConfig>,
    /// How the old release comes back.
    pub rollback_config: Option<UpdateConfig>,
    /// Limits and reservations.
    pub resources: Resources,
    /// When ended containers start again.
    pub restart_policy: Option<RestartPolicy>,
    /// On which hosts.
    pub placement: Placement,
    /// `vip` or `dnsrr`.
    pub endpoint_mode: Option<String>,
}

/// How one release replaces another.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UpdateConfig {
    /// Instances at a time; 0 for all.
    pub parallelism: Option<u64>,
    /// Pause between groups.
    pub delay: Option<Nanos>,
    /// `continue`, `pause` or `rollback`.
    pub failure_action: Option<String>,
    /// How long a new instance is watched.
    pub monitor: Option<Nanos>,
    /// 0 to 1.
    pub max_failure_ratio: Option<f64>,
    /// `stop-first` or `start-first`.
    pub order: Option<String>,
}

/// Limits and reservations.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Not to be passed.
    pub limits: ResourceSet,
    /// To be had for certain.
    pub reservations: ResourceSet,
}

/// An amount of each resource.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResourceSet {
    /// In fractions of a CPU.
    pub cpus: Option<f64>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Processes.
    pub pids: Option<i64>,
    /// GPUs and their like.
    pub devices: Vec<DeviceRequest>,
}

/// When ended containers start again.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// `none`, `on-failure`, `any`.
    pub condition: Option<String>,
    /// Pause before a start.
    pub delay: Option<Nanos>,
    /// Starts at most.
    pub max_attempts: Option<u64>,
    /// The time in which attempts are counted.
    pub window: Option<Nanos>,
}

/// On which hosts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// `node.labels.disk==ssd`, as written.
    pub constraints: Vec<String>,
    /// Labels to spread over, `spread: node.labels.rack`.
    pub preferences: Vec<BTreeMap<String, String>>,
    /// On one host; 0 for no limit.
    pub max_replicas_per_node: u64,
}

/// A device of the host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Device {
    /// On the host; or a CDI name, when `target` is the same.
    pub source: String,
    /// In the container.
    pub target: String,
    /// `rwm`.
    pub permissions: String,
}

/// GPUs and their like.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    /// What they must be capable of.
    pub capabilities: Vec<String>,
    /// The driver.
    pub driver: String,
    /// How many; -1 for all.
    pub count: i64,
    /// Certain ones.
    pub device_ids: Vec<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// A line of /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Its address, or `host-gateway`.
    pub address: String,
}

/// A secret or config as a file in a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FileReference {
    /// Its key at the top of the project.
    pub source: String,
    /// Absolute path, or a name beneath `/run/secrets` (secrets) or `/` (configs). Absent: the source's.
    pub target: Option<String>,
    /// Owner, as a number.
    pub uid: Option<String>,
    /// Group, as a number.
    pub gid: Option<String>,
    /// Permission bits.
    #[serde(deserialize_with = "read::mode")]
    pub mode: Option<u32>,
}

/// How the engine finds out whether a container is well.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `CMD …`, `CMD-SHELL …`, `NONE`; empty for the image's.
    pub test: Vec<String>,
    /// Between checks.
    pub interval: Option<Nanos>,
    /// Of one check.
    pub timeout: Option<Nanos>,
    /// Failures until it is unhealthy.
    pub retries: Option<u32>,
    /// Failures do not count within.
    pub start_period: Option<Nanos>,
    /// Between checks within the start period.
    pub start_interval: Option<Nanos>,
    /// The image's check is switched off.
    pub disable: bool,
}

/// Where output goes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Absent: the engine's.
    pub driver: Option<String>,
    /// Of the driver.
    #[serde(deserialize_with = "read::texts")]
    pub options: BTreeMap<String, String>,
}

/// A service on a network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Names on this network beside the service's and the container's.
    pub aliases: Vec<String>,
    /// A static address, as written.
    pub ipv4_address: Option<String>,
    /// A static address, as written.
    pub ipv6_address: Option<String>,
    /// Link-local addresses.
    pub link_local_ips: Vec<String>,
    /// MAC address.
    pub mac_address: Option<String>,
    /// Name of the interface.
    pub interface_name: Option<String>,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// The highest is attached first.
    pub priority: i64,
    /// The highest gives the default route.
    pub gw_priority: i64,
}

/// A published port. A range of containers' ports has become one entry a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Port {
    /// The port in the container.
    pub target: u32,
    /// The address to bind, as written; absent: not said.
    pub host_ip: Option<String>,
    /// Absent: the engine chooses.
    pub published: Option<Published>,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// `ingress` or `host`.
    pub mode: String,
    /// A name for readers.
    pub name: Option<String>,
}

/// The port on the host: one, or several to choose one from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The first.
    pub start: u16,
    /// The last; the same as the first for one.
    pub end: u16,
}

/// When a container starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    No,
    /// Whenever it ends.
    Always,
    /// When it fails; so many times at most, 0 for no limit.
    OnFailure(u32),
    /// Unless somebody stopped it.
    UnlessStopped,
}

/// The short form of a tmpfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// In the container.
    pub target: String,
    /// `size=64m,mode=1777`; empty for none.
    pub options: String,
}

/// A limit of the kernel on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// May be raised by the process, to `hard`.
    pub soft: i64,
    /// -1 for no limit.
    pub hard: i64,
}

/// A mount.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// What is mounted.
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// Absolute path (bind), volume key (volume; absent for an anonymous one), image reference (image).
    pub source: Option<String>,
    /// In the container.
    pub target: String,
    /// Cannot be written.
    pub read_only: bool,
    /// `consistent`, `cached`, `delegated`; without effect on Linux.
    pub consistency: Option<String>,
    /// Of bind mounts.
    pub bind: BindOptions,
    /// Of volumes.
    pub volume: VolumeOptions,
    /// Of tmpfs.
    pub tmpfs: TmpfsOptions,
    /// Of images.
    pub image: ImageOptions,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    #[default]
    Bind,
    /// A volume of the engine.
    Volume,
    /// Memory.
    Tmpfs,
    /// The files of an image.
    Image,
    /// A named pipe (Windows).
    Npipe,
    /// A CSI volume (Swarm).
    Cluster,
}

/// Options of bind mounts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct BindOptions {
    /// `rprivate`, `rshared`, …
    pub propagation: Option<String>,
    /// Make the source a folder when it is not there.
    pub create_host_path: bool,
    /// Relabel: `z` or `Z`.
    pub selinux: Option<String>,
    /// `enabled`, `disabled`, `writable`, `readonly`.
    pub recursive: Option<String>,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self { propagation: None, create_host_path: true, selinux: None, recursive: None }
    }
}

/// Options of mounted volumes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct VolumeOptions {
    /// Do not fill an empty volume from the image.
    pub nocopy: bool,
    /// A path inside the volume.
    pub subpath: Option<String>,
    /// Labels of an anonymous volume.
    pub labels: BTreeMap<String, String>,
}

/// Options of a mounted tmpfs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TmpfsOptions {
    /// Absent: half of memory.
    pub size: Option<Bytes>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// Options of mounted images.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// A path inside the image.
    pub subpath: Option<String>,
}

/// A network of the project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Network {
    /// The engine's name.
    pub name: String,
    /// Absent: the engine's default.
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(deserialize_with = "read::texts")]
    pub driver_opts: BTreeMap<String, String>,
    /// Who hands out addresses.
    pub ipam: Ipam,
    /// Made by somebody else: never made or removed here.
    pub external: bool,
    /// Without a way out.
    pub internal: bool,
    /// Open to containers outside the project.
    pub attachable: bool,
    /// IPv6, when the file says.
    pub enable_ipv6: Option<bool>,
    /// IPv4, when the file says.
    pub enable_ipv4: Option<bool>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Who hands out addresses.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ipam {
    /// Absent: the engine's default.
    pub driver: Option<String>,
    /// One entry a subnet.
    pub config: Vec<IpamPool>,
}

/// A subnet, as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IpamPool {
    /// `172.19.0.0/16`.
    pub subnet: Option<String>,
    /// An address in it.
    pub gateway: Option<String>,
    /// Where addresses are handed out.
    pub ip_range: Option<String>,
    /// Addresses that are taken, by name.
    pub aux_addresses: BTreeMap<String, String>,
}

/// A volume of the project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// The engine's name.
    pub name: String,
    /// Absent: the engine's default.
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(deserialize_with = "read::texts")]
    pub driver_opts: BTreeMap<String, String>,
    /// Made by somebody else: never made or removed here.
    pub external: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A secret or a config: something that becomes a file in containers.
#[derive(Debug, Clone, PartialEq)]
pub struct FileObject {
    /// Its name, the project's before it unless the file gives one.
    pub name: String,
    /// Where its contents are.
    pub origin: Origin,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Where the contents of a secret or config are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file; absolute path.
    File(PathBuf),
    /// In this variable of the environment the project is loaded in.
    Environment(String),
    /// In the compose file itself (configs only).
    Inline(String),
    /// With somebody else.
    External,
}
