//! Errors of the overlay: the step, and the kernel's reason.

use std::io;
use std::net::Ipv4Addr;

/// Error of changing or observing an overlay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OverlayError {
    #[error("cannot {what}")]
    Netlink { what: String, source: rtnetlink::Error },
    #[error(
        "the kernel does not support VXLAN, which a network that spans hosts needs: load or install the module `vxlan`"
    )]
    NoVxlan { source: rtnetlink::Error },
    #[error(
        "cannot {what}: another VXLAN device on this host has the same VNI and port; find it with `ip -d link show type vxlan` and remove it"
    )]
    VniTaken { what: String, source: rtnetlink::Error },
    #[error("cannot announce {address} on {bridge}")]
    Announce { address: Ipv4Addr, bridge: String, source: io::Error },
    #[error("the network device {0} does not exist")]
    NoDevice(String),
}

const EOPNOTSUPP: i32 = -95;
const EEXIST: i32 = -17;
const ENODEV: i32 = -19;
const ENOENT: i32 = -2;
const EADDRNOTAVAIL: i32 = -99;

impl OverlayError {
    pub(super) fn netlink(what: String) -> impl FnOnce(rtnetlink::Error) -> Self {
        move |source| Self::Netlink { what, source }
    }

    /// Returns a conversion of errors of creating a VXLAN device.
    pub(super) fn creating(what: String) -> impl FnOnce(rtnetlink::Error) -> Self {
        move |source| match code(&source) {
            Some(EOPNOTSUPP) => Self::NoVxlan { source },
            Some(EEXIST) => Self::VniTaken { what, source },
            _ => Self::Netlink { what, source },
        }
    }
}

/// Whether the object of a request does not exist.
pub(super) fn is_absent(error: &rtnetlink::Error) -> bool {
    matches!(code(error), Some(ENODEV | ENOENT | EADDRNOTAVAIL))
}

fn code(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(error) => Some(error.raw_code()),
        _ => None,
    }
}
