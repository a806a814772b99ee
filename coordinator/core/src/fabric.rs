//! What connects the networks of all hosts into one: the addresses of the fleet with their holders, and the names that DNS
//! answers. It is also the ledger of addresses, which every host keeps: what a host that is away holds remains held.
//!
//! Every host holds the same fabric, except for one that has missed a change. In memory, hosts share it. [`crate::ledger`] makes it
//! from the states of the hosts.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::deployment::InstanceName;

/// An address on a network of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Name of the network: `infra_net`.
    pub network: String,
    /// The address: `172.19.0.50`.
    pub ip: Ipv4Addr,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.ip, self.network)
    }
}

/// Where an address is, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Number that grows each time the address moves to another host, and never falls. The MAC is derived from it.
    pub epoch: u64,
    /// LAN address of the host that has the address, or had it last.
    pub host: Ipv4Addr,
    /// Holder of the address.
    pub holder: Holder,
}

/// Holder of an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The bridge of the host.
    Gateway,
    /// An instance.
    Instance(InstanceName),
    /// Nobody: the address was vacated. Its epoch is kept.
    Nobody,
}

impl Endpoint {
    /// Whether the address is in use.
    pub fn is_held(&self) -> bool {
        self.holder != Holder::Nobody
    }

    /// Whether the name of the instance that holds the address is not known, because an earlier version did not record it.
    pub fn is_unnamed(&self) -> bool {
        matches!(&self.holder, Holder::Instance(name) if name.service.is_empty())
    }
}

/// Addresses and names of the fleet. Two fabrics are equal if these are equal, whatever their versions.
#[derive(Debug, Clone, Default)]
pub struct Fabric {
    /// Number of the version, which grows with every change.
    pub version: u64,
    /// All addresses that are or were in use.
    pub endpoints: BTreeMap<Address, Endpoint>,
    /// Addresses by DNS name in lower case.
    pub names: BTreeMap<String, BTreeSet<Ipv4Addr>>,
}

impl PartialEq for Fabric {
    fn eq(&self, other: &Self) -> bool {
        let Self { version: _, endpoints, names } = self;
        (endpoints, names) == (&other.endpoints, &other.names)
    }
}

impl Eq for Fabric {}

impl Fabric {
    /// Returns the epoch that an address has on a host: the same while it stays there, and a greater one after each move.
    pub fn epoch_at(&self, address: &Address, host: Ipv4Addr) -> u64 {
        match self.endpoints.get(address) {
            Some(last) if last.host == host => last.epoch.max(1),
            Some(last) => last.epoch + 1,
            None => 1,
        }
    }

    /// Returns the addresses that are in use on the host with this LAN address.
    pub fn held_at(&self, host: Ipv4Addr) -> impl Iterator<Item = (&Address, &Endpoint)> {
        self.endpoints.iter().filter(move |(_, endpoint)| endpoint.host == host && endpoint.is_held())
    }

    /// Whether the same addresses are in use at the same hosts.
    pub fn same_addresses(&self, other: &Self) -> bool {
        fn held(fabric: &Fabric) -> impl Iterator<Item = (&Address, &Endpoint)> {
            fabric.endpoints.iter().filter(|(_, endpoint)| endpoint.is_held())
        }
        held(self).eq(held(other))
    }
}
