//! How a service is reached: its networks, ports and further host names.
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use crate::quantity::scalar_text;

/// A service on a network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Names on this network beside the service's and the container's.
    pub aliases: Vec<String>,
    /// A static address, as written.
    pub ipv4_address: Option<String>,
    /// A static address, as written.
    pub ipv6_address: Option<String>,
    /// Link-local addresses.
    pub link_local_ips: Vec<String>,
    /// MAC address.
    pub mac_address: Option<String>,
    /// Name of the interface.
    pub interface_name: Option<String>,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// The highest is attached first.
    pub priority: i64,
    /// The highest gives the default route.
    pub gw_priority: i64,
}

/// A network without options is null.
pub(crate) fn attachments<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Attachment>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Attachment>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, attachment)| (key, attachment.unwrap_or_default())).collect())
}

/// A published port. A range of containers' ports has become one entry a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Port {
    /// The port in the container.
    pub target: u32,
    /// The address to bind, as written; absent: not said.
    pub host_ip: Option<String>,
    /// Absent: the engine chooses.
    pub published: Option<Published>,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// `ingress` or `host`.
    pub mode: String,
    /// A name for readers.
    pub name: Option<String>,
}

/// The port on the host: one, or several to choose one from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The first.
    pub start: u16,
    /// The last; the same as the first for one.
    pub end: u16,
}

impl<'de> Deserialize<'de> for Published {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar_text(deserializer)?;
        let (start, end) = text.split_once('-').unwrap_or((&text, &text));
        match (start.parse(), end.parse()) {
            (Ok(start), Ok(end)) => Ok(Self { start, end }),
            _ => Err(D::Error::custom(format!("`{text}` is not a port"))),
        }
    }
}

/// A line of /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Its address, or `host-gateway`.
    pub address: String,
}

impl<'de> Deserialize<'de> for ExtraHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (name, address) =
            text.split_once('=').ok_or_else(|| D::Error::custom(format!("`{text}` is not name=address")))?;
        Ok(Self { name: name.to_owned(), address: address.to_owned() })
    }
}
