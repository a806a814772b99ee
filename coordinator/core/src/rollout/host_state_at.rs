//! Host states at one moment of a rollout: what steps that have begun change is new, and everything else is as before.
use std::collections::{BTreeMap, BTreeSet};

use super::{Progress, State};
use crate::deployment::InstanceName;
use crate::desired::{HostState, Instance, Network, Tree, Volume};
use crate::plan::{Action, Step};

/// The steps of the plan by host and by what they change there.
pub(super) struct Steps<'s> {
    state: &'s State,
    /// Steps that change an instance on this host; a move is listed under its new host.
    changes: BTreeMap<(&'s str, &'s InstanceName), usize>,
    /// Steps that take an instance off this host; a move is listed under its old host.
    leaving: BTreeMap<(&'s str, &'s InstanceName), usize>,
    /// Steps that sync a stack or remove its bundle.
    trees: BTreeMap<(&'s str, &'s str), usize>,
    removed_networks: BTreeMap<(&'s str, &'s str), usize>,
    removed_volumes: BTreeMap<(&'s str, &'s str), usize>,
}

impl<'s> Steps<'s> {
    pub(super) fn new(state: &'s State) -> Self {
        let mut steps = Self {
            state,
            changes: BTreeMap::new(),
            leaving: BTreeMap::new(),
            trees: BTreeMap::new(),
            removed_networks: BTreeMap::new(),
            removed_volumes: BTreeMap::new(),
        };
        for (at, Step { host, action, .. }) in state.plan.steps.iter().enumerate() {
            if let Some(change) = action.change() {
                steps.changes.insert((host, &change.instance), at);
            }
            match action {
                Action::Move { from, change, .. } => {
                    steps.leaving.insert((from, &change.instance), at);
                }
                Action::Remove { instance } => {
                    steps.leaving.insert((host, instance), at);
                }
                Action::Sync { stack } | Action::RemoveTree { stack } => {
                    steps.trees.insert((host, stack), at);
                }
                Action::RemoveNetwork { network, .. } => {
                    steps.removed_networks.insert((host, network), at);
                }
                Action::RemoveVolume { volume, .. } => {
                    steps.removed_volumes.insert((host, volume), at);
                }
                Action::Create { .. }
                | Action::Start { .. }
                | Action::Recreate { .. }
                | Action::CreateNetwork { .. }
                | Action::CreateVolume { .. }
                | Action::Configure => {}
            }
        }
        steps
    }

    /// Whether a host has the new version of an instance: its step has begun, and a move has left the old host.
    fn has_new(&self, host: &str, instance: &InstanceName) -> bool {
        let Some(at) = self.changes.get(&(host, instance)) else { return true };
        match self.state.plan.steps[*at].action {
            Action::Move { .. } => self.state.steps[*at].left,
            Action::Start { .. } => true,
            _ => self.is_released(*at),
        }
    }

    /// Whether a host still has an instance that leaves it: the step that removes it has not begun.
    fn stays(&self, host: &str, instance: &InstanceName) -> bool {
        self.leaving.get(&(host, instance)).is_some_and(|at| !self.is_released(*at))
    }

    fn is_released(&self, at: usize) -> bool {
        self.state.steps[at].progress != Progress::Waiting
    }

    fn is_waiting(&self, at: Option<&usize>) -> bool {
        at.is_some_and(|at| !self.is_released(*at))
    }

    /// Whether a host should have an instance now.
    pub(super) fn is_at(&self, host: &str, name: &InstanceName) -> bool {
        let has = |states: &BTreeMap<String, HostState>| {
            states.get(host).is_some_and(|state| state.incarnations(name).next().is_some())
        };
        let (had, will_have) = (has(&self.state.before), has(&self.state.target));
        if will_have { self.has_new(host, name) || had } else { had && self.stays(host, name) }
    }

    /// State that a host should hold now. Its epoch and generation are those of the target and have no meaning.
    pub(super) fn host_state(&self, host: &str) -> Option<HostState> {
        let target = self.state.target.get(host)?;
        let nothing = HostState::default();
        let before = self.state.before.get(host).unwrap_or(&nothing);
        Some(HostState {
            fleet: target.fleet.clone(),
            host: target.host.clone(),
            epoch: target.epoch,
            generation: target.generation,
            networks: networks(self, host, before, target),
            volumes: volumes(self, host, before, target),
            trees: trees(self, host, before, target),
            instances: instances(self, host, before, target),
            fabric: self.state.fabrics.current.clone(),
        })
    }
}

fn instances<'a>(steps: &Steps<'a>, host: &'a str, before: &'a HostState, target: &'a HostState) -> Vec<Instance> {
    let names: BTreeSet<&InstanceName> = before.instances.iter().chain(&target.instances).map(|it| &it.name).collect();
    let choose = |name: &'a InstanceName| {
        let will_have = target.incarnations(name).next().is_some();
        let (is_new, stays) = (will_have && steps.has_new(host, name), will_have || steps.stays(host, name));
        let old = before.incarnations(name).filter(move |_| stays && !is_new);
        old.chain(target.incarnations(name).filter(move |_| is_new))
    };
    names.into_iter().flat_map(choose).cloned().collect()
}

fn trees(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Tree> {
    let find = |state: &HostState, stack: &str| state.trees.iter().find(|tree| tree.stack == stack).cloned();
    let stacks: BTreeSet<&String> = before.trees.iter().chain(&target.trees).map(|tree| &tree.stack).collect();
    let choose = |stack: &String| {
        let is_waiting = steps.is_waiting(steps.trees.get(&(host, stack)));
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

fn networks(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Network> {
    let going = before.networks.iter().filter(|network| {
        let there = target.networks.iter().any(|after| after.name == network.name);
        !there && steps.is_waiting(steps.removed_networks.get(&(host, &network.name)))
    });
    let mut networks: Vec<Network> = target.networks.iter().chain(going).cloned().collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    networks
}

/// Volumes of a host. Data is deleted only after the instances that used it are removed.
fn volumes(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Volume> {
    let find = |name: &str| before.volumes.iter().find(|volume| volume.name == name).cloned();
    let choose = |after: &Volume| {
        if steps.is_waiting(steps.removed_volumes.get(&(host, &after.name))) {
            find(&after.name).unwrap_or_else(|| Volume { remove: false, ..after.clone() })
        } else {
            after.clone()
        }
    };
    target.volumes.iter().map(choose).collect()
}
