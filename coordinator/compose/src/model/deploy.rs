//! How many instances, where, with how much, and how they are updated.
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::quantity::{Bytes, Nanos};

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
