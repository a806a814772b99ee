//! Values that a container is created from: field for field `landfast.v1.Container`, which documents each field.
//!
//! The digest of an instance covers the JSON of these types. `apply` leaves a field out of the JSON while it has its default
//! value, so a field that is added later changes no digest and recreates no container. Fields with `skip_apply` are always
//! written.
#![allow(missing_docs)] // The fields are the wire's: host_state.proto says what each one means.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use landfast_compose::model::Contents;

/// What a container is created from.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub image_fingerprint: String,
    pub hostname: String,
    pub domainname: String,
    /// Absent: the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Absent: the image's.
    pub command: Option<Vec<String>>,
    /// `KEY=value`, in key order.
    pub environment: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub user: String,
    pub working_dir: String,
    pub tty: bool,
    pub stdin_open: bool,
    pub read_only: bool,
    pub init: Option<bool>,
    pub privileged: bool,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security_opt: Vec<String>,
    pub sysctls: BTreeMap<String, String>,
    pub ulimits: Vec<Ulimit>,
    pub shm_size: Option<i64>,
    pub devices: Vec<Device>,
    pub group_add: Vec<String>,
    pub pid_mode: String,
    pub ipc_mode: String,
    pub uts_mode: String,
    pub userns_mode: String,
    pub cgroup_mode: String,
    pub cgroup_parent: String,
    /// Empty, `none`, `host`, `service:name` or `container:name`.
    pub network_mode: String,
    pub tmpfs: Vec<Tmpfs>,
    pub mounts: Vec<Mount>,
    pub ports: Vec<Port>,
    pub expose: Vec<String>,
    /// In the order they are connected.
    pub networks: Vec<Attachment>,
    pub extra_hosts: Vec<String>,
    pub dns: Vec<String>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    pub restart: Option<Restart>,
    pub healthcheck: Option<Healthcheck>,
    pub logging: Option<Logging>,
    pub stop_signal: String,
    pub stop_grace_seconds: Option<u32>,
    pub resources: Option<Resources>,
    pub runtime: String,
    pub platform: String,
    pub device_cgroup_rules: Vec<String>,
    pub storage_options: BTreeMap<String, String>,
    pub oom_score_adj: Option<i32>,
    pub oom_kill_disable: bool,
    pub gpus: Vec<DeviceRequest>,
    pub files: Vec<PlacedFile>,
    pub volumes_from: Vec<String>,
    pub post_start: Vec<Hook>,
    pub pre_stop: Vec<Hook>,
    pub unconfined_paths: bool,
}

/// A command that is run inside the container.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    #[serde_with(skip_apply)]
    pub command: Vec<String>,
    pub user: String,
    pub working_dir: String,
    pub environment: Vec<String>,
    pub privileged: bool,
}

/// A file that is put into the container before its start.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedFile {
    #[serde_with(skip_apply)]
    pub target: String,
    #[serde_with(skip_apply)]
    pub contents: Contents,
    #[serde_with(skip_apply)]
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    #[serde_with(skip_apply)]
    pub salt: String,
}

/// A limit of the kernel on a process.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// A device of the host.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub host: String,
    pub container: String,
    pub permissions: String,
}

/// GPUs and their like.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    pub driver: String,
    pub count: i64,
    pub device_ids: Vec<String>,
    pub capabilities: Vec<String>,
    pub options: BTreeMap<String, String>,
}

/// A file system in memory.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    pub target: String,
    pub options: String,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Beneath the stack's live tree; empty for the tree itself.
    Tree(String),
    /// An absolute path on the host.
    Host(String),
    /// A volume, by the engine's name; empty for an anonymous one.
    Volume(String),
    /// A file system in memory; zero for what the engine chooses.
    Memory {
        /// Bytes.
        size: i64,
        /// Of the folder: 0o1777.
        mode: u32,
    },
}

/// A mount.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    #[serde_with(skip_apply)]
    pub source: Source,
    pub target: String,
    pub read_only: bool,
    pub propagation: String,
    pub create: bool,
    pub no_copy: bool,
    pub subpath: String,
    pub relabel: String,
    pub recursive: String,
    pub labels: BTreeMap<String, String>,
}

impl Mount {
    /// With nothing special about it.
    pub fn new(source: Source, target: impl Into<String>) -> Self {
        Self {
            source,
            target: target.into(),
            read_only: false,
            propagation: String::new(),
            create: false,
            no_copy: false,
            subpath: String::new(),
            relabel: String::new(),
            recursive: String::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// A published port.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    pub address: String,
    pub published: u32,
    pub target: u32,
    pub protocol: String,
    /// Several to choose one from, with `published` the first: 0 when there is just the one.
    pub published_end: u32,
}

/// An end on a network.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub network: String,
    pub address: String,
    pub mac: String,
    pub aliases: Vec<String>,
    pub link_local_ips: Vec<String>,
    pub address6: String,
    pub driver_options: BTreeMap<String, String>,
    pub gateway_priority: i64,
    pub links: Vec<String>,
}

/// When the engine starts it again.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// no, always, on-failure, unless-stopped
    pub policy: String,
    pub max_attempts: u32,
}

/// How the engine finds out whether it is well. Times in nanoseconds, 0 for the image's or the engine's.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    pub test: Vec<String>,
    pub interval: i64,
    pub timeout: i64,
    pub start_period: i64,
    pub start_interval: i64,
    pub retries: u32,
}

/// Where output goes.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    pub driver: String,
    pub options: BTreeMap<String, String>,
}

/// Limits and reservations.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    pub nano_cpus: i64,
    pub memory: i64,
    pub memory_reservation: i64,
    pub memory_swap: i64,
    pub pids: i64,
    pub cpu_shares: i64,
    pub cpu_quota: i64,
    pub cpu_period: i64,
    pub cpuset: String,
    pub memory_swappiness: Option<i64>,
    pub cpu_rt_period: i64,
    pub cpu_rt_runtime: i64,
    pub blkio_weight: u32,
    pub blkio_weight_devices: Vec<DeviceLimit>,
    pub blkio_read_bps: Vec<DeviceLimit>,
    pub blkio_read_iops: Vec<DeviceLimit>,
    pub blkio_write_bps: Vec<DeviceLimit>,
    pub blkio_write_iops: Vec<DeviceLimit>,
}

/// A limit on one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimit {
    pub path: String,
    pub value: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
