//! Plans while hosts are away: which plans can be carried out without them.
//!
//! A plan may not change anything of a host that is away, because the result could not be seen. What such a host knows of the
//! other hosts may change: it receives that with a later run. Its addresses stay taken, because its remembered state is part of
//! the plan. That state is used only if the other hosts know the same addresses of it from their fabric.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{Action, Plan, Step};
use crate::desired::HostState;
use crate::fabric::Holder;
use crate::ledger::{held, ledger};

/// Reason why a plan cannot be carried out while hosts are away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The plan changes hosts that are away.
    Changes {
        /// Names of these hosts.
        hosts: BTreeSet<String>,
        /// Steps on these hosts, as in `recreate data/app.1 on gamma`.
        steps: Vec<String>,
    },
    /// The plan moves instances from or to hosts that are to be left as they are.
    Moves {
        /// Names of the instances.
        instances: Vec<String>,
    },
    /// The plan gives an address to an instance that another one keeps on a host that is to be left as it is.
    SameAddress {
        /// The address.
        address: String,
        /// Names of the two instances.
        instances: Vec<String>,
    },
    /// The plan deploys a stack of which no host that answers has a record. It may run on a host that is away.
    NotKnown {
        /// Name of the stack.
        stack: String,
        /// Names of the hosts that are away.
        hosts: BTreeSet<String>,
    },
    /// The plan hands out, moves or frees addresses, and half of the hosts or more are away.
    NoMajority {
        /// Number of hosts that answer.
        answer: usize,
        /// Number of hosts of the fleet.
        all: usize,
    },
}

impl std::fmt::Display for Hindrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changes { hosts, steps } => {
                let hosts = hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(f, "the plan changes {hosts}: {}", steps.join(", "))
            }
            Self::Moves { instances } => {
                write!(f, "the plan moves instances from or to a host that is away: {}", instances.join(", "))
            }
            Self::SameAddress { address, instances } => {
                write!(f, "{} would have the same address {address}", instances.join(" and "))
            }
            Self::NotKnown { stack, hosts } => {
                let hosts = hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(f, "{stack} may run on {hosts}: no host that answers has a record of it")
            }
            Self::NoMajority { answer, all } => {
                write!(f, "the plan hands out, moves or frees addresses, and only {answer} of {all} hosts answer")
            }
        }
    }
}

/// Removes the steps that only inform hosts that are `away`, and returns the names of these hosts.
///
/// `named` are the hosts that the user named as away: for these, a change of addresses needs no majority.
///
/// # Errors
/// The reason why the plan cannot be carried out without these hosts.
pub fn without_away(
    plan: &mut Plan,
    away: &BTreeSet<String>,
    named: &BTreeSet<String>,
    current: &BTreeMap<String, HostState>,
    target: &BTreeMap<String, HostState>,
) -> Result<BTreeSet<String>, Hindrance> {
    let hosts: BTreeSet<String> = changes_on(plan, away).map(|(_, host)| host.to_owned()).collect();
    if !hosts.is_empty() {
        return Err(Hindrance::Changes { hosts, steps: steps_on(plan, away) });
    }
    let (answer, all) = (target.len().saturating_sub(away.len()), target.len());
    let has_majority = answer * 2 > all || away.is_subset(named);
    if !ledger(current).same_addresses(&ledger(target)) && !has_majority {
        return Err(Hindrance::NoMajority { answer, all });
    }
    let owed = |host: &&String| match (current.get(*host), target.get(*host)) {
        (Some(current), Some(target)) => !current.same_contents(target),
        (current, target) => current.is_some() != target.is_some(),
    };
    let owed = away.iter().filter(owed).cloned().collect();
    // A plan with a step that informs a host has no other steps, so no step comes after it.
    plan.steps.retain(|step| !away.contains(&step.host));
    Ok(owed)
}

/// Returns the steps on these hosts, as in `recreate data/app.1 on gamma`.
pub fn steps_on(plan: &Plan, hosts: &BTreeSet<String>) -> Vec<String> {
    let line = |(step, host): (&Step, &str)| format!("{} {} on {host}", step.action.label(), step.action.subject());
    changes_on(plan, hosts).map(line).collect()
}

/// Steps that change one of these hosts, each with that host. A move changes two hosts.
fn changes_on<'p>(plan: &'p Plan, hosts: &BTreeSet<String>) -> impl Iterator<Item = (&'p Step, &'p str)> {
    plan.steps.iter().filter(|step| step.action != Action::Configure).filter_map(|step| {
        let left = match &step.action {
            Action::Move { from, .. } => Some(from),
            _ => None,
        };
        let host = [Some(&step.host), left].into_iter().flatten().find(|host| hosts.contains(*host))?;
        Some((step, host.as_str()))
    })
}

/// Whether the state that is remembered of a host is the one that it holds, as far as the other hosts can tell: their
/// newest fabric says that the same instances hold the same addresses on it. `address` is its LAN address. Without another host on a network
/// of the fleet, nobody can tell.
pub fn is_as_remembered(
    name: &str,
    address: Ipv4Addr,
    remembered: &HostState,
    others: &BTreeMap<String, HostState>,
) -> bool {
    let own: BTreeSet<_> = held(remembered).map(|(instance, address, ..)| (address, &instance.name)).collect();
    let others = others.iter().filter(|(other, state)| *other != name && state.fleet_networks().next().is_some());
    let others: BTreeMap<String, HostState> = others.map(|(other, state)| (other.clone(), state.clone())).collect();
    let ledger = ledger(&others);
    let known = ledger.held_at(address).filter_map(|(address, endpoint)| match &endpoint.holder {
        Holder::Instance(name) => Some((address.clone(), name)),
        Holder::Gateway | Holder::Nobody => None,
    });
    !others.is_empty() && known.collect::<BTreeSet<_>>() == own
}
