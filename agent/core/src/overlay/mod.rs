//! Decides how a network that spans hosts is programmed on this one.
//!
//! The engine makes the bridge. Into it goes a VXLAN device, and three tables say where everything is that is elsewhere:
//! the bridge's neighbours (address > MAC, so that the bridge answers ARP itself), the bridge's forwarding table (MAC >
//! the VXLAN device) and the device's own (MAC > host). Nothing is learned and nothing is flooded: what is in no table
//! leaves the host under no circumstances. The tables are always diffed as a whole, so that no row outlives its reason.

mod mac;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

pub use mac::{InvalidMac, Mac};

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

/// One change. All of one network: whoever carries it out knows the bridge and the device by [`Desired::bridge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Delete the VXLAN device, and with it the rows that lead to it.
    RemoveDevice,
    /// Make the VXLAN device, not learning, on [`PORT`].
    CreateDevice {
        /// Of the network.
        vni: u32,
        /// The address it sends from.
        local: Ipv4Addr,
    },
    /// Set the device's MTU.
    SetDeviceMtu(u32),
    /// Make the device a port of the bridge.
    Attach,
    /// Make it a port that is [`PortFlags::OVERLAY`].
    SetPort,
    /// Set the device up.
    SetUp,
    /// Set the bridge's own MAC.
    SetBridgeMac(Mac),
    /// Set the bridge's MTU.
    SetBridgeMtu(u32),
    /// Delete a neighbour.
    RemoveNeighbour(Ipv4Addr),
    /// Delete a row of the bridge's forwarding table.
    RemoveForward(Mac),
    /// Delete a row of the device's forwarding table.
    RemoveRemote(Mac, Ipv4Addr),
    /// Add a row to the device's forwarding table.
    AddRemote(Mac, Ipv4Addr),
    /// Put a row into the bridge's forwarding table.
    SetForward(Mac),
    /// Put a permanent neighbour.
    SetNeighbour(Ipv4Addr, Mac),
    /// Tell this host's containers, which may know another MAC for the address and would believe it for most of a minute.
    Announce(Ipv4Addr, Mac),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemoveDevice => write!(f, "remove device"),
            Self::CreateDevice { vni, local } => write!(f, "create device vni {vni} from {local}"),
            Self::SetDeviceMtu(mtu) => write!(f, "set device mtu {mtu}"),
            Self::Attach => write!(f, "attach device"),
            Self::SetPort => write!(f, "set port: no learning, no flood, answer arp"),
            Self::SetUp => write!(f, "set device up"),
            Self::SetBridgeMac(mac) => write!(f, "set bridge mac {mac}"),
            Self::SetBridgeMtu(mtu) => write!(f, "set bridge mtu {mtu}"),
            Self::RemoveNeighbour(address) => write!(f, "remove neighbour {address}"),
            Self::RemoveForward(mac) => write!(f, "remove forward {mac}"),
            Self::RemoveRemote(mac, host) => write!(f, "remove remote {mac} at {host}"),
            Self::AddRemote(mac, host) => write!(f, "add remote {mac} at {host}"),
            Self::SetForward(mac) => write!(f, "set forward {mac}"),
            Self::SetNeighbour(address, mac) => write!(f, "set neighbour {address} is {mac}"),
            Self::Announce(address, mac) => write!(f, "announce {address} is {mac}"),
        }
    }
}

/// The steps from what is to what must be; none when it is so.
///
/// What is stale goes first. Of what is new, the way there comes before the answer to who it is: from the moment that
/// a neighbour is known, it can be reached.
#[must_use]
pub fn diff(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let mut steps = bridge(desired, observed.bridge);
    let device = observed.device.filter(|device| is_right(desired, device));
    if observed.device.is_some() && device.is_none() {
        steps.push(Step::RemoveDevice);
    }
    steps.extend(link(desired, device));

    let wanted = Tables::of(desired);
    // A new device begins with empty tables, and one that was elsewhere has lost the bridge's rows.
    let attached = device.is_some_and(|device| device.attached.is_some());
    let remotes = if device.is_some() { observed.remotes.clone() } else { BTreeSet::new() };
    let forwards = if attached { observed.forwards.clone() } else { BTreeSet::new() };

    let gone = observed.neighbours.keys().filter(|address| !wanted.neighbours.contains_key(address));
    steps.extend(gone.map(|address| Step::RemoveNeighbour(*address)));
    steps.extend(forwards.difference(&wanted.forwards).map(|mac| Step::RemoveForward(*mac)));
    steps.extend(remotes.difference(&wanted.remotes).map(|(mac, host)| Step::RemoveRemote(*mac, *host)));
    steps.extend(wanted.remotes.difference(&remotes).map(|(mac, host)| Step::AddRemote(*mac, *host)));
    steps.extend(wanted.forwards.difference(&forwards).map(|mac| Step::SetForward(*mac)));
    let new = wanted.neighbours.iter().filter(|(address, mac)| observed.neighbours.get(address) != Some(mac));
    steps.extend(new.clone().map(|(address, mac)| Step::SetNeighbour(*address, *mac)));
    // Where the device was not at work, nobody has learned anything from it.
    let news = new.filter(|_| attached);
    steps.extend(news.map(|(address, mac)| Step::Announce(*address, *mac)));
    steps
}

/// What cannot be changed on a device that is there.
fn is_right(desired: &Desired, device: &Device) -> bool {
    device.vni == desired.vni && device.local == Some(desired.local) && device.port == PORT && !device.learning
}

fn bridge(desired: &Desired, observed: Option<Bridge>) -> Vec<Step> {
    let mut steps = Vec::new();
    if observed.map(|bridge| bridge.mac) != Some(desired.mac) {
        steps.push(Step::SetBridgeMac(desired.mac));
    }
    if observed.map(|bridge| bridge.mtu) != Some(desired.mtu) {
        steps.push(Step::SetBridgeMtu(desired.mtu));
    }
    steps
}

/// The device is quiet before it is up: no frame is flooded or learned in between.
fn link(desired: &Desired, device: Option<Device>) -> Vec<Step> {
    let mut steps = Vec::new();
    if device.is_none() {
        steps.push(Step::CreateDevice { vni: desired.vni, local: desired.local });
    }
    if device.map(|device| device.mtu) != Some(desired.mtu) {
        steps.push(Step::SetDeviceMtu(desired.mtu));
    }
    let port = device.and_then(|device| device.attached);
    if port.is_none() {
        steps.push(Step::Attach);
    }
    if port != Some(PortFlags::OVERLAY) {
        steps.push(Step::SetPort);
    }
    if !device.is_some_and(|device| device.up) {
        steps.push(Step::SetUp);
    }
    steps
}

/// The three tables, as the kernel will have them.
struct Tables {
    neighbours: BTreeMap<Ipv4Addr, Mac>,
    forwards: BTreeSet<Mac>,
    remotes: BTreeSet<(Mac, Ipv4Addr)>,
}

impl Tables {
    fn of(desired: &Desired) -> Self {
        let neighbours = || desired.neighbours.values();
        Self {
            neighbours: desired.neighbours.iter().map(|(address, neighbour)| (*address, neighbour.mac)).collect(),
            forwards: neighbours().map(|neighbour| neighbour.mac).collect(),
            remotes: neighbours().map(|neighbour| (neighbour.mac, neighbour.host)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
