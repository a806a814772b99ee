//! Decides how a network that spans hosts is programmed on this host.
//!
//! The engine creates the bridge. A VXLAN device is attached to it, and three tables locate everything that is on other
//! hosts: the bridge's neighbours (address to MAC, so that the bridge answers ARP itself), the bridge's forwarding table
//! (MAC to the VXLAN device) and the device's forwarding table (MAC to host). Nothing is learned and nothing is flooded, so
//! a frame to an address that is in no table never leaves the host. The tables are always compared as a whole, so no row
//! stays longer than it is needed.

mod diff;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

pub use diff::diff;
pub use landfast_agreement::Mac;
pub use landfast_agreement::mac::InvalidMac;
pub use step::Step;

/// UDP port of VXLAN (RFC 7348, section 8).
pub const PORT: u16 = 4789;

/// What the overlay of one network must be on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Name of the engine's bridge: `lf-` and at most 12 characters.
    pub bridge: String,
    /// VXLAN network identifier, the same on all hosts.
    pub vni: u32,
    /// Address of this host on the LAN.
    pub local: Ipv4Addr,
    /// MTU of the bridge, the VXLAN device and the containers.
    pub mtu: u32,
    /// MAC of the bridge: that of this host's gateway address.
    pub mac: Mac,
    /// Everything on this network that is on other hosts, by address.
    pub neighbours: BTreeMap<Ipv4Addr, Neighbour>,
}

/// Something on the network that is on another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// MAC of the neighbour.
    pub mac: Mac,
    /// Address on the LAN of the host that it is on.
    pub host: Ipv4Addr,
}

/// What the overlay of one network is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The engine's bridge, if it exists.
    pub bridge: Option<Bridge>,
    /// The VXLAN device, if it exists.
    pub device: Option<Device>,
    /// Permanent neighbours on the bridge, without those that the kernel found by itself.
    pub neighbours: BTreeMap<Ipv4Addr, Mac>,
    /// MACs of the static rows of the bridge's forwarding table that lead to the device.
    pub forwards: BTreeSet<Mac>,
    /// Rows of the device's own forwarding table.
    pub remotes: BTreeSet<(Mac, Ipv4Addr)>,
}

/// The engine's bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// MAC of the bridge.
    pub mac: Mac,
    /// MTU in bytes.
    pub mtu: u32,
}

/// The VXLAN device. Properties that cannot be changed are compared too: a device that differs in one is created again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// VXLAN network identifier.
    pub vni: u32,
    /// Address that the device sends from.
    pub local: Option<Ipv4Addr>,
    /// UDP port that the device sends to and listens on.
    pub port: u16,
    /// Whether the device learns hosts from frames that arrive.
    pub learning: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// Whether the device is up.
    pub up: bool,
    /// Flags of the device as a port of the network's bridge; `None` if it is not attached to that bridge.
    pub attached: Option<PortFlags>,
}

/// How the bridge treats the VXLAN device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortFlags {
    /// Whether the bridge learns MACs from frames that arrive here.
    pub learning: bool,
    /// Whether the bridge sends frames to unknown MACs here.
    pub unicast_flood: bool,
    /// Whether the bridge sends multicast frames here.
    pub multicast_flood: bool,
    /// Whether the bridge sends broadcast frames here.
    pub broadcast_flood: bool,
    /// Whether the bridge answers ARP for neighbours behind this port.
    pub neigh_suppress: bool,
}

impl PortFlags {
    /// Flags of an overlay's port: nothing is learned or flooded, and the bridge answers ARP.
    pub const OVERLAY: Self = Self {
        learning: false,
        unicast_flood: false,
        multicast_flood: false,
        broadcast_flood: false,
        neigh_suppress: true,
    };
}

#[cfg(test)]
mod tests;
