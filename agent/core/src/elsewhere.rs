//! What the fabric has on other hosts, as far as it matters to the instances of this host, and where an address has moved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use landfast_agreement::InstanceName;

/// An address on a network of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Name of the network on the engine.
    pub network: String,
    /// The address.
    pub ip: Ipv4Addr,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.ip, self.network)
    }
}

/// The host that has an address, or had it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// LAN address of the host.
    pub host: Ipv4Addr,
    /// Number that grows each time the address moves to another host.
    pub epoch: u64,
}

/// What the fabric has on other hosts. It is empty on a host that holds no fabric, or that does not know its own LAN address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Elsewhere {
    /// LAN address of this host.
    pub own: Option<Ipv4Addr>,
    /// LAN addresses of the other hosts of the fleet.
    pub hosts: BTreeSet<Ipv4Addr>,
    /// Addresses of instances of this host that the fabric has on another host.
    pub addresses: BTreeMap<Address, Place>,
    /// Instances on other hosts that instances of this host depend on, with the LAN addresses of their hosts.
    pub instances: BTreeMap<InstanceName, Ipv4Addr>,
}

/// An address that was moved away from this host after it was assigned to an instance here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved<'a> {
    /// The address.
    pub address: &'a Address,
    /// The host that has it now.
    pub to: Place,
}

impl fmt::Display for Moved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has moved to the host {} (epoch {})", self.address, self.to.host, self.to.epoch)
    }
}

impl Elsewhere {
    /// Returns the first of these addresses, each with the epoch in which it was assigned, that has moved to another host since.
    pub fn moved<'a>(&self, assigned: &'a BTreeMap<Address, u64>) -> Option<Moved<'a>> {
        assigned.iter().find_map(|(address, epoch)| {
            let to = self.addresses.get(address).filter(|place| place.epoch > *epoch)?;
            Some(Moved { address, to: *to })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_moved_if_another_host_has_it_with_a_greater_epoch() {
        let address = Address { network: "infra_net".to_owned(), ip: Ipv4Addr::new(172, 19, 0, 50) };
        let to = Place { host: Ipv4Addr::new(10, 0, 0, 2), epoch: 4 };
        let elsewhere = Elsewhere { addresses: [(address.clone(), to)].into(), ..Elsewhere::default() };
        let assigned = |epoch| BTreeMap::from([(address.clone(), epoch)]);
        let text = elsewhere.moved(&assigned(3)).map(|moved| moved.to_string());
        assert_eq!(text.as_deref(), Some("172.19.0.50 on infra_net has moved to the host 10.0.0.2 (epoch 4)"));
        // With the same epoch or a greater one, this host is where the address is going.
        assert_eq!((elsewhere.moved(&assigned(4)), elsewhere.moved(&assigned(5))), (None, None));
        assert_eq!(Elsewhere::default().moved(&assigned(3)), None);
        let other = Address { network: "other_net".to_owned(), ..address };
        assert_eq!(elsewhere.moved(&[(other, 3)].into()), None);
    }
}
