//! Owns the overlay in the kernel: VXLAN devices, the bridges' ports, neighbours and forwarding tables, over rtnetlink.
//!
//! What must be there is decided by [`landfast_agent_core::overlay`]; here it is read and written, and nothing more.
//! Bridged frames also pass the host's iptables FORWARD chain where br_netfilter is loaded. There Docker itself accepts
//! what comes from and goes to one bridge, which is all that an overlay does, so no rule is needed from us.

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

/// A connection to the kernel, in the network namespace it was opened in.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    netlink: Handle,
}

impl Overlay {
    /// Connects; inside a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        let (connection, netlink, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok(Self { netlink })
    }

    /// What is there of the overlay on this bridge; all absent where the bridge is not there yet.
    pub(crate) async fn observe(&self, bridge: &str) -> Result<Observed, OverlayError> {
        observe::observe(&self.netlink, bridge).await
    }

    /// Carries out one step on the overlay of this bridge.
    pub(crate) async fn apply(&self, bridge: &str, step: &Step) -> Result<(), OverlayError> {
        apply::apply(&self.netlink, bridge, *step).await
    }

    /// Tells everybody on this bridge, which of others means this host's containers, that `address` is at `mac` now. For
    /// an address that has come here; of those that are elsewhere the steps of a plan tell.
    pub(crate) fn announce(&self, bridge: &str, address: Ipv4Addr, mac: Mac) -> Result<(), OverlayError> {
        announce::announce(bridge, address, mac)
    }

    /// Removes our VXLAN devices whose bridge is none of these.
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

/// Of the VXLAN device in a bridge: `lf-0123456789ab` holds `lx-0123456789ab`.
fn device_name(bridge: &str) -> String {
    let rest = bridge.strip_prefix("lf-").unwrap_or(bridge);
    format!("lx-{rest:.12}")
}

#[cfg(test)]
mod tests;
