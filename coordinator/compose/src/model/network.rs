//! Networks, ports and extra hosts of a service.
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use crate::quantity::scalar_text;

/// The attachment of a service to a network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Names on this network, in addition to those of the service and the container.
    pub aliases: Vec<String>,
    /// Static IPv4 address, as written.
    pub ipv4_address: Option<String>,
    /// Static IPv6 address, as written.
    pub ipv6_address: Option<String>,
    /// Link-local addresses.
    pub link_local_ips: Vec<String>,
    /// MAC address.
    pub mac_address: Option<String>,
    /// Name of the interface.
    pub interface_name: Option<String>,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// Priority. The network with the highest one is attached first.
    pub priority: i64,
    /// Gateway priority. The network with the highest one provides the default route.
    pub gw_priority: i64,
}

/// Deserializes networks. A network without options is null.
pub(crate) fn attachments<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Attachment>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Attachment>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, attachment)| (key, attachment.unwrap_or_default())).collect())
}

/// A published port. A range of container ports is expanded to one entry for each port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Port of the container.
    pub target: u32,
    /// Address to bind on the host, as written.
    pub host_ip: Option<String>,
    /// Port of the host. By default, the engine chooses one.
    pub published: Option<Published>,
    /// Protocol: `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Mode: `ingress` or `host`.
    pub mode: String,
    /// Name, for documentation.
    pub name: Option<String>,
}

/// A port of the host, or a range from which the engine chooses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// First port.
    pub start: u16,
    /// Last port, which is included.
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

/// An entry of /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// Name of the host.
    pub name: String,
    /// Address of the host, or `host-gateway`.
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
