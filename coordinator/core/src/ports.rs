//! Ports of a host: the default address of a published port, and which ports exclude each other.
use crate::container::Port;

/// Address that a published port is bound to by default.
pub(crate) const LOOPBACK: &str = "127.0.0.1";

/// Whether one host cannot publish both ports: they have the same fixed number and protocol, and overlapping addresses.
pub(crate) fn overlap(a: &Port, b: &Port) -> bool {
    let fixed = |port: &Port| port.published != 0 && port.published_end == 0;
    let meet = a.address == b.address || is_any(&a.address) || is_any(&b.address);
    fixed(a) && fixed(b) && a.published == b.published && a.protocol == b.protocol && meet
}

/// Whether an address means all addresses of the host.
pub(crate) fn is_any(address: &str) -> bool {
    matches!(address, "" | "0.0.0.0" | "::" | "[::]")
}
