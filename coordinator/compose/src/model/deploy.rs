//! The `deploy` section of a service.
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::quantity::{Bytes, Nanos};

/// Number of instances, placement, resources and updates of a service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Deploy {
    /// Mode: `replicated`, `global`, `replicated-job` or `global-job`.
    pub mode: Option<String>,
    /// Number of containers of the service.
    pub replicas: Option<u32>,
    /// Labels of the service, not of its containers.
    pub labels: BTreeMap<String, String>,
    /// How a new release replaces the old one.
    pub update_config: Option<UpdateConfig>,
    /// How a rollback replaces the new release.
    pub rollback_config: Option<UpdateConfig>,
    /// Resource limits and reservations.
    pub resources: Resources,
    /// When exited containers are restarted.
    pub restart_policy: Option<RestartPolicy>,
    /// On which hosts instances run.
    pub placement: Placement,
    /// Endpoint mode: `vip` or `dnsrr`.
    pub endpoint_mode: Option<String>,
}

/// How one release replaces another.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UpdateConfig {
    /// Number of instances updated at a time; 0 updates all.
    pub parallelism: Option<u64>,
    /// Pause between two groups of instances.
    pub delay: Option<Nanos>,
    /// Action on failure: `continue`, `pause` or `rollback`.
    pub failure_action: Option<String>,
    /// How long a new instance is monitored.
    pub monitor: Option<Nanos>,
    /// Share of instances that may fail, from 0 to 1.
    pub max_failure_ratio: Option<f64>,
    /// Order: `stop-first` or `start-first`.
    pub order: Option<String>,
}

/// Resource limits and reservations.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Maximum resources.
    pub limits: ResourceSet,
    /// Guaranteed resources.
    pub reservations: ResourceSet,
}

/// An amount of each resource.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResourceSet {
    /// Number of CPUs, with a fraction.
    pub cpus: Option<f64>,
    /// Amount of memory.
    pub memory: Option<Bytes>,
    /// Number of processes.
    pub pids: Option<i64>,
    /// Requested devices, such as GPUs.
    pub devices: Vec<DeviceRequest>,
}

/// When exited containers are restarted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// Condition: `none`, `on-failure` or `any`.
    pub condition: Option<String>,
    /// Pause before a restart.
    pub delay: Option<Nanos>,
    /// Maximum number of restarts.
    pub max_attempts: Option<u64>,
    /// Time after which a restart counts as successful.
    pub window: Option<Nanos>,
}

/// On which hosts instances run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// Constraints as written, such as `node.labels.disk==ssd`.
    pub constraints: Vec<String>,
    /// Labels to spread instances over, such as `spread: node.labels.rack`.
    pub preferences: Vec<BTreeMap<String, String>>,
    /// Maximum number of instances on a host; 0 means no limit.
    pub max_replicas_per_node: u64,
}

/// A request for devices, such as GPUs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    /// Required capabilities.
    pub capabilities: Vec<String>,
    /// Name of the driver.
    pub driver: String,
    /// Number of devices; -1 requests all.
    pub count: i64,
    /// Ids of specific devices.
    pub device_ids: Vec<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}
