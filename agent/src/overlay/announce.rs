//! Announces the address of a container on a bridge by an ARP announcement (RFC 5227, section 3), sent as if by the
//! container. Without it the other containers would send to the old MAC for most of a minute.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use landfast_agent_core::overlay::Mac;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::OverlayError;

/// Sends one frame to the ports of the bridge. It never reaches other hosts, because nothing is flooded there.
pub(super) fn announce(bridge: &str, address: Ipv4Addr, mac: Mac) -> Result<(), OverlayError> {
    let failed = |errno: Errno| OverlayError::Announce { address, bridge: bridge.to_owned(), source: errno.into() };
    let link = link_address(bridge).map_err(failed)?;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).map_err(failed)?;
    sendto(socket.as_raw_fd(), &frame(address, mac), &link, MsgFlags::empty()).map(drop).map_err(failed)
}

/// Returns the address to send to on this link, from the list of all links.
fn link_address(name: &str) -> Result<LinkAddr, Errno> {
    let link =
        getifaddrs()?.filter(|link| link.interface_name == name).find_map(|link| Some(*link.address?.as_link_addr()?));
    link.ok_or(Errno::ENODEV)
}

/// Builds a broadcast in which the holder asks for its own address. Nobody answers it, and all who know the address learn
/// the MAC.
fn frame(address: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let (mac, address) = (mac.bytes(), address.octets());
    let ethernet: [&[u8]; 3] = [&[0xff; 6], &mac, &[0x08, 0x06]];
    let request: [&[u8]; 3] = [&[0, 1], &[0x08, 0, 6, 4], &[0, 1]];
    let (sender, target): ([&[u8]; 2], [&[u8]; 2]) = ([&mac, &address], [&[0; 6], &address]);
    [ethernet.concat(), request.concat(), sender.concat(), target.concat()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_a_request_for_one_s_own_address_to_all() {
        let mac = "02:1f:00:02:00:0c".parse().expect("a mac");
        let expected = "ffffffffffff021f0002000c0806 0001080006040001 021f0002000cac13000c 000000000000ac13000c";
        assert_eq!(hex::encode(frame(Ipv4Addr::new(172, 19, 0, 12), mac)), expected.replace(' ', ""));
    }

    #[test]
    fn a_bridge_that_is_not_there_is_named() {
        let mac = "02:1f:00:02:00:0c".parse().expect("a mac");
        let error = announce("lf-none", Ipv4Addr::LOCALHOST, mac).expect_err("refused").to_string();
        assert!(error.contains("lf-none"), "{error}");
    }
}
