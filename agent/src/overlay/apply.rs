//! Writes the overlay of one bridge into the kernel, with one message for each step.

use std::net::{IpAddr, Ipv4Addr};

use landfast_agent_core::overlay::{Mac, PORT, Step};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::{Handle, LinkBridgePort, LinkUnspec, LinkVxlan};

use super::announce::announce;
use super::error::is_absent;
use super::observe::link;
use super::{OverlayError, device_name};

pub(super) async fn apply(netlink: &Handle, bridge: &str, step: Step) -> Result<(), OverlayError> {
    let index = |found: Option<LinkMessage>| found.map(|link| link.header.index);
    let writer = Writer {
        netlink,
        step,
        bridge_index: index(link(netlink, bridge).await?),
        device_index: index(link(netlink, &device_name(bridge)).await?),
        bridge,
    };
    writer.carry_out().await
}

/// One step, and the links that it changes.
struct Writer<'a> {
    netlink: &'a Handle,
    step: Step,
    bridge: &'a str,
    bridge_index: Option<u32>,
    device_index: Option<u32>,
}

impl Writer<'_> {
    async fn carry_out(&self) -> Result<(), OverlayError> {
        let link = LinkUnspec::new_with_index;
        match self.step {
            Step::CreateDevice { vni, local } => self.create(vni, local).await,
            Step::RemoveDevice => self.remove_device().await,
            Step::SetDeviceMtu(mtu) => self.change(link(self.device()?).mtu(mtu).build()).await,
            Step::Attach => self.change(link(self.device()?).controller(self.bridge()?).build()).await,
            Step::SetPort => self.set_port(self.device()?).await,
            Step::SetUp => self.change(link(self.device()?).up().build()).await,
            Step::SetBridgeMac(mac) => self.change(link(self.bridge()?).address(mac.bytes().to_vec()).build()).await,
            Step::SetBridgeMtu(mtu) => self.change(link(self.bridge()?).mtu(mtu).build()).await,
            Step::RemoveNeighbour(address) => self.remove(neighbour(self.bridge()?, address)).await,
            Step::RemoveForward(mac) => self.remove(forward(self.device()?, mac)).await,
            Step::RemoveRemote(mac, host) => self.remove(remote(self.device()?, mac, host)).await,
            Step::AddRemote(mac, host) => self.add_remote(self.device()?, mac, host).await,
            Step::SetForward(mac) => self.set_forward(self.device()?, mac).await,
            Step::SetNeighbour(address, mac) => self.set_neighbour(self.bridge()?, address, mac).await,
            Step::Announce(address, mac) => announce(self.bridge, address, mac),
        }
    }

    fn bridge(&self) -> Result<u32, OverlayError> {
        self.bridge_index.ok_or_else(|| OverlayError::NoDevice(self.bridge.to_owned()))
    }

    fn device(&self) -> Result<u32, OverlayError> {
        self.device_index.ok_or_else(|| OverlayError::NoDevice(device_name(self.bridge)))
    }

    async fn create(&self, vni: u32, local: Ipv4Addr) -> Result<(), OverlayError> {
        let message = LinkVxlan::new(&device_name(self.bridge), vni).local(local).port(PORT).learning(false).build();
        let created = self.netlink.link().add(message).execute().await;
        created.map_err(OverlayError::creating(self.step.to_string()))
    }

    async fn remove_device(&self) -> Result<(), OverlayError> {
        let Some(device) = self.device_index else { return Ok(()) };
        self.done(unless_gone(self.netlink.link().del(device).execute().await))
    }

    async fn set_port(&self, device: u32) -> Result<(), OverlayError> {
        let port = LinkBridgePort::new(device).learning(false).flood(false).mcast_flood(false).bcast_flood(false);
        self.done(self.netlink.link().set_port(port.neigh_suppress(true).build()).execute().await)
    }

    async fn add_remote(&self, device: u32, mac: Mac, host: Ipv4Addr) -> Result<(), OverlayError> {
        let add = self.netlink.neighbours().add_bridge(device, &mac.bytes()).destination(IpAddr::V4(host));
        self.done(add.flags(NeighbourFlags::Own).state(NeighbourState::Permanent).replace().execute().await)
    }

    async fn set_forward(&self, device: u32, mac: Mac) -> Result<(), OverlayError> {
        let add = self.netlink.neighbours().add_bridge(device, &mac.bytes());
        self.done(add.flags(NeighbourFlags::Controller).state(NeighbourState::Noarp).replace().execute().await)
    }

    async fn set_neighbour(&self, bridge: u32, address: Ipv4Addr, mac: Mac) -> Result<(), OverlayError> {
        let add = self.netlink.neighbours().add(bridge, IpAddr::V4(address)).link_layer_address(&mac.bytes());
        self.done(add.state(NeighbourState::Permanent).replace().execute().await)
    }

    async fn change(&self, message: LinkMessage) -> Result<(), OverlayError> {
        self.done(self.netlink.link().change(message).execute().await)
    }

    async fn remove(&self, message: NeighbourMessage) -> Result<(), OverlayError> {
        self.done(unless_gone(self.netlink.neighbours().del(message).execute().await))
    }

    fn done(&self, answer: Result<(), rtnetlink::Error>) -> Result<(), OverlayError> {
        answer.map_err(OverlayError::netlink(self.step.to_string()))
    }
}

/// Accepts that something to remove is gone already.
pub(super) fn unless_gone(removed: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match removed {
        Err(error) if is_absent(&error) => Ok(()),
        removed => removed,
    }
}

fn neighbour(bridge: u32, address: Ipv4Addr) -> NeighbourMessage {
    let destination = NeighbourAttribute::Destination(NeighbourAddress::Inet(address));
    row(AddressFamily::Inet, bridge, NeighbourFlags::empty(), vec![destination])
}

fn forward(device: u32, mac: Mac) -> NeighbourMessage {
    row(AddressFamily::Bridge, device, NeighbourFlags::Controller, vec![link_layer(mac)])
}

fn remote(device: u32, mac: Mac, host: Ipv4Addr) -> NeighbourMessage {
    let host = NeighbourAttribute::Destination(NeighbourAddress::Inet(host));
    row(AddressFamily::Bridge, device, NeighbourFlags::Own, vec![link_layer(mac), host])
}

fn link_layer(mac: Mac) -> NeighbourAttribute {
    NeighbourAttribute::LinkLayerAddress(mac.bytes().to_vec())
}

/// Builds the message that names a row of a table, to remove the row.
fn row(
    family: AddressFamily,
    index: u32,
    flags: NeighbourFlags,
    attributes: Vec<NeighbourAttribute>,
) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family;
    message.header.ifindex = index;
    message.header.flags = flags;
    message.attributes = attributes;
    message
}
