//! Decides how a network that spans hosts is programmed on this one.
//!
//! The engine makes the bridge. Into it goes a VXLAN device, and three tables say where everything is that is elsewhere:
//! the bridge's neighbours (address > MAC, so that the bridge answers ARP itself), the bridge's forwarding table (MAC >
//! the VXLAN device) and the device's own (MAC > host). Nothing is learned and nothing is flooded: what is in no table
//! leaves the host under no circumstances. The tables are always diffed as a whole, so that no row outlives its reason.

mod diff;
mod mac;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

pub use diff::diff;
pub use mac::{InvalidMac, Mac};
pub use step::Step;

/// The port of VXLAN (RFC 7348, section 8).
pub const PORT: u16 = 4789;

/// What the overlay of one network must be on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The engine's bridge: `lf-` and 12 characters at most.
    pub bridge: String,
    /// Of the network, the same on all hosts.
    pub vni: u32,
    /// This host's address on the LAN.
    pub local: Ipv4Addr,
    /// Of everything inside: bridge, VXLAN device, containers.
    pub mtu: u32,
    /// The bridge's own: that of this host's gateway address.
    pub mac: Mac,
    /// Everything on this network that is elsewhere, by its address.
    pub neighbours: BTreeMap<Ipv4Addr, Neighbour>,
}

/// Something on the network that is on another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its own.
    pub mac: Mac,
    /// The LAN address of the host it is on.
    pub host: Ipv4Addr,
}

/// What the overlay of one network is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The engine's bridge, once it is there.
    pub bridge: Option<Bridge>,
    /// The VXLAN device.
    pub device: Option<Device>,
    /// Permanent neighbours on the bridge. Those that the kernel found by itself are none of ours.
    pub neighbours: BTreeMap<Ipv4Addr, Mac>,
    /// Static rows of the bridge's forwarding table that lead to the device.
    pub forwards: BTreeSet<Mac>,
    /// The device's own forwarding table.
    pub remotes: BTreeSet<(Mac, Ipv4Addr)>,
}

/// The engine's bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Its own.
    pub mac: Mac,
    /// In bytes.
    pub mtu: u32,
}

/// The VXLAN device. What cannot be changed on one is compared too: then it is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its network.
    pub vni: u32,
    /// The address it sends from.
    pub local: Option<Ipv4Addr>,
    /// The UDP port it sends to and listens on.
    pub port: u16,
    /// Whether it takes hosts from frames that arrive.
    pub learning: bool,
    /// In bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is a port of our bridge, and as what kind of port.
    pub attached: Option<PortFlags>,
}

/// How the bridge treats the VXLAN device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortFlags {
    /// Take MACs from frames that arrive.
    pub learning: bool,
    /// Send it frames to unknown MACs.
    pub unicast_flood: bool,
    /// Send it multicast frames.
    pub multicast_flood: bool,
    /// Send it broadcast frames.
    pub broadcast_flood: bool,
    /// Answer ARP for neighbours behind it.
    pub neigh_suppress: bool,
}

impl PortFlags {
    /// Nothing learned, nothing flooded, ARP answered here.
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
