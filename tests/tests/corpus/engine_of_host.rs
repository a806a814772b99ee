//! What the engine of a simulated host has.

use landfast_compose::model::Project;
use landfast_core::desired::HostState;
use landfast_core::fleet::Fleet;
use landfast_core::plan::{EngineNetwork, EngineVolume, Found, UsedPort};

/// What a host has before anything is deployed: the external networks of a project that are not those of the fleet, and on
/// one host its external volumes, because each host would have other data in them.
pub(crate) fn before(project: &Project, fleet: &Fleet, has_volumes: bool) -> Found {
    let external = project
        .networks
        .iter()
        .filter(|(key, network)| network.external && fleet.network_of(&network.name, key).is_none());
    let external = external.map(|(_, network)| network.name.as_str());
    let volumes = project.volumes.values().filter(|volume| volume.external && has_volumes);
    Found {
        networks: ["bridge"].into_iter().chain(external).map(network).collect(),
        volumes: volumes.map(|volume| EngineVolume { name: volume.name.clone(), ..EngineVolume::default() }).collect(),
        ports: Vec::new(),
    }
}

fn network(name: &str) -> EngineNetwork {
    EngineNetwork { name: name.to_owned(), driver: "bridge".to_owned(), ..EngineNetwork::default() }
}

/// Adds what a host has as soon as it is in this state.
pub(crate) fn add_held(state: &HostState, found: &mut Found) {
    found.networks.extend(state.networks.iter().map(|network| EngineNetwork {
        name: network.name.clone(),
        driver: or_default(&network.spec.driver, "bridge"),
        subnets: network.spec.subnets().map(|it| it.to_string()).collect(),
        gateways: network.spec.gateways().map(|it| it.to_string()).collect(),
        internal: network.spec.internal,
        options: network.spec.options.clone(),
        managed: true,
        ..EngineNetwork::default()
    }));
    found.volumes.extend(state.volumes.iter().map(|volume| EngineVolume {
        name: volume.name.clone(),
        driver: or_default(&volume.driver, "local"),
        options: volume.options.clone(),
        managed: true,
    }));
    for instance in &state.instances {
        found.ports.extend(instance.container.ports.iter().map(|port| UsedPort {
            address: port.address.clone(),
            port: port.published,
            protocol: port.protocol.clone(),
            owner: format!("container {}", instance.container.name),
            instance: instance.name.to_string(),
        }));
    }
}

fn or_default(driver: &str, default: &str) -> String {
    if driver.is_empty() { default.to_owned() } else { driver.to_owned() }
}
