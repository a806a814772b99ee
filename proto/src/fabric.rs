//! Changes of a fabric. The coordinator makes a change from two fabrics, and the agent applies it to the one that it
//! holds. Both lists of a fabric are sorted, so equal fabrics have equal encodings.

use std::collections::BTreeMap;

use crate::v1::{Endpoint, EndpointKey, Fabric, FabricDelta, Name};

type Endpoints = BTreeMap<(String, String), Endpoint>;
type Names = BTreeMap<String, Name>;

impl Fabric {
    /// Creates a fabric from endpoints and names in any order.
    pub fn new(
        version: u64,
        endpoints: impl IntoIterator<Item = Endpoint>,
        names: impl IntoIterator<Item = Name>,
    ) -> Self {
        Self::of(version, by_key(endpoints), by_name(names))
    }

    fn of(version: u64, endpoints: Endpoints, names: Names) -> Self {
        Self { version, endpoints: endpoints.into_values().collect(), names: names.into_values().collect() }
    }

    /// Returns the change that leads from this fabric, which has the digest `from`, to `next`.
    pub fn delta(&self, from: String, next: &Self) -> FabricDelta {
        let (before, after) = (by_key(self.endpoints.clone()), by_key(next.endpoints.clone()));
        let (names_before, names_after) = (by_name(self.names.clone()), by_name(next.names.clone()));
        let gone = before.keys().filter(|key| !after.contains_key(*key)).cloned();
        let gone_names = names_before.keys().filter(|name| !names_after.contains_key(*name)).cloned();
        FabricDelta {
            from,
            version: next.version,
            gone: gone.map(|(network, address)| EndpointKey { network, address }).collect(),
            gone_names: gone_names.collect(),
            endpoints: after.into_iter().filter(|(key, it)| before.get(key) != Some(it)).map(|(_, it)| it).collect(),
            names: names_after
                .into_iter()
                .filter(|(name, it)| names_before.get(name) != Some(it))
                .map(|(_, it)| it)
                .collect(),
        }
    }

    /// Returns the fabric after a change.
    pub fn changed(&self, delta: &FabricDelta) -> Self {
        let (mut endpoints, mut names) = (by_key(self.endpoints.clone()), by_name(self.names.clone()));
        for EndpointKey { network, address } in &delta.gone {
            endpoints.remove(&(network.clone(), address.clone()));
        }
        for name in &delta.gone_names {
            names.remove(name);
        }
        endpoints.extend(by_key(delta.endpoints.clone()));
        names.extend(by_name(delta.names.clone()));
        Self::of(delta.version, endpoints, names)
    }
}

fn by_key(endpoints: impl IntoIterator<Item = Endpoint>) -> Endpoints {
    endpoints.into_iter().map(|endpoint| ((endpoint.network.clone(), endpoint.address.clone()), endpoint)).collect()
}

fn by_name(names: impl IntoIterator<Item = Name>) -> Names {
    names.into_iter().map(|name| (name.name.clone(), name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::endpoint::Holder;

    fn endpoint(address: &str, host: &str) -> Endpoint {
        let (network, holder) = ("infra_net".to_owned(), Some(Holder::Instance(format!("data/{address}.1"))));
        Endpoint { network, address: address.to_owned(), host: host.to_owned(), epoch: 1, holder }
    }

    fn name(name: &str, address: &str) -> Name {
        Name { name: name.to_owned(), addresses: vec![address.to_owned()] }
    }

    #[test]
    fn a_change_contains_only_what_differs_and_leads_to_the_next_fabric() {
        let before = Fabric::new(
            7,
            [
                endpoint("172.19.0.5", "10.0.0.1"),
                endpoint("172.19.0.6", "10.0.0.1"),
                endpoint("172.19.0.7", "10.0.0.2"),
            ],
            [name("db", "172.19.0.5"), name("cache", "172.19.0.6")],
        );
        let after = Fabric::new(
            8,
            [
                endpoint("172.19.0.8", "10.0.0.3"),
                endpoint("172.19.0.7", "10.0.0.3"),
                endpoint("172.19.0.5", "10.0.0.1"),
            ],
            [name("web", "172.19.0.8"), name("db", "172.19.0.5")],
        );
        let delta = before.delta("digest".to_owned(), &after);
        let set = [endpoint("172.19.0.7", "10.0.0.3"), endpoint("172.19.0.8", "10.0.0.3")];
        assert_eq!((delta.from.as_str(), delta.endpoints.as_slice()), ("digest", set.as_slice()));
        assert_eq!(delta.gone.iter().map(|it| it.address.as_str()).collect::<Vec<_>>(), ["172.19.0.6"]);
        assert_eq!((delta.names.len(), delta.gone_names.as_slice()), (1, ["cache".to_owned()].as_slice()));
        assert_eq!(before.changed(&delta), after);
        assert_eq!(after.changed(&after.delta(String::new(), &after)), after);
    }
}
