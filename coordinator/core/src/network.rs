//! Declaration of a network, as a stack, a release and the hosts have it.
use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_with::{NoneAsEmptyString, serde_as};

/// Everything that the engine creates a network from, apart from its name.
#[serde_as]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Driver; empty for the engine's default.
    pub driver: String,
    /// Subnet, as in `172.19.0.0/16`. If absent, the engine chooses.
    #[serde_as(as = "NoneAsEmptyString")]
    pub subnet: Option<IpNet>,
    /// Gateway in the subnet. If absent, the engine chooses.
    #[serde_as(as = "NoneAsEmptyString")]
    pub gateway: Option<IpAddr>,
    /// Whether the network has no route to the outside.
    pub internal: bool,
    /// Whether containers outside the stack may join.
    pub attachable: bool,
    /// Whether the network has IPv6.
    pub ipv6: bool,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels of the network.
    pub labels: BTreeMap<String, String>,
    /// All address pools, if `subnet` and `gateway` do not describe them completely.
    #[serde(default)]
    pub pools: Vec<Pool>,
    /// IPAM driver; empty for the engine's default.
    #[serde(default)]
    pub ipam_driver: String,
    /// Options of the IPAM driver.
    #[serde(default)]
    pub ipam_options: BTreeMap<String, String>,
    /// Whether the network has IPv4, if the compose file says so.
    #[serde(default)]
    pub ipv4: Option<bool>,
}

/// Address pool of a network. The engine chooses what is absent.
#[serde_as]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Subnet, as in `172.19.0.0/16`.
    #[serde_as(as = "NoneAsEmptyString")]
    pub subnet: Option<IpNet>,
    /// Gateway in the subnet.
    #[serde_as(as = "NoneAsEmptyString")]
    pub gateway: Option<IpAddr>,
    /// Range in the subnet from which addresses are assigned.
    #[serde_as(as = "NoneAsEmptyString")]
    pub ip_range: Option<IpNet>,
    /// Reserved addresses by name.
    pub aux_addresses: BTreeMap<String, String>,
}

impl NetworkSpec {
    /// Subnets of the declaration, each once.
    pub fn subnets(&self) -> impl Iterator<Item = IpNet> {
        let pools = self.pools.iter().filter_map(|pool| pool.subnet).filter(|subnet| Some(*subnet) != self.subnet);
        self.subnet.into_iter().chain(pools)
    }

    /// Gateways of the declaration, each once.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        let pools = self.pools.iter().filter_map(|pool| pool.gateway).filter(|gateway| Some(*gateway) != self.gateway);
        self.gateway.into_iter().chain(pools)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_chooses_is_stored_as_in_earlier_versions() {
        let stored = r#"{"driver":"","subnet":"","gateway":"","internal":false,"attachable":false,"ipv6":false,"options":{},"labels":{}}"#;
        let read: NetworkSpec = serde_json::from_str(stored).unwrap();
        assert_eq!(read, NetworkSpec::default());
        let subnets = stored.replace(r#""subnet":"""#, r#""subnet":"172.28.0.1/16""#);
        let read: NetworkSpec = serde_json::from_str(&subnets).unwrap();
        assert!(serde_json::to_string(&read).unwrap().contains(r#""subnet":"172.28.0.1/16","gateway":"""#));
    }
}
