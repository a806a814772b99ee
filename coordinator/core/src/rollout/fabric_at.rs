//! The fabric at one moment of a rollout. While steps are running, it is that of before and after together, so that one change
//! does not send every host a new fabric. At the end it is exactly that of the target.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::deployment::InstanceName;
use crate::desired::HostState;
use crate::fabric::{Address, Endpoint, Fabric, Holder};
use crate::ledger::ledger;

/// The fabrics of a rollout.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fabrics {
    /// Fabric that the hosts should hold now.
    pub(super) current: Arc<Fabric>,
    /// Fabric of before and after together.
    both: Arc<Fabric>,
    /// Fabric of the target.
    target: Arc<Fabric>,
    /// Addresses that pass to another holder or host during the rollout, with their endpoints before and after.
    passing: Vec<(Address, Endpoint, Endpoint)>,
    /// Which of these addresses have passed.
    passed: Vec<bool>,
}

impl Fabrics {
    /// Creates the fabrics of a rollout that has not begun.
    pub(super) fn new(before: &BTreeMap<String, HostState>, target: &BTreeMap<String, HostState>) -> Self {
        let (before, target) = (ledger(before), ledger(target));
        let mut both = Fabric::clone(&target);
        let mut passing = Vec::new();
        for (address, old) in before.endpoints.iter().filter(|(_, old)| old.is_held()) {
            match both.endpoints.get(address).filter(|new| new.is_held()) {
                Some(new) if new != old => passing.push((address.clone(), old.clone(), new.clone())),
                Some(_) => {}
                None => drop(both.endpoints.insert(address.clone(), old.clone())),
            }
        }
        for (name, addresses) in &before.names {
            both.names.entry(name.clone()).or_insert_with(|| addresses.clone());
        }
        let both = if both == *before {
            before.clone()
        } else if both == *target {
            target.clone()
        } else {
            Arc::new(Fabric { version: before.version + 1, ..both })
        };
        let passed = vec![true; passing.len()];
        Self { current: both.clone(), both, target, passing, passed }
    }

    /// Determines the fabric anew. `is_at` says whether a host should have an instance now, and `is_end` whether no step
    /// changes an instance any more. Returns whether the fabric changed.
    pub(super) fn update(&mut self, is_at: impl Fn(&InstanceName, Ipv4Addr) -> bool, is_end: bool) -> bool {
        let is_there = |Endpoint { host, holder, .. }: &Endpoint| match holder {
            Holder::Instance(name) => is_at(name, *host),
            Holder::Gateway | Holder::Nobody => false,
        };
        // Between two holders, the address is already that of the new one.
        self.passed = self.passing.iter().map(|(_, old, new)| is_there(new) || !is_there(old)).collect();
        let mut next = if is_end { self.target.clone() } else { self.both.clone() };
        if !is_end && self.passed.contains(&false) {
            let fabric = Arc::make_mut(&mut next);
            for ((address, old, _), _) in self.passing.iter().zip(&self.passed).filter(|(_, passed)| !**passed) {
                fabric.endpoints.insert(address.clone(), old.clone());
            }
        }
        if next == self.current {
            return false;
        }
        if next.version <= self.current.version {
            Arc::make_mut(&mut next).version = self.current.version + 1;
        }
        self.current = next;
        true
    }

    /// Whether a host that holds this fabric is sent another one.
    pub(super) fn is_new_to(&self, held: &Arc<Fabric>) -> bool {
        *held != self.current || *held != self.target || !self.passing.is_empty()
    }

    /// Whether an address passes to another holder or host during the rollout.
    pub(super) fn has_passing(&self) -> bool {
        !self.passing.is_empty()
    }

    /// Whether the fabric may change while the rollout is under way.
    pub(super) fn is_changing(&self) -> bool {
        !self.passing.is_empty() || !Arc::ptr_eq(&self.current, &self.target)
    }
}
