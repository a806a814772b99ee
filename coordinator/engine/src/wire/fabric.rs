//! The fabric on the wire. All hosts share it, so it is encoded once, and a change is computed once for all hosts that hold the
//! same fabric.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfast_core::fabric::{Address, Endpoint, Fabric, Holder};
use landfast_proto::v1::{self, endpoint};
use landfast_proto::{Contents, Unusable};

/// A fabric with its form on the wire.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) fabric: Arc<Fabric>,
    pub(crate) message: v1::Fabric,
    pub(crate) digest: String,
}

/// The fabrics that hosts hold or are sent in one run.
#[derive(Debug, Default)]
pub struct Fabrics {
    /// Fabrics in the order in which they became known.
    known: Mutex<Vec<Arc<Encoded>>>,
    /// Changes by the digests of the fabrics before and after.
    changes: Mutex<BTreeMap<(String, String), Arc<v1::FabricDelta>>>,
}

impl Fabrics {
    /// Adds a fabric as an agent holds it.
    ///
    /// # Errors
    /// A newer version has assigned it, or the unit is not a fabric.
    pub(crate) fn add(&self, unit: &v1::Unit) -> Result<(), Unusable> {
        let contents = Contents::decode(unit.contents.as_ref().ok_or(Unusable::Empty)?)?;
        let digest = contents.digest();
        let Contents::Fabric(message) = contents else { return Err(Unusable::Empty) };
        let fabric = Arc::new(of_wire(&message));
        lock(&self.known).push(Arc::new(Encoded { fabric, message, digest }));
        Ok(())
    }

    /// Returns the fabric with this digest, if it is known.
    pub(crate) fn with_digest(&self, digest: &str) -> Option<Arc<Encoded>> {
        lock(&self.known).iter().find(|encoded| encoded.digest == digest).cloned()
    }

    /// Returns the form of a fabric on the wire.
    pub(crate) fn encoded(&self, fabric: &Arc<Fabric>) -> Arc<Encoded> {
        let mut known = lock(&self.known);
        if let Some(found) = known.iter().find(|encoded| Arc::ptr_eq(&encoded.fabric, fabric)) {
            return found.clone();
        }
        let message = to_wire(fabric);
        let digest = Contents::Fabric(message.clone()).digest();
        let encoded = Arc::new(Encoded { fabric: fabric.clone(), message, digest });
        known.push(encoded.clone());
        encoded
    }

    /// Returns the change that leads from one fabric to another.
    pub(crate) fn change(&self, from: &Encoded, to: &Encoded) -> Arc<v1::FabricDelta> {
        let key = (from.digest.clone(), to.digest.clone());
        let mut changes = lock(&self.changes);
        changes.entry(key).or_insert_with(|| Arc::new(from.message.delta(from.digest.clone(), &to.message))).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn to_wire(fabric: &Fabric) -> v1::Fabric {
    let endpoint = |(address, endpoint): (&Address, &Endpoint)| v1::Endpoint {
        network: address.network.clone(),
        address: address.ip.to_string(),
        host: endpoint.host.to_string(),
        epoch: endpoint.epoch,
        holder: match &endpoint.holder {
            Holder::Gateway => Some(endpoint::Holder::Gateway(true)),
            Holder::Instance(name) => Some(endpoint::Holder::Instance(name.to_string())),
            Holder::Nobody => None,
        },
    };
    let names = fabric.names.iter().map(|(name, addresses)| v1::Name {
        name: name.clone(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
    });
    v1::Fabric::new(fabric.version, fabric.endpoints.iter().map(endpoint), names)
}

/// Converts a fabric. An entry that is not valid is left out: an agent accepts no such entry.
fn of_wire(message: &v1::Fabric) -> Fabric {
    let endpoint = |it: &v1::Endpoint| {
        let address = Address { network: it.network.clone(), ip: it.address.parse().ok()? };
        let holder = match &it.holder {
            Some(endpoint::Holder::Gateway(_)) => Holder::Gateway,
            // An earlier version did not record the holder.
            Some(endpoint::Holder::Instance(name)) => Holder::Instance(name.parse().unwrap_or_default()),
            None => Holder::Nobody,
        };
        Some((address, Endpoint { epoch: it.epoch, host: it.host.parse().ok()?, holder }))
    };
    let name = |it: &v1::Name| (it.name.clone(), it.addresses.iter().filter_map(|text| text.parse().ok()).collect());
    Fabric {
        version: message.version,
        endpoints: message.endpoints.iter().filter_map(endpoint).collect(),
        names: message.names.iter().map(name).collect(),
    }
}

#[cfg(test)]
mod tests {
    use landfast_core::deployment::InstanceName;

    use super::*;

    fn fabric(version: u64, last: u8) -> Arc<Fabric> {
        let ip = std::net::Ipv4Addr::new(172, 19, 0, last);
        let host = std::net::Ipv4Addr::new(10, 0, 0, 1);
        let at =
            |ip, epoch, holder| (Address { network: "infra_net".to_owned(), ip }, Endpoint { epoch, host, holder });
        let endpoints = [
            at(ip, 70_000, Holder::Instance(InstanceName::new("data", "db", 1))),
            at([172, 19, 255, 1].into(), 0, Holder::Gateway),
            at([172, 19, 0, 250].into(), 4, Holder::Nobody),
        ];
        let names = [("db".to_owned(), [ip].into())].into();
        Arc::new(Fabric { version, endpoints: endpoints.into(), names })
    }

    #[test]
    fn a_fabric_is_read_as_it_was_sent() {
        let fabrics = Fabrics::default();
        let sent = fabric(7, 5);
        let encoded = fabrics.encoded(&sent);
        let read = of_wire(&encoded.message);
        assert_eq!((read.version, &read), (7, &*sent));
        assert!(Arc::ptr_eq(&fabrics.encoded(&sent), &encoded), "it is encoded once");
        assert!(fabrics.with_digest(&encoded.digest).is_some_and(|found| Arc::ptr_eq(&found, &encoded)));
    }

    #[test]
    fn a_change_is_computed_once_and_contains_only_what_differs() {
        let fabrics = Fabrics::default();
        let (before, after) = (fabrics.encoded(&fabric(7, 5)), fabrics.encoded(&fabric(8, 6)));
        let change = fabrics.change(&before, &after);
        assert_eq!((change.version, change.endpoints.len(), change.gone.len(), change.names.len()), (8, 1, 1, 1));
        assert_eq!(before.message.changed(&change), after.message);
        assert!(Arc::ptr_eq(&fabrics.change(&before, &after), &change));
    }
}
