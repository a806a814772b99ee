//! The changes that can be made to an overlay, and how they print.

use std::fmt;
use std::net::Ipv4Addr;

use super::Mac;

/// One change. All of one network: whoever carries it out knows the bridge and the device by [`Desired::bridge`](super::Desired::bridge).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Delete the VXLAN device, and with it the rows that lead to it.
    RemoveDevice,
    /// Make the VXLAN device, not learning, on [`PORT`](super::PORT).
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
    /// Make it a port that is [`PortFlags::OVERLAY`](super::PortFlags::OVERLAY).
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
