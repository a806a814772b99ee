//! Compares an overlay with the desired one and lists the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{Bridge, Desired, Device, Mac, Observed, PORT, PortFlags, Step};

/// Returns the steps from what an overlay is to what it must be; empty if they agree.
///
/// Stale rows are removed first. The forwarding rows of a new address are added before its neighbour entry, because it can
/// be reached as soon as that entry exists.
#[must_use]
pub fn diff(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let mut steps = bridge(desired, observed.bridge);
    let device = observed.device.filter(|device| is_right(desired, device));
    if observed.device.is_some() && device.is_none() {
        steps.push(Step::RemoveDevice);
    }
    steps.extend(link(desired, device));

    let wanted = Tables::of(desired);
    // A new device begins with empty tables, and one that was attached elsewhere has lost the bridge's rows.
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
    // While the device was not attached, no container can have learned an address through it.
    let news = new.filter(|_| attached);
    steps.extend(news.map(|(address, mac)| Step::Announce(*address, *mac)));
    steps
}

/// Whether the properties of an existing device that cannot be changed are right.
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

/// The device stops learning and flooding before it is set up, so no frame is flooded or learned in between.
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
