//! Host states at one moment of a rollout: what steps that have begun change is new, and everything else is as before.
use std::collections::{BTreeMap, BTreeSet};

use super::index::OnHost;
use super::{Progress, State};
use crate::deployment::InstanceName;
use crate::desired::{HostState, Instance, Network, Tree, Volume};
use crate::plan::Action;

impl State {
    /// Whether a host has the new version of an instance: its step has begun, and a move has left the old host.
    fn has_new(&self, host: &str, instance: &InstanceName) -> bool {
        let Some(at) = self.index.host(host).and_then(|here| here.changes.get(instance)) else { return true };
        match self.plan.steps[*at].action {
            Action::Move { .. } => self.steps[*at].left,
            Action::Start { .. } => true,
            _ => self.is_released(*at),
        }
    }

    /// Whether a host still has an instance that leaves it: the step that removes it has not begun.
    fn stays(&self, host: &str, instance: &InstanceName) -> bool {
        self.is_waiting(host, |here| here.leaving.get(instance))
    }

    fn is_released(&self, at: usize) -> bool {
        self.steps[at].progress != Progress::Waiting
    }

    /// Whether there is such a step on a host, and it has not begun.
    fn is_waiting<'s>(&'s self, host: &str, step: impl Fn(&'s OnHost) -> Option<&'s usize>) -> bool {
        self.index.host(host).and_then(step).is_some_and(|at| !self.is_released(*at))
    }

    /// Whether a host should have an instance now.
    pub(super) fn is_at(&self, host: &str, name: &InstanceName) -> bool {
        let has = |states: &BTreeMap<String, HostState>| {
            states.get(host).is_some_and(|state| state.incarnations(name).next().is_some())
        };
        let (had, will_have) = (has(&self.before), has(&self.target));
        if will_have { self.has_new(host, name) || had } else { had && self.stays(host, name) }
    }

    /// State that a host should hold now. Its epoch and generation are those of the target and have no meaning.
    pub(super) fn host_state(&self, host: &str) -> Option<HostState> {
        let target = self.target.get(host)?;
        let nothing = HostState::default();
        let before = self.before.get(host).unwrap_or(&nothing);
        Some(HostState {
            fleet: target.fleet.clone(),
            host: target.host.clone(),
            epoch: target.epoch,
            generation: target.generation,
            networks: networks(self, host, before, target),
            volumes: volumes(self, host, before, target),
            trees: trees(self, host, before, target),
            instances: instances(self, host, before, target),
            fabric: self.fabrics.current.clone(),
        })
    }
}

fn instances<'a>(state: &'a State, host: &'a str, before: &'a HostState, target: &'a HostState) -> Vec<Instance> {
    let names: BTreeSet<&InstanceName> = before.instances.iter().chain(&target.instances).map(|it| &it.name).collect();
    let choose = |name: &'a InstanceName| {
        let will_have = target.incarnations(name).next().is_some();
        let (is_new, stays) = (will_have && state.has_new(host, name), will_have || state.stays(host, name));
        let old = before.incarnations(name).filter(move |_| stays && !is_new);
        old.chain(target.incarnations(name).filter(move |_| is_new))
    };
    names.into_iter().flat_map(choose).cloned().collect()
}

fn trees(state: &State, host: &str, before: &HostState, target: &HostState) -> Vec<Tree> {
    let find = |held: &HostState, stack: &str| held.trees.iter().find(|tree| tree.stack == stack).cloned();
    let stacks: BTreeSet<&String> = before.trees.iter().chain(&target.trees).map(|tree| &tree.stack).collect();
    let choose = |stack: &String| {
        let is_waiting = state.is_waiting(host, |here| here.trees.get(stack));
        match (find(before, stack), find(target, stack)) {
            (old, Some(new)) => {
                if is_waiting {
                    old
                } else {
                    Some(new)
                }
            }
            (old, None) => old.filter(|_| is_waiting),
        }
    };
    stacks.into_iter().filter_map(choose).collect()
}

fn networks(state: &State, host: &str, before: &HostState, target: &HostState) -> Vec<Network> {
    let going = before.networks.iter().filter(|network| {
        let there = target.networks.iter().any(|after| after.name == network.name);
        !there && state.is_waiting(host, |here| here.removed_networks.get(&network.name))
    });
    let mut networks: Vec<Network> = target.networks.iter().chain(going).cloned().collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    networks
}

/// Volumes of a host. Data is deleted only after the instances that used it are removed.
fn volumes(state: &State, host: &str, before: &HostState, target: &HostState) -> Vec<Volume> {
    let find = |name: &str| before.volumes.iter().find(|volume| volume.name == name).cloned();
    let choose = |after: &Volume| {
        if state.is_waiting(host, |here| here.removed_volumes.get(&after.name)) {
            find(&after.name).unwrap_or_else(|| Volume { remove: false, ..after.clone() })
        } else {
            after.clone()
        }
    };
    target.volumes.iter().map(choose).collect()
}
