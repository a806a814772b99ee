//! What a host must be at this moment of a rollout: what is released as it will be, everything else as it was.
//!
//! Names and neighbours are those of before and after together while steps are under way, so that one change does not
//! send every host a new state; in the end they are exactly the target's.
use std::collections::{BTreeMap, BTreeSet};

use super::{Progress, State};
use crate::deployment::InstanceName;
use crate::desired::{HostState, Instance, Name, Neighbour, Network, Tree, Volume, neighbours};
use crate::plan::Action;

/// By host. Epochs and generations are those of the target and mean nothing.
pub(super) fn pictures(state: &State) -> BTreeMap<String, HostState> {
    let steps = Steps::new(state);
    let at_end = steps.all_instances_done;
    let mut pictures: BTreeMap<String, HostState> = BTreeMap::new();
    let nothing = HostState::default();
    for (host, target) in &state.target {
        let before = state.before.get(host).unwrap_or(&nothing);
        pictures.insert(host.clone(), picture(&steps, host, before, target, at_end));
    }
    if !at_end {
        connect(state, &mut pictures);
    }
    pictures
}

/// Which steps have been released, by what they are about.
struct Steps<'s> {
    state: &'s State,
    all_instances_done: bool,
    by_subject: BTreeMap<(&'s str, &'s str, Action), usize>,
    trees: BTreeMap<(&'s str, &'s str, Action), usize>,
}

impl<'s> Steps<'s> {
    fn new(state: &'s State) -> Self {
        let mut steps = Self {
            state,
            all_instances_done: state.instance_steps_done(),
            by_subject: BTreeMap::new(),
            trees: BTreeMap::new(),
        };
        for (at, step) in state.plan.steps.iter().enumerate() {
            let host =
                if step.action == Action::Move { step.from.as_deref().unwrap_or(&step.host) } else { &step.host };
            steps.by_subject.insert((host, &step.instance, step.action), at);
            if step.instance.is_empty() {
                steps.trees.insert((host, &step.stack, step.action), at);
            }
        }
        steps
    }

    /// `None` when no step does this; else whether its step has been released.
    fn released(&self, host: &str, subject: &str, action: Action) -> Option<bool> {
        self.by_subject.get(&(host, subject, action)).map(|at| self.is_released(*at))
    }

    fn tree_released(&self, host: &str, stack: &str, action: Action) -> Option<bool> {
        self.trees.get(&(host, stack, action)).map(|at| self.is_released(*at))
    }

    fn is_released(&self, at: usize) -> bool {
        self.state.steps[at].progress != Progress::Waiting
    }

    /// A move that has left its old host arrives at the new one.
    fn arrives(&self, host: &str, instance: &str) -> Option<bool> {
        let steps = self.state.plan.steps.iter().zip(&self.state.steps);
        let mut moves =
            steps.filter(|(step, _)| step.action == Action::Move && step.host == host && step.instance == instance);
        moves.next().map(|(_, state)| state.left)
    }
}

fn picture(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState, at_end: bool) -> HostState {
    HostState {
        networks: networks(steps, host, before, target),
        volumes: volumes(steps, host, before, target),
        trees: trees(steps, host, before, target),
        instances: instances(steps, host, before, target),
        names: if at_end { target.names.clone() } else { both(before, target) },
        ..target.clone()
    }
}

fn instances(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Instance> {
    let names: BTreeSet<&InstanceName> = before.instances.iter().chain(&target.instances).map(|it| &it.name).collect();
    let choose = |name: &InstanceName| {
        let subject = name.to_string();
        match (before.instance(name), target.instance(name)) {
            (Some(old), Some(new)) => match steps.released(host, &subject, Action::Recreate) {
                Some(false) => Some(old),
                _ => Some(new),
            },
            (None, Some(new)) => {
                let created = steps.released(host, &subject, Action::Create);
                created.or_else(|| steps.arrives(host, &subject)).unwrap_or(true).then_some(new)
            }
            (Some(old), None) => {
                let removed = steps.released(host, &subject, Action::Remove);
                let gone = removed.or_else(|| steps.released(host, &subject, Action::Move)).unwrap_or(true);
                (!gone).then_some(old)
            }
            (None, None) => None,
        }
    };
    names.into_iter().filter_map(choose).cloned().collect()
}

fn trees(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Tree> {
    let find = |state: &HostState, stack: &str| state.trees.iter().find(|tree| tree.stack == stack).cloned();
    let stacks: BTreeSet<&String> = before.trees.iter().chain(&target.trees).map(|tree| &tree.stack).collect();
    let choose = |stack: &String| match (find(before, stack), find(target, stack)) {
        (old, Some(new)) => match steps.tree_released(host, stack, Action::Sync) {
            Some(false) => old,
            _ => Some(new),
        },
        (old, None) => old.filter(|_| steps.tree_released(host, stack, Action::RemoveTree) == Some(false)),
    };
    stacks.into_iter().filter_map(choose).collect()
}

fn networks(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Network> {
    let going = before.networks.iter().filter(|network| {
        let there = target.networks.iter().any(|after| after.name == network.name);
        !there && steps.released(host, &network.name, Action::RemoveNetwork) == Some(false)
    });
    let mut networks: Vec<Network> = target.networks.iter().chain(going).cloned().collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    networks
}

/// Data is deleted only once whoever used it is gone.
fn volumes(steps: &Steps<'_>, host: &str, before: &HostState, target: &HostState) -> Vec<Volume> {
    let find = |name: &str| before.volumes.iter().find(|volume| volume.name == name).cloned();
    let choose = |after: &Volume| match steps.released(host, &after.name, Action::RemoveVolume) {
        Some(false) => find(&after.name).unwrap_or_else(|| Volume { remove: false, ..after.clone() }),
        _ => after.clone(),
    };
    target.volumes.iter().map(choose).collect()
}

/// Names of before that are no more answer until the end.
fn both(before: &HostState, target: &HostState) -> Vec<Name> {
    let by_name = |names: &[Name]| names.iter().map(|it| (it.name.clone(), it.clone())).collect::<BTreeMap<_, _>>();
    let mut names = by_name(&before.names);
    names.extend(by_name(&target.names));
    names.into_values().collect()
}

/// Neighbours: those of before, over them those to be, over them those that are.
fn connect(state: &State, pictures: &mut BTreeMap<String, HostState>) {
    let layers = [neighbours(&state.before), neighbours(&state.target), neighbours(pictures)];
    let mut merged: BTreeMap<&str, BTreeMap<std::net::Ipv4Addr, &Neighbour>> = BTreeMap::new();
    for (network, all) in layers.iter().flatten() {
        let by_address = all.iter().filter_map(|neighbour| Some((neighbour.address.parse().ok()?, neighbour)));
        merged.entry(network).or_default().extend(by_address);
    }
    for network in pictures.values_mut().flat_map(|picture| &mut picture.networks) {
        let (Some(overlay), Some(all)) = (&mut network.overlay, merged.get(network.name.as_str())) else { continue };
        let elsewhere = all.values().filter(|neighbour| neighbour.host != overlay.local);
        overlay.neighbours = elsewhere.map(|neighbour| (*neighbour).clone()).collect();
    }
}
