//! Owns the DNS server on this host's gateway addresses. It answers the names of the whole fleet to the containers of this
//! host.
//!
//! The engine's DNS in each container forwards to it, and it forwards what the fleet does not know to the host's own
//! server. It answers only clients on the network itself, never the LAN.

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

/// The names to answer, and the addresses to listen on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Addresses by name, in lower case.
    names: BTreeMap<String, Vec<Ipv4Addr>>,
    /// Gateway address of this host on each network that spans hosts, with that network's subnet.
    gateways: BTreeMap<Ipv4Addr, Ipv4Net>,
}

impl Zone {
    /// Builds a zone. A name that is given several times has all its addresses.
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

/// How the host is set up. Tests use other values.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Port of this server and of the server that it forwards to.
    pub(crate) port: u16,
    /// Path of the `resolv.conf` that names the server to forward to.
    pub(crate) resolv_conf: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: 53, resolv_conf: "/etc/resolv.conf".into() }
    }
}

/// Serves until the sender of the zone is gone. A gateway address need not exist yet.
///
/// Cancel safe: when this is dropped, it stops serving.
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
