//! `landfast.toml`: the hosts, networks and stacks of one fleet.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;

use crate::environments::EnvFilePattern;
use crate::policy::{Exceptions, Policy};
use landfast_compose::{Diagnostics, Location};

mod check;
mod parse;
mod quote;
mod reader;

/// The hosts, networks and stacks of one `landfast.toml`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fleet {
    /// Name from `[fleet]`.
    pub name: String,
    /// Fleet networks by their names in the engine, such as `infra_net`.
    pub networks: BTreeMap<String, FleetNetwork>,
    /// Hosts by name.
    pub hosts: BTreeMap<String, Host>,
    /// Stacks by name.
    pub stacks: BTreeMap<String, StackConfig>,
    /// Policy of `landfast check`.
    pub check: Policy,
}

impl Fleet {
    /// Returns the fleet network that a compose network refers to, by its name in the engine or by its key.
    pub fn network_of(&self, name: &str, key: &str) -> Option<(&str, &FleetNetwork)> {
        let found = self.networks.get_key_value(name).or_else(|| self.networks.get_key_value(key));
        found.map(|(name, network)| (name.as_str(), network))
    }

    /// Parses `landfast.toml`. `file_name` is used only in messages.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, Diagnostics> {
        let (fleet, mut mistakes) = parse::parse(file_name, text);
        // An invalid host is not a missing host, so checks across keys need a file without other errors.
        if mistakes.is_empty() {
            mistakes = check::check(&fleet);
        }
        mistakes.sort_by(|a, b| a.location.cmp(&b.location));
        if mistakes.is_empty() { Ok(fleet) } else { Err(Diagnostics(mistakes)) }
    }
}

/// A network that spans the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetNetwork {
    /// Subnet of the network.
    pub subnet: Ipv4Net,
    /// Range of automatic addresses, for instances without a written one.
    pub auto: Ipv4Net,
    /// Range of bridge addresses: each host has one, and no instance gets one.
    pub gateways: Ipv4Net,
    /// MTU of the inner network.
    pub mtu: u32,
    /// Location in `landfast.toml`.
    pub location: Location,
}

/// A Linux machine with a Docker Engine and an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Address on the LAN.
    pub address: Ipv4Addr,
    /// Port of the agent.
    pub port: u16,
    /// Labels for placement.
    pub labels: BTreeMap<String, String>,
    /// Location in `landfast.toml`.
    pub location: Location,
}

/// One stack of the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct StackConfig {
    /// Folder of the stack, relative to the folder of `landfast.toml`.
    pub path: PathBuf,
    /// Name of its Compose project on the hosts; if absent, the name that Docker Compose would choose.
    pub project: Option<String>,
    /// Compose files in the folder; if empty, the default file names of Docker Compose.
    pub files: Vec<PathBuf>,
    /// Environment, such as `dev` for `.env.dev`.
    pub env: Option<String>,
    /// Location of `env` in `landfast.toml`.
    pub env_location: Option<Location>,
    /// Env files that replace `.env` and `.env.NAME`. Later files take precedence.
    pub env_files: Vec<NamedEnvFile>,
    /// Enabled profiles.
    pub profiles: Vec<String>,
    /// Placement rules by service, or `*` for services that are not listed.
    pub place: BTreeMap<String, Placement>,
    /// Where ports without an address are bound, by service, or `*` for services that are not listed.
    pub publish: BTreeMap<String, Publish>,
    /// Exceptions from rules of `landfast check`.
    pub exceptions: Exceptions,
    /// Location in `landfast.toml`.
    pub location: Location,
}

/// An env file that `landfast.toml` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEnvFile {
    /// Path relative to the stack's folder, which may contain `{env}`.
    pub pattern: EnvFilePattern,
    /// Location in `landfast.toml`.
    pub location: Location,
}

/// Placement of a service in `landfast.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Rule that decides the hosts.
    pub rule: PlacementRule,
    /// Location in `landfast.toml`.
    pub location: Location,
}

/// Hosts that may run a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlacementRule {
    /// The hosts with these names.
    Hosts(Vec<String>),
    /// The hosts with this label.
    Label {
        /// Key of the label, such as `disk`.
        key: String,
        /// Value of the label, such as `ssd`.
        value: String,
    },
}

/// Where ports without an address are bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Publish {
    /// Address 127.0.0.1.
    #[default]
    Loopback,
    /// Address of the host on the LAN.
    Lan,
    /// All addresses: 0.0.0.0.
    All,
}
