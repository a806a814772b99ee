//! Addresses of published ports in a plan. A port that `landfast.toml` does not open is bound to loopback, and the plan says
//! so before users look for it on the LAN.
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::container::Port;
use crate::deployment::{BoundBy, InstanceName};
use crate::ports::LOOPBACK;

/// A published port of a container that a step creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Address of the host that the port is bound to.
    pub address: String,
    /// Port of the host: `8080`, `8000-8010` for one port of the range, `0` for any free port.
    pub published: String,
    /// Port in the container.
    pub target: u32,
    /// Protocol: `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// What decided the address.
    pub by: BoundBy,
}

impl Published {
    fn is_printed(&self) -> bool {
        match self.by {
            BoundBy::Default => true,
            BoundBy::Publish => self.address != LOOPBACK,
            BoundBy::ComposeFile => false,
        }
    }

    pub(super) fn of(port: &Port, by: BoundBy) -> Self {
        let published = match port.published_end {
            0 => port.published.to_string(),
            end => format!("{}-{end}", port.published),
        };
        let (address, protocol) = (port.address.clone(), port.protocol.clone());
        Self { address, published, target: port.target, protocol, by }
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.published.as_str() {
            "0" => write!(f, "a free port for {}", self.target)?,
            published => write!(f, "{published}")?,
        }
        if self.protocol == "tcp" { Ok(()) } else { write!(f, "/{}", self.protocol) }
    }
}

/// Stack and address of a line, and what decided the address.
type Line<'a> = (&'a str, &'a str, BoundBy);

impl Plan {
    /// Lines about published ports, one for each stack and address. Addresses that the compose file chooses and ports that
    /// `landfast.toml` keeps on loopback are left out, because they are as written.
    pub(super) fn published(&self) -> Vec<String> {
        let mut lines: BTreeMap<Line<'_>, Vec<(&InstanceName, &[Published])>> = BTreeMap::new();
        for action in self.steps.iter().map(|step| &step.action) {
            let Some(name) = action.instance() else { continue };
            for port in action.ports().iter().filter(|port| port.is_printed()) {
                let instances = lines.entry((&name.stack, &port.address, port.by)).or_default();
                if instances.iter().all(|(other, _)| other.service != name.service) {
                    instances.push((name, action.ports()));
                }
            }
        }
        let line = |((stack, address, by), instances): (Line<'_>, Vec<(&InstanceName, &[Published])>)| {
            let services: Vec<_> =
                instances.into_iter().map(|(name, ports)| ports_of(name, ports, address, by)).collect();
            let services = services.join(", ");
            match by {
                BoundBy::Default => format!(
                    "Published on {address} only: {services}. [stacks.{stack}.publish] in landfast.toml can open them."
                ),
                _ => format!("Published on {address}: {services}."),
            }
        };
        lines.into_iter().map(line).collect()
    }
}

/// Service and ports, as in `web/app 8080 and 9090/udp`.
fn ports_of(name: &InstanceName, ports: &[Published], address: &str, by: BoundBy) -> String {
    let ports = ports.iter().filter(|port| port.address == address && port.by == by);
    let ports: Vec<_> = ports.map(ToString::to_string).collect();
    format!("{} {}", name.service_name(), ports.join(" and "))
}
