//! Networks of the engine.

use std::collections::BTreeMap;

use bollard::models::{self, Ipam, IpamConfig, NetworkCreateRequest};
use landfast_agent_core::observed::Network;

use super::{Engine, EngineError, LONG, Labels, SHORT};
use crate::wire;

impl Engine {
    /// All networks by name.
    pub(crate) async fn list_networks(&self, fleet: &str) -> Result<BTreeMap<String, Network>, EngineError> {
        let found = self.within(SHORT, self.client()?.list_networks(None)).await?;
        Ok(found.into_iter().filter_map(|summary| Some((summary.name.clone()?, network(summary, fleet)))).collect())
    }

    pub(crate) async fn create_network(&self, network: &wire::Network, fleet: &str) -> Result<(), EngineError> {
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
    Network {
        ours: summary.labels.unwrap_or_default().get(Labels::FLEET).is_some_and(|label| label == fleet),
        driver: summary.driver.unwrap_or_default(),
        subnets: blocks.iter().filter_map(|block| block.subnet.clone()).collect(),
        gateways: blocks.into_iter().filter_map(|block| block.gateway).filter(|gateway| !gateway.is_empty()).collect(),
        internal: summary.internal.unwrap_or(false),
        options: summary.options.unwrap_or_default().into_iter().collect(),
    }
}

fn request(network: &wire::Network, fleet: &str) -> NetworkCreateRequest {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let block = IpamConfig { subnet: said(&network.subnet), gateway: said(&network.gateway), ..IpamConfig::default() };
    NetworkCreateRequest {
        name: network.name.clone(),
        driver: said(&network.driver),
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv6: Some(network.ipv6),
        ipam: (!network.subnet.is_empty()).then(|| Ipam { config: Some(vec![block]), ..Ipam::default() }),
        options: Some(wire::engine_options(network).into_iter().collect()),
        labels: Some(Labels::of_part("network", (&network.stack, &network.key), &network.labels, fleet)),
        ..NetworkCreateRequest::default()
    }
}
