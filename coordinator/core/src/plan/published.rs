//! Where the ports of new containers are bound: a port that nobody opens is on loopback, and a reader of the plan sees that
//! before they look for it on the LAN.
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::compile::LOOPBACK;
use crate::container::Port;
use crate::deployment::{BoundBy, InstanceName};

/// A published port of an instance that a step makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Address of the host that it is bound to.
    pub address: String,
    /// `8080`, `8000-8010` for one of these, `0` for any that is free.
    pub published: String,
    /// Port of the container.
    pub target: u32,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// What said where.
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

impl Plan {
    /// A line for each stack and address: for ports that nobody opens, and for those that `landfast.toml` opens. An address in
    /// a compose file, and loopback on request, are as they were written.
    pub(super) fn published(&self) -> Vec<String> {
        let mut lines: BTreeMap<(&str, &str, BoundBy), Vec<(&InstanceName, &[Published])>> = BTreeMap::new();
        for action in self.steps.iter().map(|step| &step.action) {
            let Some(name) = action.instance() else { continue };
            for port in action.ports().iter().filter(|port| port.is_printed()) {
                let instances = lines.entry((&name.stack, &port.address, port.by)).or_default();
                if instances.iter().all(|(other, _)| other.service != name.service) {
                    instances.push((name, action.ports()));
                }
            }
        }
        let line = |((stack, address, by), instances): (_, Vec<(&InstanceName, &[Published])>)| {
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

/// `web/app 8080 9090/udp`
fn ports_of(name: &InstanceName, ports: &[Published], address: &str, by: BoundBy) -> String {
    let ports = ports.iter().filter(|port| port.address == address && port.by == by);
    let ports: Vec<_> = ports.map(ToString::to_string).collect();
    format!("{} {}", name.service_name(), ports.join(" and "))
}
