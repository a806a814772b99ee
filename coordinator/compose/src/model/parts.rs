//! What a service is made of.
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{ExtraHost, FileReference, scalars};
use crate::quantity::{Bytes, Nanos};

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
    /// Privileges that steps ask for.
    pub entitlements: Vec<String>,
    /// Build every layer anew.
    pub no_cache: bool,
    /// Build the layers of these stages anew.
    pub no_cache_filter: Vec<String>,
    /// Platforms to build for.
    pub platforms: Vec<String>,
    /// Steps with all privileges.
    pub privileged: bool,
    /// Pull base images anew.
    pub pull: bool,
    /// Secrets of the build.
    pub secrets: Vec<FileReference>,
    /// Size of /dev/shm.
    pub shm_size: Option<Bytes>,
    /// Further names for the image.
    pub tags: Vec<String>,
    /// SSH agents and keys that steps may use: `default`, `id=path`.
    pub ssh: Vec<String>,
    /// The stage to stop at.
    pub target: Option<String>,
    /// Of the steps, by name.
    pub ulimits: BTreeMap<String, Ulimit>,
}

/// Weight of block IO.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BlkioConfig {
    /// 10 to 1000.
    pub weight: Option<u32>,
    /// The same for single devices.
    pub weight_device: Vec<DeviceWeight>,
    /// Bytes a second.
    pub device_read_bps: Vec<DeviceRate>,
    /// Operations a second.
    pub device_read_iops: Vec<DeviceRate>,
    /// Bytes a second.
    pub device_write_bps: Vec<DeviceRate>,
    /// Operations a second.
    pub device_write_iops: Vec<DeviceRate>,
}

/// The weight of one device.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeviceWeight {
    /// On the host.
    pub path: String,
    /// 10 to 1000.
    pub weight: u64,
}

/// What goes through one device a second.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeviceRate {
    /// On the host.
    pub path: String,
    /// At most.
    pub rate: Option<Bytes>,
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

/// The state of a dependency to wait for. In order: a later one holds only if the earlier ones did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// A command that is run inside a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// Its words.
    pub command: Option<Vec<String>>,
    /// Absent: the container's.
    pub user: Option<String>,
    /// Absent: the container's.
    pub working_dir: Option<String>,
    /// Beside the container's own; `None` takes one away.
    pub environment: BTreeMap<String, Option<String>>,
    /// All capabilities and devices.
    pub privileged: bool,
}

/// Where output goes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Absent: the engine's.
    pub driver: Option<String>,
    /// Of the driver.
    #[serde(deserialize_with = "scalars::texts")]
    pub options: BTreeMap<String, String>,
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

impl<'de> Deserialize<'de> for Restart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (policy, attempts) = text.split_once(':').unwrap_or((&text, "0"));
        match (policy, attempts.parse()) {
            ("no", _) => Ok(Self::No),
            ("always", _) => Ok(Self::Always),
            ("on-failure", Ok(attempts)) => Ok(Self::OnFailure(attempts)),
            ("unless-stopped", _) => Ok(Self::UnlessStopped),
            _ => Err(D::Error::custom(format!("`{text}` is not no, always, on-failure or unless-stopped"))),
        }
    }
}

/// A limit of the kernel on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// May be raised by the process, to `hard`.
    pub soft: i64,
    /// -1 for no limit.
    pub hard: i64,
}

impl<'de> Deserialize<'de> for Ulimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Single(i64),
            Pair {
                #[serde(default)]
                soft: i64,
                #[serde(default)]
                hard: i64,
            },
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Single(both) => Self { soft: both, hard: both },
            Form::Pair { soft, hard } => Self { soft, hard },
        })
    }
}
