//! What a container is created from, as values: field for field `landfast.v1.Container`, where each field is explained.
//!
//! The digest of an instance is taken over the JSON of these types. So every field is left out of it when it has its
//! default: one that is added later changes no digest, and no container is made again for it.
#![allow(missing_docs)] // The fields are the wire's: host_state.proto says what each one means.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use landfast_compose::model::Contents;

/// What a container is created from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub image: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub image_fingerprint: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub hostname: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub domainname: String,
    /// Absent: the image's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub entrypoint: Option<Vec<String>>,
    /// Absent: the image's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub command: Option<Vec<String>>,
    /// `KEY=value`, in key order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub environment: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub user: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub working_dir: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub tty: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub stdin_open: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub init: Option<bool>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub privileged: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cap_add: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cap_drop: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub security_opt: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub sysctls: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ulimits: Vec<Ulimit>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub shm_size: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub devices: Vec<Device>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub group_add: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub pid_mode: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ipc_mode: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub uts_mode: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub userns_mode: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cgroup_mode: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cgroup_parent: String,
    /// Empty, `none`, `host`, `service:name` or `container:name`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network_mode: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub tmpfs: Vec<Tmpfs>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub mounts: Vec<Mount>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: Vec<Port>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub expose: Vec<String>,
    /// In the order they are connected.
    #[serde(default, skip_serializing_if = "is_default")]
    pub networks: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub extra_hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub dns: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub dns_search: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub dns_options: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: Option<Restart>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub logging: Option<Logging>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop_signal: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop_grace_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Option<Resources>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub runtime: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub platform: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub device_cgroup_rules: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub storage_options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub oom_score_adj: Option<i32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub oom_kill_disable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub gpus: Vec<DeviceRequest>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub files: Vec<PlacedFile>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub volumes_from: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub post_start: Vec<Hook>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub pre_stop: Vec<Hook>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub unconfined_paths: bool,
}

/// A command that is run inside the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub command: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub user: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub working_dir: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub environment: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub privileged: bool,
}

/// A file that is put into the container before its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedFile {
    pub target: String,
    pub contents: Contents,
    pub mode: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub uid: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub gid: u32,
    pub salt: String,
}

/// A limit of the kernel on a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub soft: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub hard: i64,
}

/// A device of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    #[serde(default, skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub container: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub permissions: String,
}

/// GPUs and their like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    #[serde(default, skip_serializing_if = "is_default")]
    pub driver: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub count: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub device_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub capabilities: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: BTreeMap<String, String>,
}

/// A file system in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: String,
    #[serde(default, skip_serializing_if = "is_default")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub source: Source,
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub propagation: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub create: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_copy: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub subpath: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub relabel: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub recursive: String,
    #[serde(default, skip_serializing_if = "is_default")]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    #[serde(default, skip_serializing_if = "is_default")]
    pub address: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub published: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: String,
    /// Several to choose one from, with `published` the first: 0 when there is just the one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub published_end: u32,
}

/// An end on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub address: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub mac: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub link_local_ips: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub address6: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub driver_options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub gateway_priority: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub links: Vec<String>,
}

/// When the engine starts it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// no, always, on-failure, unless-stopped
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_attempts: u32,
}

/// How the engine finds out whether it is well. Times in nanoseconds, 0 for the image's or the engine's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    #[serde(default, skip_serializing_if = "is_default")]
    pub test: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub interval: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub start_period: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub start_interval: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: u32,
}

/// Where output goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    #[serde(default, skip_serializing_if = "is_default")]
    pub driver: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: BTreeMap<String, String>,
}

/// Limits and reservations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    #[serde(default, skip_serializing_if = "is_default")]
    pub nano_cpus: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory_reservation: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory_swap: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub pids: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_shares: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_quota: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_period: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpuset: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory_swappiness: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_rt_period: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_rt_runtime: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub blkio_weight: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub blkio_weight_devices: Vec<DeviceLimit>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub blkio_read_bps: Vec<DeviceLimit>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub blkio_read_iops: Vec<DeviceLimit>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub blkio_write_bps: Vec<DeviceLimit>,
    #[serde(default, skip_serializing_if = "is_default")]
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
