//! MAC addresses, as text and as bytes.

use std::fmt;
use std::str::FromStr;

/// MAC address of one device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// Error of parsing a text that is not a [`Mac`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the MAC address of a device")]
pub struct InvalidMac(String);

impl Mac {
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
