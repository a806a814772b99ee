//! Checks a simulated run by what happened on the hosts alone. It knows neither the coordinator nor its plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use landfast_core::deployment::InstanceName;
use landfast_core::fabric::{Address, Fabric};

/// Something that happened on a host.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// A run claimed the host.
    Claimed { epoch: u64, owner: String },
    /// The host accepted a state of a run.
    Accepted { epoch: u64, generation: u64, owner: String, fabric: Arc<Fabric> },
    /// A container was made. It replaces that of the same instance.
    Made { instance: InstanceName, addresses: BTreeSet<Address> },
    /// A container was stopped and removed, or replaced.
    Gone { instance: InstanceName },
    /// A volume was removed with its data.
    VolumeRemoved { stack: String, name: String },
}

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Stacks that the command named.
    pub(crate) stacks: BTreeSet<String>,
    /// Whether it named their volumes too.
    pub(crate) volumes: bool,
}

/// Checks everything that happened, in order. `running` are the containers before, by host.
pub(crate) fn check(
    log: &[(String, Seen)],
    request: &Request,
    running: BTreeMap<(String, InstanceName), BTreeSet<Address>>,
) -> Result<(), String> {
    let mut rules = Rules { request, running, ..Rules::new(request) };
    for (at, (host, seen)) in log.iter().enumerate() {
        if let Err(problem) = rules.next(host, seen) {
            let from = at.saturating_sub(40);
            let before: Vec<String> = log[from..=at].iter().map(|(host, seen)| format!("{host}: {seen:?}")).collect();
            return Err(format!("{host}: {problem}\n{}", before.join("\n")));
        }
    }
    Ok(())
}

struct Rules<'r> {
    request: &'r Request,
    /// Greatest epoch of a claim, by host.
    claimed: BTreeMap<String, u64>,
    /// Last accepted epoch and generation, by host.
    accepted: BTreeMap<String, (u64, u64)>,
    owners: BTreeMap<u64, String>,
    /// Epochs of the addresses in the fabric of each host.
    epochs: BTreeMap<(String, Address), u64>,
    running: BTreeMap<(String, InstanceName), BTreeSet<Address>>,
}

impl<'r> Rules<'r> {
    fn new(request: &'r Request) -> Self {
        Self {
            request,
            claimed: BTreeMap::new(),
            accepted: BTreeMap::new(),
            owners: BTreeMap::new(),
            epochs: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    fn next(&mut self, host: &str, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Claimed { epoch, owner } => {
                self.one_owner(*epoch, owner)?;
                let claimed = self.claimed.entry(host.to_owned()).or_default();
                ensure(*epoch >= *claimed, || format!("epoch {epoch} claims it after {claimed}"))?;
                *claimed = *epoch;
            }
            Seen::Accepted { epoch, generation, owner, fabric } => {
                self.one_owner(*epoch, owner)?;
                let claimed = self.claimed.get(host).copied().unwrap_or(0);
                ensure(*epoch >= claimed, || {
                    format!("a state of {owner} with epoch {epoch} was accepted after {claimed}")
                })?;
                let last = self.accepted.insert(host.to_owned(), (*epoch, *generation)).unwrap_or_default();
                let grows = *epoch >= last.0 && *generation > last.1;
                ensure(grows, || format!("epoch and generation fell from {last:?} to {:?}", (epoch, generation)))?;
                for (address, endpoint) in &fabric.endpoints {
                    let before = self.epochs.entry((host.to_owned(), address.clone())).or_default();
                    ensure(endpoint.epoch >= *before, || format!("the epoch of {address} fell from {before}"))?;
                    *before = endpoint.epoch;
                }
            }
            Seen::Made { instance, addresses } => {
                self.is_named(instance)?;
                let holds = |((_, other), theirs): &(&(String, InstanceName), &BTreeSet<Address>)| {
                    other != instance && !theirs.is_disjoint(addresses)
                };
                let holder = self.running.iter().find(holds).map(|((on, other), _)| format!("{other} on {on}"));
                ensure(holder.is_none(), || format!("{instance} and {} have one address", holder.unwrap_or_default()))?;
                self.running.insert((host.to_owned(), instance.clone()), addresses.clone());
            }
            Seen::Gone { instance } => {
                self.is_named(instance)?;
                self.running.remove(&(host.to_owned(), instance.clone()));
            }
            Seen::VolumeRemoved { stack, name } => {
                let is_named = self.request.volumes && self.request.stacks.contains(stack);
                ensure(is_named, || format!("the volume {name} of {stack} was removed, and nobody asked for it"))?;
            }
        }
        Ok(())
    }

    fn one_owner(&mut self, epoch: u64, owner: &str) -> Result<(), String> {
        let known = self.owners.entry(epoch).or_insert_with(|| owner.to_owned());
        ensure(known == owner, || format!("{owner} and {known} both have epoch {epoch}"))
    }

    fn is_named(&self, instance: &InstanceName) -> Result<(), String> {
        let is_named = self.request.stacks.contains(&instance.stack);
        ensure(is_named, || format!("{instance} was touched, and no command named its stack"))
    }
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}
