//! Parts of a service.
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{ExtraHost, FileReference, scalars};
use crate::quantity::{Bytes, Nanos};

/// The build of an image.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Build {
    /// Absolute path or URL of the build context.
    pub context: String,
    /// Path of the Dockerfile, absolute or relative to the context.
    pub dockerfile: Option<String>,
    /// Contents of the Dockerfile.
    pub dockerfile_inline: Option<String>,
    /// Build arguments. `None` is an argument without a value.
    pub args: BTreeMap<String, Option<String>>,
    /// Additional contexts by name.
    pub additional_contexts: BTreeMap<String, String>,
    /// Images to use as cache.
    pub cache_from: Vec<String>,
    /// Entries of /etc/hosts during the build.
    pub extra_hosts: Vec<ExtraHost>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Network mode of `RUN` steps.
    pub network: Option<String>,
    /// Entitlements that build steps need.
    pub entitlements: Vec<String>,
    /// Whether to build without cache.
    pub no_cache: bool,
    /// Stages to build without cache.
    pub no_cache_filter: Vec<String>,
    /// Platforms to build for.
    pub platforms: Vec<String>,
    /// Whether build steps are privileged.
    pub privileged: bool,
    /// Whether to pull base images again.
    pub pull: bool,
    /// Secrets of the build.
    pub secrets: Vec<FileReference>,
    /// Size of /dev/shm.
    pub shm_size: Option<Bytes>,
    /// Additional tags of the image.
    pub tags: Vec<String>,
    /// SSH agents and keys that build steps may use: `default` or `id=path`.
    pub ssh: Vec<String>,
    /// Stage to build.
    pub target: Option<String>,
    /// Ulimits of build steps by name.
    pub ulimits: BTreeMap<String, Ulimit>,
}

/// Weights and limits of block IO.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BlkioConfig {
    /// Relative weight, from 10 to 1000.
    pub weight: Option<u32>,
    /// Relative weights of single devices.
    pub weight_device: Vec<DeviceWeight>,
    /// Read limits in bytes per second.
    pub device_read_bps: Vec<DeviceRate>,
    /// Read limits in operations per second.
    pub device_read_iops: Vec<DeviceRate>,
    /// Write limits in bytes per second.
    pub device_write_bps: Vec<DeviceRate>,
    /// Write limits in operations per second.
    pub device_write_iops: Vec<DeviceRate>,
}

/// The weight of a device.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeviceWeight {
    /// Path of the device on the host.
    pub path: String,
    /// Relative weight, from 10 to 1000.
    pub weight: u64,
}

/// The rate limit of a device.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeviceRate {
    /// Path of the device on the host.
    pub path: String,
    /// Maximum rate.
    pub rate: Option<Bytes>,
}

/// A dependency of a service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// State of the dependency to wait for.
    pub condition: Condition,
    /// Whether to restart the service when the dependency restarts.
    pub restart: bool,
    /// Whether the dependency must exist.
    pub required: bool,
}

/// The state of a dependency to wait for. The variants are ordered: a later state is reached after the earlier ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Condition {
    /// The container runs.
    #[default]
    #[serde(rename = "service_started")]
    Started,
    /// The health check passes.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// The container exited with status 0.
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

/// A device of the host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Device {
    /// Path on the host, or a CDI name if `target` is the same.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Permissions, such as `rwm`.
    pub permissions: String,
}

/// The health check of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// Test: `CMD …`, `CMD-SHELL …` or `NONE`. When empty, the test of the image applies.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: Option<Nanos>,
    /// Timeout of a check.
    pub timeout: Option<Nanos>,
    /// Number of failures after which the container is unhealthy.
    pub retries: Option<u32>,
    /// Time after the start during which failures do not count.
    pub start_period: Option<Nanos>,
    /// Time between two checks during the start period.
    pub start_interval: Option<Nanos>,
    /// Whether the health check of the image is disabled.
    pub disable: bool,
}

/// A command that runs inside a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// Words of the command.
    pub command: Option<Vec<String>>,
    /// User; the default is that of the container.
    pub user: Option<String>,
    /// Working directory; the default is that of the container.
    pub working_dir: Option<String>,
    /// Variables in addition to those of the container. `None` unsets a variable.
    pub environment: BTreeMap<String, Option<String>>,
    /// Whether the command has all capabilities and devices.
    pub privileged: bool,
}

/// The logging of a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Name of the driver; the default is that of the engine.
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(deserialize_with = "scalars::texts")]
    pub options: BTreeMap<String, String>,
}

/// The restart policy of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Never restarts.
    No,
    /// Restarts whenever the container exits.
    Always,
    /// Restarts after a failure. Holds the maximum number of restarts; 0 means no limit.
    OnFailure(u32),
    /// Restarts unless the container was stopped by a user.
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

/// A resource limit of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// Soft limit, which the process may raise up to the hard limit.
    pub soft: i64,
    /// Hard limit; -1 means no limit.
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
