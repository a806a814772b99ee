//! Values that a container is created from: field for field `landfast.v1.Container`, which documents each field.
//!
//! The digest of an instance covers the JSON of these types. `apply` leaves a field out of the JSON while it has its default
//! value, so a field that is added later changes no digest and recreates no container. Fields with `skip_apply` are always
//! written.
#![allow(missing_docs)] // The fields are the wire's: host_state.proto says what each one means.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use landfast_agreement::secret;
use serde::{Deserialize, Serialize};
use serde_with::{As, NoneAsEmptyString};

pub use landfast_compose::model::Contents;

/// Configuration that a container is created from.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub image_fingerprint: String,
    pub hostname: String,
    pub domainname: String,
    /// If absent, the value of the image.
    pub entrypoint: Option<Vec<String>>,
    /// If absent, the value of the image.
    pub command: Option<Vec<String>>,
    /// Variables as `KEY=value`, ordered by key.
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
    /// Network mode: empty, `none`, `host`, `service:name` or `container:name`.
    pub network_mode: String,
    pub tmpfs: Vec<Tmpfs>,
    pub mounts: Vec<Mount>,
    pub ports: Vec<Port>,
    pub expose: Vec<String>,
    /// Attachments in the order of connection.
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

/// A command that runs in the container.
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

/// A secret or config that is copied into the container before it starts. Its contents are known only to the run that compiles
/// the stack: they are never stored, and two files are equal if their digests are.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "StoredFile")]
pub struct PlacedFile {
    #[serde_with(skip_apply)]
    pub target: String,
    #[serde_with(skip_apply)]
    #[serde(skip_serializing)]
    pub contents: Option<Contents>,
    pub digest: String,
    #[serde_with(skip_apply)]
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    #[serde_with(skip_apply)]
    pub salt: String,
}

impl PlacedFile {
    /// Creates a file whose contents are known.
    pub fn new(target: String, contents: Contents, salt: String) -> Self {
        let digest = secret::blob_digest(&salt, contents.0.as_bytes()).into();
        Self { target, contents: Some(contents), digest, salt, ..Self::default() }
    }

    /// Whether these are the contents of the file.
    pub fn has(&self, contents: &Contents) -> bool {
        secret::blob_digest(&self.salt, contents.0.as_bytes()).as_str() == self.digest
    }

    /// Returns the secret blob; `None` if the contents are not known here.
    pub fn blob(&self) -> Option<Vec<u8>> {
        Some(secret::blob(&self.salt, self.contents.as_ref()?.0.as_bytes()))
    }
}

impl PartialEq for PlacedFile {
    fn eq(&self, other: &Self) -> bool {
        let Self { target, contents: _, digest, mode, uid, gid, salt } = self;
        (target, digest, mode) == (&other.target, &other.digest, &other.mode)
            && (uid, gid, salt) == (&other.uid, &other.gid, &other.salt)
    }
}

impl Eq for PlacedFile {}

/// A file as it is read. Earlier versions stored the contents and no digest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredFile {
    target: String,
    contents: Option<Contents>,
    digest: String,
    mode: u32,
    uid: u32,
    gid: u32,
    salt: String,
}

impl From<StoredFile> for PlacedFile {
    fn from(stored: StoredFile) -> Self {
        let StoredFile { target, contents, digest, mode, uid, gid, salt } = stored;
        let file = match contents {
            Some(contents) if digest.is_empty() => Self::new(target, contents, salt),
            contents => Self { target, contents, digest, salt, ..Self::default() },
        };
        Self { mode, uid, gid, ..file }
    }
}

/// A kernel limit for processes.
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

/// Request for GPUs or similar devices.
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

/// Source of a mount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Path in the stack's live tree; empty for the tree itself.
    Tree(String),
    /// An absolute path on the host.
    Host(String),
    /// Name of a volume in the engine; empty for an anonymous volume.
    Volume(String),
    /// A file system in memory. Zero values use the defaults of the engine.
    Memory {
        /// Size in bytes.
        size: i64,
        /// Mode of the folder, such as 0o1777.
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
    /// Creates a mount with default options.
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
    /// Last port of a range that starts with `published`; 0 for a single port.
    pub published_end: u32,
}

/// Attachment of the container to a network.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub network: String,
    /// If absent, the engine chooses.
    #[serde(with = "As::<NoneAsEmptyString>")]
    pub address: Option<Ipv4Addr>,
    pub mac: String,
    /// Epoch of an address on a network of the fleet; 0 on other networks.
    pub epoch: u64,
    pub aliases: Vec<String>,
    pub link_local_ips: Vec<String>,
    pub address6: String,
    pub driver_options: BTreeMap<String, String>,
    pub gateway_priority: i64,
    pub links: Vec<String>,
}

/// Restart policy of the engine.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Policy: `no`, `always`, `on-failure` or `unless-stopped`.
    pub policy: String,
    pub max_attempts: u32,
}

/// Health check of the container. Times are in nanoseconds; 0 uses the value of the image or the engine.
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

/// Logging driver and its options.
#[serde_with::apply(_ => #[serde(default, skip_serializing_if = "is_default")])]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    pub driver: String,
    pub options: BTreeMap<String, String>,
}

/// Resource limits and reservations.
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
