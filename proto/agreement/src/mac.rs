//! MAC addresses, and the scheme by which an address on a fleet network has one.
//!
//! The MAC of an address is `02:1f:<epoch>:<low 16 bits of the address>`. The epoch grows each time the address moves to
//! another host, so that a forwarding or neighbour entry of an earlier time never matches.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// First bytes of every MAC address on a fleet network.
const PREFIX: [u8; 2] = [0x02, 0x1f];

/// Epoch of the bridge of a host, whose address never moves.
const GATEWAY_EPOCH: u64 = 0;

/// MAC address of one device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// Error of parsing a text that is not a [`Mac`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the MAC address of a device")]
pub struct InvalidMac(String);

impl Mac {
    /// Returns the MAC of an address on a fleet network in an epoch, of which the MAC contains the low 16 bits.
    #[must_use]
    pub fn of(epoch: u64, address: Ipv4Addr) -> Self {
        let ([.., high, low], [.., c, d]) = (epoch.to_be_bytes(), address.octets());
        Self([PREFIX[0], PREFIX[1], high, low, c, d])
    }

    /// Returns the MAC of a host's bridge on a fleet network.
    #[must_use]
    pub fn of_gateway(address: Ipv4Addr) -> Self {
        Self::of(GATEWAY_EPOCH, address)
    }

    /// Returns the epoch in a MAC of a fleet network; `None` for the MAC of another network. Only states of versions that
    /// recorded no epochs are read in this way.
    #[must_use]
    pub fn epoch(self) -> Option<u16> {
        let [a, b, high, low, ..] = self.0;
        ([a, b] == PREFIX).then(|| u16::from_be_bytes([high, low]))
    }

    /// Returns the address from the kernel's bytes; `None` if there are not six.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Returns the bytes for the kernel.
    #[must_use]
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    /// Parses an address such as `02:1f:00:01:00:32`. Group addresses and zero are refused, because no device has them.
    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let invalid = || InvalidMac(text.chars().take(40).collect());
        let byte = |part: &str| match part.len() {
            2 if part.bytes().all(|digit| digit.is_ascii_hexdigit()) => u8::from_str_radix(part, 16).ok(),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        let mac = Self::from_bytes(&bytes.ok_or_else(invalid)?).ok_or_else(invalid)?;
        if mac.0[0] & 1 == 1 || mac.0 == [0; 6] { Err(invalid()) } else { Ok(mac) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_scheme_hold() {
        for (epoch, address, expected) in [
            (1, [172, 19, 0, 50], "02:1f:00:01:00:32"),
            (0x1234, [172, 19, 255, 1], "02:1f:12:34:ff:01"),
            (0xffff, [10, 0, 0, 0], "02:1f:ff:ff:00:00"),
        ] {
            let mac = Mac::of(epoch, Ipv4Addr::from(address));
            assert_eq!(mac.to_string(), expected);
            assert_eq!(mac.epoch().map(u64::from), Some(epoch));
        }
        assert_eq!(Mac::of(0x1_0002, Ipv4Addr::new(172, 19, 0, 50)).to_string(), "02:1f:00:02:00:32");
        assert_eq!(Mac::of_gateway(Ipv4Addr::new(172, 19, 255, 1)).to_string(), "02:1f:00:00:ff:01");
        assert_eq!("02:42:ac:13:00:02".parse::<Mac>().expect("a mac").epoch(), None);
    }

    #[test]
    fn a_mac_is_read_as_it_is_printed() {
        let mac: Mac = "02:1F:00:01:00:32".parse().expect("a mac");
        assert_eq!(mac.to_string(), "02:1f:00:01:00:32");
        assert_eq!(mac.bytes(), [2, 0x1f, 0, 1, 0, 0x32]);
    }

    #[test]
    fn what_is_no_device_s_mac_is_refused() {
        for text in [
            "",
            "02:1f:00:01:00",
            "02:1f:00:01:00:32:01",
            "2:1f:0:1:0:32",
            "02-1f-00-01-00-32",
            "02:1f:00:01:00:+2",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "02:1f:00:01:00:3g",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
