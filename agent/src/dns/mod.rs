//! Owns the DNS server on this host's gateway addresses: names of the whole fleet, for the containers here.
//!
//! The engine's own DNS in each container asks it. What the fleet does not know is asked of the host's own server. Only
//! the network itself is answered, never the LAN.

mod answer;
mod forward;
mod framing;
mod listen;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::Ipv4Net;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use listen::Server;

/// What is answered, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    /// In lower case.
    names: BTreeMap<String, Vec<Ipv4Addr>>,
    /// This host's gateway address on each network that spans hosts, and that network's subnet.
    gateways: BTreeMap<Ipv4Addr, Ipv4Net>,
}

impl Zone {
    /// A name that comes several times has all its addresses.
    pub(crate) fn new(
        names: impl IntoIterator<Item = (String, Vec<Ipv4Addr>)>,
        gateways: impl IntoIterator<Item = (Ipv4Addr, Ipv4Net)>,
    ) -> Self {
        let mut zone = Self { names: BTreeMap::new(), gateways: gateways.into_iter().collect() };
        for (name, addresses) in names {
            let known = zone.names.entry(name.to_ascii_lowercase()).or_default();
            known.extend(addresses);
            known.sort_unstable();
            known.dedup();
        }
        zone
    }
}

/// How the host is set up; for tests it is otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Ours, and that of the server asked.
    pub(crate) port: u16,
    /// Names the server asked.
    pub(crate) resolv_conf: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: 53, resolv_conf: "/etc/resolv.conf".into() }
    }
}

/// Serves until the zone's sender is gone. A gateway address need not be there yet.
///
/// Cancel safe: dropped, it stops serving.
pub(crate) async fn serve(mut zone: watch::Receiver<Zone>, settings: Settings) {
    let server = Arc::new(Server::new(zone.clone(), settings));
    let mut listening: BTreeMap<Ipv4Addr, AbortOnDropHandle<()>> = BTreeMap::new();
    loop {
        let wanted: BTreeSet<Ipv4Addr> = zone.borrow_and_update().gateways.keys().copied().collect();
        listening.retain(|address, _| wanted.contains(address));
        for address in wanted {
            let listen = || AbortOnDropHandle::new(tokio::spawn(Arc::clone(&server).listen(address)));
            listening.entry(address).or_insert_with(listen);
        }
        if zone.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
