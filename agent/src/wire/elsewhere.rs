//! Finds in the fabric what is on other hosts, as far as it matters to the instances of this host.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use landfast_agent_core::desired::{Desired, InstanceName};
use landfast_agent_core::elsewhere::{Address, Elsewhere, Place};
use landfast_proto::v1::{Endpoint, Fabric, endpoint};

/// Returns what is on other hosts. It is empty if this host does not know its own LAN address, which is part of its networks.
pub(super) fn elsewhere(fabric: &Fabric, desired: &Desired) -> Elsewhere {
    let overlays = desired.networks.values().filter_map(|network| network.overlay.as_ref());
    let own: BTreeSet<Ipv4Addr> = overlays.map(|overlay| overlay.local).collect();
    let mut elsewhere = Elsewhere { own: own.first().copied(), ..Elsewhere::default() };
    if own.is_empty() {
        return elsewhere;
    }
    let assigned: BTreeSet<&Address> = desired.instances.values().flat_map(|it| it.addresses.keys()).collect();
    let needed: BTreeSet<(&str, &str)> = desired
        .instances
        .iter()
        .flat_map(|(name, it)| it.depends_on.iter().map(|on| (name.instance.stack.as_str(), on.service.as_str())))
        .collect();
    // The entries were checked when the fabric was taken.
    for Endpoint { network, address, host, epoch, holder } in &fabric.endpoints {
        let (Ok(ip), Ok(host)) = (address.parse(), host.parse()) else { continue };
        if own.contains(&host) {
            continue;
        }
        let address = Address { network: network.clone(), ip };
        if assigned.contains(&address) {
            elsewhere.addresses.insert(address, Place { host, epoch: *epoch });
        }
        // An address that was vacated may be that of a host which has left the fleet.
        let Some(holder) = holder else { continue };
        elsewhere.hosts.insert(host);
        if let endpoint::Holder::Instance(name) = holder
            && let Ok(name) = name.parse::<InstanceName>()
            && needed.contains(&(name.stack.as_str(), name.service.as_str()))
        {
            elsewhere.instances.insert(name, host);
        }
    }
    elsewhere
}

#[cfg(test)]
mod tests {
    use landfast_agent_core::desired::{Condition, Dependency, Incarnation, Instance, Network};
    use landfast_agent_core::overlay::{self, Mac};

    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const BETA: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn address(last: u8) -> Address {
        Address { network: "infra_net".to_owned(), ip: Ipv4Addr::new(172, 19, 0, last) }
    }

    fn endpoint(last: u8, host: &str, epoch: u64, holder: Option<&str>) -> Endpoint {
        let holder = holder.map(|name| match name {
            "" => endpoint::Holder::Gateway(true),
            name => endpoint::Holder::Instance(name.to_owned()),
        });
        let Address { network, ip } = address(last);
        Endpoint { network, address: ip.to_string(), host: host.to_owned(), epoch, holder }
    }

    /// A host with `demo/app`, which has the address 172.19.0.50 and depends on `db`.
    fn desired() -> Desired {
        let overlay = overlay::Desired {
            bridge: "lf-1".to_owned(),
            vni: 1,
            local: OWN,
            mtu: 1450,
            mac: Mac::of_gateway(Ipv4Addr::new(172, 19, 255, 1)),
            neighbours: Default::default(),
        };
        let network = Network { overlay: Some(overlay), ..Network::default() };
        let app = Instance {
            addresses: [(address(50), 3)].into(),
            depends_on: vec![Dependency { service: "db".to_owned(), condition: Condition::Healthy }],
            ..Instance::default()
        };
        let name = Incarnation { instance: InstanceName::new("demo", "app", 1), number: 0 };
        let instances = [(name, app)].into();
        Desired { networks: [("infra_net".to_owned(), network)].into(), instances, ..Desired::default() }
    }

    #[test]
    fn only_what_matters_to_the_instances_of_this_host_is_kept() {
        let endpoints = [
            endpoint(1, "10.0.0.1", 0, Some("")),
            endpoint(2, "10.0.0.2", 0, Some("")),
            endpoint(3, "10.0.0.3", 7, None),
            endpoint(50, "10.0.0.2", 4, Some("demo/app.1")),
            endpoint(51, "10.0.0.2", 1, Some("demo/db.1")),
            endpoint(52, "10.0.0.1", 1, Some("demo/db.2")),
            endpoint(53, "10.0.0.2", 1, Some("other/db.1")),
        ];
        let fabric = Fabric::new(7, endpoints, []);
        let found = elsewhere(&fabric, &desired());
        let expected = Elsewhere {
            own: Some(OWN),
            hosts: [BETA].into(),
            addresses: [(address(50), Place { host: BETA, epoch: 4 })].into(),
            instances: [(InstanceName::new("demo", "db", 1), BETA)].into(),
        };
        assert_eq!(found, expected);
        assert_eq!(elsewhere(&fabric, &Desired { networks: Default::default(), ..desired() }), Elsewhere::default());
    }

    #[test]
    fn f21_an_address_that_was_vacated_on_another_host_has_moved_there_too() {
        let fabric = Fabric::new(7, [endpoint(50, "10.0.0.2", 4, None)], []);
        let found = elsewhere(&fabric, &desired());
        assert_eq!(found.addresses, [(address(50), Place { host: BETA, epoch: 4 })].into());
        assert!(found.hosts.is_empty());
    }
}
