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
    /// `[fleet] name`.
    pub name: String,
    /// By the engine's name: `infra_net`.
    pub networks: BTreeMap<String, FleetNetwork>,
    /// By name.
    pub hosts: BTreeMap<String, Host>,
    /// By name.
    pub stacks: BTreeMap<String, StackConfig>,
    /// What `landfast check` looks for, and how much it matters.
    pub check: Policy,
}

impl Fleet {
    /// The fleet network that a compose network is, by its engine's name or by its key.
    pub fn network_of(&self, name: &str, key: &str) -> Option<(&str, &FleetNetwork)> {
        let found = self.networks.get_key_value(name).or_else(|| self.networks.get_key_value(key));
        found.map(|(name, network)| (name.as_str(), network))
    }

    /// Reads `landfast.toml`; `file_name` is only for messages.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, Diagnostics> {
        let (fleet, mut mistakes) = parse::parse(file_name, text);
        // A host that could not be read is not missing: what keys say together counts once each says something.
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
    /// All of it.
    pub subnet: Ipv4Net,
    /// For instances without an address of their own.
    pub auto: Ipv4Net,
    /// One bridge address a host; never handed out to an instance.
    pub gateways: Ipv4Net,
    /// Of the inner network.
    pub mtu: u32,
    /// Where it was written.
    pub location: Location,
}

/// A Linux box with a Docker Engine and an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// On the LAN.
    pub address: Ipv4Addr,
    /// The agent's.
    pub port: u16,
    /// For placement.
    pub labels: BTreeMap<String, String>,
    /// Where it was written.
    pub location: Location,
}

/// One stack of the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct StackConfig {
    /// Its folder, relative to the one of `landfast.toml`.
    pub path: PathBuf,
    /// Name of its Compose project on the hosts; as Compose would find it when absent.
    pub project: Option<String>,
    /// Compose files in it; empty for Compose's own names.
    pub files: Vec<PathBuf>,
    /// `dev` for `.env.dev`.
    pub env: Option<String>,
    /// Where that was written.
    pub env_location: Option<Location>,
    /// Env files in place of `.env` and `.env.NAME`, in order: later ones win.
    pub env_files: Vec<NamedEnvFile>,
    /// Enabled profiles.
    pub profiles: Vec<String>,
    /// By service, or `*` for those not named.
    pub place: BTreeMap<String, Placement>,
    /// By service, or `*`: where ports without an address are bound.
    pub publish: BTreeMap<String, Publish>,
    /// What `landfast check` lets pass, each with its reason.
    pub exceptions: Exceptions,
    /// Where it was written.
    pub location: Location,
}

/// An env file that `landfast.toml` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEnvFile {
    /// Relative to the stack's folder.
    pub pattern: EnvFilePattern,
    /// Where it was written.
    pub location: Location,
}

/// Where `landfast.toml` puts a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Where.
    pub rule: PlacementRule,
    /// Where it was written.
    pub location: Location,
}

/// Where `landfast.toml` puts a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlacementRule {
    /// On these hosts.
    Hosts(Vec<String>),
    /// On hosts with this label.
    Label {
        /// `disk`
        key: String,
        /// `ssd`
        value: String,
    },
}

/// Where ports without an address are bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Publish {
    /// 127.0.0.1.
    #[default]
    Loopback,
    /// The host's address on the LAN.
    Lan,
    /// 0.0.0.0.
    All,
}
