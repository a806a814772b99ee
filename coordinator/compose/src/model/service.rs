//! The typed service.
use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Attachment, BlkioConfig, Build, Dependency, Deploy, Device, DeviceRequest, ExtraHost, FileReference, Healthcheck,
    Hook, Logging, Mount, Port, Restart, Tmpfs, Ulimit, network, scalars,
};
use crate::quantity::{Bytes, Nanos};

/// A service of the project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Annotations of the containers.
    pub annotations: BTreeMap<String, String>,
    /// Build of the image; absent if the service only has `image`.
    pub build: Option<Build>,
    /// Weights and limits of block IO.
    pub blkio_config: BlkioConfig,
    /// Capabilities added to the default set of the engine.
    pub cap_add: Vec<String>,
    /// Capabilities removed from the default set of the engine.
    pub cap_drop: Vec<String>,
    /// Cgroup namespace: `host` or `private`.
    pub cgroup: Option<String>,
    /// Parent cgroup.
    pub cgroup_parent: Option<String>,
    /// Command. `None` uses the command of the image; an empty list removes it.
    pub command: Option<Vec<String>>,
    /// Configs mounted as files.
    pub configs: Vec<FileReference>,
    /// Name of the container instead of `project-service-index`.
    pub container_name: Option<String>,
    /// CFS quota in microseconds for each period.
    pub cpu_quota: Option<i64>,
    /// CFS period in microseconds.
    pub cpu_period: Option<i64>,
    /// Real-time period in microseconds.
    pub cpu_rt_period: Option<i64>,
    /// Real-time runtime in microseconds.
    pub cpu_rt_runtime: Option<i64>,
    /// Relative weight of CPU time.
    pub cpu_shares: Option<i64>,
    /// Number of CPUs, with a fraction.
    pub cpus: Option<f64>,
    /// CPUs to use, such as `0-3` or `0,1`.
    pub cpuset: Option<String>,
    /// Dependencies by service.
    pub depends_on: BTreeMap<String, Dependency>,
    /// Number of instances, placement, resources and updates.
    pub deploy: Deploy,
    /// Devices of the host.
    pub devices: Vec<Device>,
    /// Rules for device cgroups, as written.
    pub device_cgroup_rules: Vec<String>,
    /// DNS servers.
    pub dns: Vec<String>,
    /// Options of resolv.conf.
    pub dns_opt: Vec<String>,
    /// DNS search domains.
    pub dns_search: Vec<String>,
    /// NIS domain name.
    pub domainname: Option<String>,
    /// Entrypoint. `None` uses the entrypoint of the image; an empty list removes it.
    pub entrypoint: Option<Vec<String>>,
    /// Variables of env files and `environment`. `None` is a variable without a value, which is not set.
    pub environment: BTreeMap<String, Option<String>>,
    /// Exposed ports, such as `5432` or `5432/tcp`.
    pub expose: Vec<String>,
    /// Containers outside of the project: `name[:alias]`.
    pub external_links: Vec<String>,
    /// Entries of /etc/hosts.
    pub extra_hosts: Vec<ExtraHost>,
    /// Requested GPUs, in addition to `deploy.resources.reservations.devices`.
    pub gpus: Vec<DeviceRequest>,
    /// Additional groups of the process.
    pub group_add: Vec<String>,
    /// Health check of the container.
    pub healthcheck: Option<Healthcheck>,
    /// Host name inside the container.
    pub hostname: Option<String>,
    /// Image reference as written, or `<project>-<service>` for a service that only has `build`.
    pub image: Option<String>,
    /// Whether an init process runs as PID 1.
    pub init: Option<bool>,
    /// IPC namespace, such as `host`, `shareable` or `service:x`.
    pub ipc: Option<String>,
    /// Isolation technology (Windows).
    pub isolation: Option<String>,
    /// Labels of the containers.
    pub labels: BTreeMap<String, String>,
    /// Links to other services: `service[:alias]`.
    pub links: Vec<String>,
    /// Logging of the container.
    pub logging: Option<Logging>,
    /// MAC address on the first network.
    pub mac_address: Option<String>,
    /// Hard memory limit.
    pub mem_limit: Option<Bytes>,
    /// Soft memory limit.
    pub mem_reservation: Option<Bytes>,
    /// Memory swappiness, from 0 to 100.
    #[serde(deserialize_with = "scalars::number")]
    pub mem_swappiness: Option<i64>,
    /// Limit of memory and swap together; -1 means no limit.
    pub memswap_limit: Option<Bytes>,
    /// Network mode: `none`, `host`, `bridge`, `service:x` or `container:x`. If set, `networks` is empty.
    pub network_mode: Option<String>,
    /// Attachments by key of the network. See [`Service::networks_by_priority`] for their order.
    #[serde(deserialize_with = "network::attachments")]
    pub networks: BTreeMap<String, Attachment>,
    /// Whether the OOM killer is disabled.
    pub oom_kill_disable: bool,
    /// OOM score adjustment, from -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// PID namespace, such as `host` or `service:x`.
    pub pid: Option<String>,
    /// Maximum number of processes; -1 means no limit.
    pub pids_limit: Option<i64>,
    /// Platform, such as `linux/amd64`.
    pub platform: Option<String>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Hooks that run inside the container after its start.
    pub post_start: Vec<Hook>,
    /// Hooks that run inside the container before its stop.
    pub pre_stop: Vec<Hook>,
    /// Whether the container has all capabilities and devices.
    pub privileged: bool,
    /// Profiles that enable the service. Without profiles, it is always enabled.
    pub profiles: Vec<String>,
    /// Pull policy: `always`, `never`, `missing`, `build`, `daily`, `weekly` or `every_…`.
    pub pull_policy: Option<String>,
    /// Whether the root file system is read-only.
    pub read_only: bool,
    /// Restart policy: `no`, `always`, `on-failure[:n]` or `unless-stopped`.
    pub restart: Option<Restart>,
    /// Name of the OCI runtime.
    pub runtime: Option<String>,
    /// Number of containers, the older form of `deploy.replicas`.
    pub scale: Option<u32>,
    /// Secrets mounted as files.
    pub secrets: Vec<FileReference>,
    /// Security options as written, such as AppArmor, seccomp and no-new-privileges.
    pub security_opt: Vec<String>,
    /// Size of /dev/shm.
    pub shm_size: Option<Bytes>,
    /// Whether standard input is open.
    pub stdin_open: bool,
    /// Time between the stop signal and SIGKILL.
    pub stop_grace_period: Option<Nanos>,
    /// Signal that stops the container.
    pub stop_signal: Option<String>,
    /// Options of the storage driver.
    pub storage_opt: BTreeMap<String, String>,
    /// Kernel parameters of the container.
    pub sysctls: BTreeMap<String, String>,
    /// Tmpfs mounts in short form. Those in long form are in `volumes`.
    pub tmpfs: Vec<Tmpfs>,
    /// Whether the container has a terminal.
    pub tty: bool,
    /// Ulimits by name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// User of the process: `user[:group]`.
    pub user: Option<String>,
    /// User namespace, such as `host`.
    pub userns_mode: Option<String>,
    /// UTS namespace, such as `host`.
    pub uts: Option<String>,
    /// Mounts, without tmpfs mounts in short form.
    pub volumes: Vec<Mount>,
    /// Sources of further volumes as written: `service[:ro]` or `container:name[:ro]`.
    pub volumes_from: Vec<String>,
    /// Working directory of the process.
    pub working_dir: Option<String>,
}

impl Service {
    /// Number of instances: `deploy.replicas`, `scale`, or one.
    pub fn replicas(&self) -> u32 {
        self.deploy.replicas.or(self.scale).unwrap_or(1)
    }

    /// Returns the networks in the order in which a container is attached to them: by priority, then by name.
    pub fn networks_by_priority(&self) -> Vec<(&str, &Attachment)> {
        let mut networks: Vec<_> = self.networks.iter().map(|(key, attachment)| (key.as_str(), attachment)).collect();
        networks.sort_by_key(|(_, attachment)| std::cmp::Reverse(attachment.priority));
        networks
    }
}
