//! Owns the overlay in the kernel: VXLAN devices, the bridges' ports, neighbours and forwarding tables, over rtnetlink.
//!
//! [`landfast_agent_core::overlay`] decides what must be there; this module only reads and writes it. Where br_netfilter is
//! loaded, bridged frames also pass the FORWARD chain of the host's iptables. Docker accepts there what comes from and goes
//! to the same bridge, which is all that an overlay sends, so no rule is needed.

mod announce;
mod apply;
mod error;
mod events;
mod observe;

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use landfast_agent_core::overlay::{Mac, Observed, Step};
use rtnetlink::Handle;

pub(crate) use error::OverlayError;
pub(crate) use events::events;

/// A connection to the kernel, in the network namespace in which it was opened.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    netlink: Handle,
}

impl Overlay {
    /// Connects to the kernel. Must be called inside a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        let (connection, netlink, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok(Self { netlink })
    }

    /// Observes the overlay on a bridge. Everything is absent if the bridge does not exist yet.
    pub(crate) async fn observe(&self, bridge: &str) -> Result<Observed, OverlayError> {
        observe::observe(&self.netlink, bridge).await
    }

    /// Carries out one step on the overlay of a bridge.
    pub(crate) async fn apply(&self, bridge: &str, step: &Step) -> Result<(), OverlayError> {
        apply::apply(&self.netlink, bridge, *step).await
    }

    /// Announces to the containers on a bridge that `address` is at `mac` now. It is for an address that has come to this
    /// host; steps of the plan announce those on other hosts.
    pub(crate) fn announce(&self, bridge: &str, address: Ipv4Addr, mac: Mac) -> Result<(), OverlayError> {
        announce::announce(bridge, address, mac)
    }

    /// Removes the VXLAN devices of the fleet whose bridge is not one of these.
    pub(crate) async fn retain(&self, bridges: &BTreeSet<String>) -> Result<(), OverlayError> {
        let keep: BTreeSet<String> = bridges.iter().map(|bridge| device_name(bridge)).collect();
        for (name, index) in observe::our_devices(&self.netlink).await? {
            if !keep.contains(&name) {
                tracing::info!(device = name, "vxlan device without a network removed");
                let removed = self.netlink.link().del(index).execute().await;
                apply::unless_gone(removed).map_err(OverlayError::netlink(format!("remove {name}")))?;
            }
        }
        Ok(())
    }
}

/// Returns the name of a bridge's VXLAN device: `lx-0123456789ab` for `lf-0123456789ab`.
fn device_name(bridge: &str) -> String {
    let rest = bridge.strip_prefix("lf-").unwrap_or(bridge);
    format!("lx-{rest:.12}")
}

#[cfg(test)]
mod tests;
