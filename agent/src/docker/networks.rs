//! Networks of the engine.

use std::collections::BTreeMap;

use bollard::models::{self, Ipam, IpamConfig, NetworkCreateRequest};
use landfast_agent_core::observed::Network;

use super::{Engine, EngineError, LONG, Labels, SHORT};
use crate::wire;

/// API version since which a network may be without IPv4. Older engines ignore the option silently.
const IPV4_SWITCH: u32 = 48;

impl Engine {
    /// Lists all networks by name.
    pub(crate) async fn list_networks(&self, fleet: &str) -> Result<BTreeMap<String, Network>, EngineError> {
        let found = self.within(SHORT, self.client()?.list_networks(None)).await?;
        Ok(found.into_iter().filter_map(|summary| Some((summary.name.clone()?, network(summary, fleet)))).collect())
    }

    pub(crate) async fn create_network(&self, network: &wire::Network, fleet: &str) -> Result<(), EngineError> {
        if network.ipv4.is_some() && self.minor() < IPV4_SWITCH {
            return Err(EngineError::Unsupported("enable_ipv4 needs Docker Engine 28 or newer".to_owned()));
        }
        self.within(LONG, self.client()?.create_network(request(network, fleet))).await.map(drop)
    }

    pub(crate) async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        match self.within(LONG, self.client()?.remove_network(name)).await {
            Err(error) if error.is_not_found() => Ok(()),
            answer => answer,
        }
    }
}

fn network(summary: models::Network, fleet: &str) -> Network {
    let blocks = summary.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let labels = summary.labels.unwrap_or_default();
    Network {
        ours: labels.get(Labels::FLEET).is_some_and(|label| label == fleet),
        stack: labels.get(Labels::STACK).cloned().unwrap_or_default(),
        project: labels.get(Labels::PROJECT).cloned().unwrap_or_default(),
        driver: summary.driver.unwrap_or_default(),
        subnets: blocks.iter().filter_map(|block| block.subnet.clone()).collect(),
        gateways: blocks.into_iter().filter_map(|block| block.gateway).filter(|gateway| !gateway.is_empty()).collect(),
        internal: summary.internal.unwrap_or(false),
        options: summary.options.unwrap_or_default().into_iter().collect(),
    }
}

fn request(network: &wire::Network, fleet: &str) -> NetworkCreateRequest {
    let non_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let some = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone().into_iter().collect());
    let plain =
        wire::Pool { subnet: network.subnet.clone(), gateway: network.gateway.clone(), ..wire::Pool::default() };
    let pools = if network.pools.is_empty() { std::slice::from_ref(&plain) } else { &network.pools };
    let blocks = pools.iter().map(|pool| IpamConfig {
        subnet: non_empty(&pool.subnet),
        gateway: non_empty(&pool.gateway),
        ip_range: non_empty(&pool.ip_range),
        auxiliary_addresses: some(&pool.aux_addresses),
    });
    let blocks: Vec<IpamConfig> = blocks.filter(|block| *block != IpamConfig::default()).collect();
    let ipam = Ipam {
        driver: non_empty(&network.ipam_driver),
        config: (!blocks.is_empty()).then_some(blocks),
        options: some(&network.ipam_options),
    };
    let part = (network.stack.as_str(), network.project.as_str(), network.key.as_str());
    NetworkCreateRequest {
        name: network.name.clone(),
        driver: non_empty(&network.driver),
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv6: Some(network.ipv6),
        enable_ipv4: network.ipv4,
        ipam: (ipam != Ipam::default()).then_some(ipam),
        options: Some(wire::engine_options(network).into_iter().collect()),
        labels: Some(Labels::of_part("network", part, &network.labels, fleet)),
        ..NetworkCreateRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_network_is_asked_for_with_all_its_pools() {
        let pool = |subnet: &str, range: &str| wire::Pool {
            subnet: subnet.to_owned(),
            ip_range: range.to_owned(),
            aux_addresses: [("router".to_owned(), "10.9.0.2".to_owned())].into(),
            ..wire::Pool::default()
        };
        let mut network =
            wire::Network { name: "app_own".to_owned(), subnet: "10.9.0.0/16".to_owned(), ..Default::default() };
        let sent = |network: &wire::Network| serde_json::to_value(request(network, "home")).expect("plain");
        assert_eq!(sent(&network)["IPAM"], json!({"Config": [{"Subnet": "10.9.0.0/16"}]}));
        network.pools = vec![
            pool("10.9.0.0/16", "10.9.1.0/24"),
            wire::Pool { subnet: "fd00::/64".to_owned(), ..wire::Pool::default() },
        ];
        network.ipam_driver = "default".to_owned();
        network.ipv4 = Some(false);
        let sent = sent(&network);
        let first =
            json!({"Subnet": "10.9.0.0/16", "IPRange": "10.9.1.0/24", "AuxiliaryAddresses": {"router": "10.9.0.2"}});
        assert_eq!(sent["IPAM"], json!({"Driver": "default", "Config": [first, {"Subnet": "fd00::/64"}]}));
        assert_eq!(sent["EnableIPv4"], false);
    }
}
