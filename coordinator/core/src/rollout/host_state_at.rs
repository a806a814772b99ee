//! Host states at one moment of a rollout: what steps that have begun change is new, and everything else is as before.
//!
//! While steps are running, names and neighbours are those of before and after together, so that one change does not send
//! every host a new state. At the end they are exactly those of the target.
use std::collections::{BTreeMap, BTreeSet};

use super::{Progress, State};
use crate::deployment::InstanceName;
use crate::desired::{HostState, Instance, Name, Neighbour, Network, Tree, Volume, neighbours};
use crate::plan::{Action, Step};

/// States of all hosts. Their epochs and generations are those of the target and have no meaning.
pub(super) fn host_states_at(state: &State) -> BTreeMap<String, HostState> {
    let steps = Steps::new(state);
    let at_end = steps.all_instances_done;
    let mut states: BTreeMap<String, HostState> = BTreeMap::new();
    let nothing = HostState::default();
    for (host, target) in &state.target {
        let before = state.before.get(host).unwrap_or(&nothing);
        states.insert(host.clone(), host_state_at(&steps, host, before, target, at_end));
    }
    if !at_end {
        add_neighbours(state, &mut states);
    }
    states
}

/// The steps of the plan by host and by what they change there.
struct Steps<'s> {
    state: &'s State,
    all_instances_done: bool,
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
    fn new(state: &'s State) -> Self {
        let mut steps = Self {
            state,
            all_instances_done: state.instance_steps_done(),
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
}

fn host_state_at(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState, at_end: bool) -> HostState {
    HostState {
        networks: networks(steps, host, before, target),
        volumes: volumes(steps, host, before, target),
        trees: trees(steps, host, before, target),
        instances: instances(steps, host, before, target),
        names: if at_end { target.names.clone() } else { merged_names(before, target) },
        ..target.clone()
    }
}

fn instances(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Instance> {
    let names: BTreeSet<&InstanceName> = before.instances.iter().chain(&target.instances).map(|it| &it.name).collect();
    let choose = |name: &InstanceName| match (before.instance(name), target.instance(name)) {
        (old, Some(new)) => {
            if steps.has_new(host, name) {
                Some(new)
            } else {
                old
            }
        }
        (old, None) => old.filter(|_| steps.stays(host, name)),
    };
    names.into_iter().filter_map(choose).cloned().collect()
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

/// Names of before and after together. Old names resolve until the end of the rollout.
fn merged_names(before: &HostState, target: &HostState) -> Vec<Name> {
    let by_name = |names: &[Name]| names.iter().map(|it| (it.name.clone(), it.clone())).collect::<BTreeMap<_, _>>();
    let mut names = by_name(&before.names);
    names.extend(by_name(&target.names));
    names.into_values().collect()
}

/// Enters the neighbours: those of before, overridden by those of the target, overridden by the current ones.
fn add_neighbours(state: &State, states: &mut BTreeMap<String, HostState>) {
    let layers = [neighbours(&state.before), neighbours(&state.target), neighbours(states)];
    let mut merged: BTreeMap<&str, BTreeMap<std::net::Ipv4Addr, &Neighbour>> = BTreeMap::new();
    for (network, all) in layers.iter().flatten() {
        let by_address = all.iter().filter_map(|neighbour| Some((neighbour.address.parse().ok()?, neighbour)));
        merged.entry(network).or_default().extend(by_address);
    }
    for network in states.values_mut().flat_map(|state| &mut state.networks) {
        let (Some(overlay), Some(all)) = (&mut network.overlay, merged.get(network.name.as_str())) else { continue };
        let elsewhere = all.values().filter(|neighbour| neighbour.host != overlay.local);
        overlay.neighbours = elsewhere.map(|neighbour| (*neighbour).clone()).collect();
    }
}
