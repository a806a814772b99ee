//! Reads the overlay of one bridge from the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use futures::TryStreamExt;
use landfast_agent_core::overlay::{Bridge, Device, Mac, Observed, PortFlags};
use rtnetlink::Handle;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};

use super::error::is_absent;
use super::{OverlayError, device_name};

pub(super) async fn observe(netlink: &Handle, bridge: &str) -> Result<Observed, OverlayError> {
    let (bridge_link, device_link) = (link(netlink, bridge).await?, link(netlink, &device_name(bridge)).await?);
    let mut observed = Observed::default();
    if let Some(link) = &bridge_link {
        observed.bridge = mac(link).map(|mac| Bridge { mac, mtu: mtu(link) });
        for message in neighbours(netlink, AddressFamily::Inet).await? {
            observed.neighbours.extend(neighbour(&message, link.header.index));
        }
    }
    if let Some(link) = &device_link {
        let bridge_index = bridge_link.as_ref().map(|link| link.header.index);
        observed.device = Some(device(link, bridge_index));
        (observed.forwards, observed.remotes) = forwarding(netlink, link.header.index).await?;
    }
    Ok(observed)
}

/// Returns the indexes of the VXLAN devices that are named like those of the fleet, by name.
pub(super) async fn our_devices(netlink: &Handle) -> Result<BTreeMap<String, u32>, OverlayError> {
    let links: Vec<_> =
        netlink.link().get().execute().try_collect().await.map_err(OverlayError::netlink("list links".to_owned()))?;
    let ours = |link: &LinkMessage| {
        let name = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) if name.starts_with("lx-") => Some(name.clone()),
            _ => None,
        })?;
        infos(link).any(|info| *info == LinkInfo::Kind(InfoKind::Vxlan)).then_some((name, link.header.index))
    };
    Ok(links.iter().filter_map(ours).collect())
}

/// Returns a link; `None` if there is none with this name.
pub(super) async fn link(netlink: &Handle, name: &str) -> Result<Option<LinkMessage>, OverlayError> {
    match netlink.link().get().match_name(name).execute().try_next().await {
        Err(error) if is_absent(&error) => Ok(None),
        found => found.map_err(OverlayError::netlink(format!("read the link {name}"))),
    }
}

fn device(link: &LinkMessage, bridge: Option<u32>) -> Device {
    let mut device = Device {
        vni: 0,
        local: None,
        port: 0,
        learning: false,
        mtu: mtu(link),
        up: link.header.flags.contains(LinkFlags::Up),
        attached: None,
    };
    for info in infos(link) {
        match info {
            LinkInfo::Data(InfoData::Vxlan(infos)) => infos.iter().for_each(|info| vxlan(info, &mut device)),
            LinkInfo::PortData(InfoPortData::BridgePort(infos)) if controller(link) == bridge => {
                device.attached = Some(port(infos));
            }
            _ => {}
        }
    }
    device
}

fn vxlan(info: &InfoVxlan, device: &mut Device) {
    match info {
        InfoVxlan::Id(vni) => device.vni = *vni,
        InfoVxlan::Local(local) => device.local = Some(*local),
        InfoVxlan::Port(port) => device.port = *port,
        InfoVxlan::Learning(learning) => device.learning = *learning,
        _ => {}
    }
}

fn port(infos: &[InfoBridgePort]) -> PortFlags {
    // A flag that the kernel does not report is not supported, and counts as set the wrong way.
    let mut flags = PortFlags {
        learning: true,
        unicast_flood: true,
        multicast_flood: true,
        broadcast_flood: true,
        neigh_suppress: false,
    };
    for info in infos {
        match info {
            InfoBridgePort::Learning(on) => flags.learning = *on,
            InfoBridgePort::UnicastFlood(on) => flags.unicast_flood = *on,
            InfoBridgePort::MulticastFlood(on) => flags.multicast_flood = *on,
            InfoBridgePort::BroadcastFlood(on) => flags.broadcast_flood = *on,
            InfoBridgePort::NeighSupress(on) => flags.neigh_suppress = *on,
            _ => {}
        }
    }
    flags
}

async fn neighbours(netlink: &Handle, family: AddressFamily) -> Result<Vec<NeighbourMessage>, OverlayError> {
    let listed = netlink.neighbours().get().set_address_family(family).execute().try_collect().await;
    listed.map_err(OverlayError::netlink("list neighbours".to_owned()))
}

/// Returns a permanent neighbour on the bridge; `None` for other messages.
fn neighbour(message: &NeighbourMessage, bridge: u32) -> Option<(Ipv4Addr, Mac)> {
    let ours = message.header.ifindex == bridge && message.header.state == NeighbourState::Permanent;
    let (destination, mac) = (destination(message)?, link_layer(message)?);
    ours.then_some((destination, mac))
}

/// Returns the static rows of the bridge that lead to the device, and the device's own rows.
async fn forwarding(netlink: &Handle, device: u32) -> Result<(BTreeSet<Mac>, BTreeSet<(Mac, Ipv4Addr)>), OverlayError> {
    let (mut forwards, mut remotes) = (BTreeSet::new(), BTreeSet::new());
    for message in neighbours(netlink, AddressFamily::Bridge).await? {
        if message.header.ifindex != device {
            continue;
        }
        let is_device_s_own = message.header.flags.contains(NeighbourFlags::Own);
        if is_device_s_own {
            remotes.extend(link_layer(&message).zip(destination(&message)));
        } else if message.header.state != NeighbourState::Permanent {
            // The permanent row has the device's own MAC.
            forwards.extend(link_layer(&message));
        }
    }
    Ok((forwards, remotes))
}

fn destination(message: &NeighbourMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(*address),
        // Rows of a forwarding table do not report their address family.
        NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
            <[u8; 4]>::try_from(bytes.as_slice()).ok().map(Ipv4Addr::from)
        }
        _ => None,
    })
}

fn link_layer(message: &NeighbourMessage) -> Option<Mac> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => Mac::from_bytes(bytes),
        _ => None,
    })
}

fn infos(link: &LinkMessage) -> impl Iterator<Item = &LinkInfo> {
    link.attributes.iter().flat_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.as_slice(),
        _ => &[],
    })
}

fn mac(link: &LinkMessage) -> Option<Mac> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => Mac::from_bytes(bytes),
        _ => None,
    })
}

fn mtu(link: &LinkMessage) -> u32 {
    let mtu = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    });
    mtu.unwrap_or_default()
}

fn controller(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Controller(index) => Some(*index),
        _ => None,
    })
}
