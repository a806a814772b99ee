//! The changes that can be made to an overlay, and how they print.

use std::fmt;
use std::net::Ipv4Addr;

use super::Mac;

/// One change of the overlay of one network. The caller knows the bridge and the device by
/// [`Desired::bridge`](super::Desired::bridge).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Delete the VXLAN device, and with it the rows that lead to it.
    RemoveDevice,
    /// Create the VXLAN device on [`PORT`](super::PORT), without learning.
    CreateDevice {
        /// VXLAN network identifier.
        vni: u32,
        /// Address that the device sends from.
        local: Ipv4Addr,
    },
    /// Set the device's MTU.
    SetDeviceMtu(u32),
    /// Attach the device to the bridge.
    Attach,
    /// Set the device's port flags to [`PortFlags::OVERLAY`](super::PortFlags::OVERLAY).
    SetPort,
    /// Set the device up.
    SetUp,
    /// Set the bridge's MAC.
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
    /// Set a row of the bridge's forwarding table.
    SetForward(Mac),
    /// Set a permanent neighbour.
    SetNeighbour(Ipv4Addr, Mac),
    /// Announce an address to this host's containers, which may have another MAC for it in their caches for most of a
    /// minute.
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
