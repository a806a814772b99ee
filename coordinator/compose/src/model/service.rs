//! One service.
use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Attachment, BlkioConfig, Build, Dependency, Deploy, Device, DeviceRequest, ExtraHost, FileReference, Healthcheck,
    Hook, Logging, Mount, Port, Restart, Tmpfs, Ulimit, network, scalars,
};
use crate::quantity::{Bytes, Nanos};

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
    /// The reference as written; of a service that only has `build`, `<project>-<service>`.
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
    #[serde(deserialize_with = "scalars::number")]
    pub mem_swappiness: Option<i64>,
    /// Memory and swap together; -1 for no limit.
    pub memswap_limit: Option<Bytes>,
    /// `none`, `host`, `bridge`, `service:x`, `container:x`; when set, `networks` is empty.
    pub network_mode: Option<String>,
    /// By network key; see [`Service::networks_by_priority`] for the order.
    #[serde(deserialize_with = "network::attachments")]
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
    /// Run inside the container after its start.
    pub post_start: Vec<Hook>,
    /// Run inside the container before its stop.
    pub pre_stop: Vec<Hook>,
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

    /// The networks in the order a container is connected to them: by priority, then by name.
    pub fn networks_by_priority(&self) -> Vec<(&str, &Attachment)> {
        let mut networks: Vec<_> = self.networks.iter().map(|(key, attachment)| (key.as_str(), attachment)).collect();
        networks.sort_by_key(|(_, attachment)| std::cmp::Reverse(attachment.priority));
        networks
    }
}
