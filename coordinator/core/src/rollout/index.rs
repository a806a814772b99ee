//! What is looked up in a plan while it is carried out. It is made once, so that an event costs what it concerns.
use std::collections::{BTreeMap, BTreeSet};

use crate::deployment::{Condition, InstanceName, StackService};
use crate::desired::HostState;
use crate::plan::{Action, Plan, Step};
use crate::ties::joined;

/// Steps of a plan, as positions, and what instances wait for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Host of each instance of the target.
    pub(super) placed: BTreeMap<InstanceName, String>,
    /// Steps that change this instance.
    changes_of: BTreeMap<InstanceName, Vec<usize>>,
    /// Steps that change an instance.
    changes: Vec<usize>,
    /// Steps that update an instance of this service.
    updates_of: BTreeMap<StackService, Vec<usize>>,
    /// Steps by the host on which they act. A move is listed under both of its hosts.
    hosts: BTreeMap<String, OnHost>,
    /// For each step, those that recreate the instances whose namespaces its container shares.
    owners: Vec<Vec<usize>>,
    /// Conditions that an instance of the target waits for.
    awaited: BTreeSet<(StackService, Condition)>,
}

/// Steps that act on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OnHost {
    /// All of them.
    all: Vec<usize>,
    /// Steps that change an instance of this stack.
    changes_of_stack: BTreeMap<String, Vec<usize>>,
    /// Steps that change an instance; a move is listed under its new host.
    pub(super) changes: BTreeMap<InstanceName, usize>,
    /// Steps that take an instance off the host; a move is listed under its old host.
    pub(super) leaving: BTreeMap<InstanceName, usize>,
    /// Steps that sync a stack or remove its bundle.
    pub(super) trees: BTreeMap<String, usize>,
    pub(super) removed_networks: BTreeMap<String, usize>,
    pub(super) removed_volumes: BTreeMap<String, usize>,
}

impl OnHost {
    fn add(&mut self, at: usize, action: &Action) {
        self.all.push(at);
        if let Some(change) = action.change() {
            let InstanceName { stack, .. } = &change.instance;
            self.changes_of_stack.entry(stack.clone()).or_default().push(at);
            self.changes.insert(change.instance.clone(), at);
        }
        match action {
            Action::Remove { instance } => drop(self.leaving.insert(instance.clone(), at)),
            Action::Sync { stack } | Action::RemoveTree { stack } => drop(self.trees.insert(stack.clone(), at)),
            Action::RemoveNetwork { network, .. } => drop(self.removed_networks.insert(network.clone(), at)),
            Action::RemoveVolume { volume, .. } => drop(self.removed_volumes.insert(volume.clone(), at)),
            Action::Create { .. }
            | Action::Start { .. }
            | Action::Recreate { .. }
            | Action::Move { .. }
            | Action::CreateNetwork { .. }
            | Action::CreateVolume { .. }
            | Action::Configure => {}
        }
    }
}

impl Index {
    pub(super) fn new(plan: &Plan, target: &BTreeMap<String, HostState>) -> Self {
        let mut index = Self { owners: owners(plan, target), ..Self::default() };
        for (at, step) in plan.steps.iter().enumerate() {
            index.hosts.entry(step.host.clone()).or_default().add(at, &step.action);
            if let Action::Move { from, change, .. } = &step.action {
                let left = index.hosts.entry(from.clone()).or_default();
                left.all.push(at);
                left.leaving.insert(change.instance.clone(), at);
            }
            if let Some(change) = step.action.change() {
                index.changes.push(at);
                index.changes_of.entry(change.instance.clone()).or_default().push(at);
            }
            if let Some(name) = step.action.update().and(step.action.instance()) {
                index.updates_of.entry(name.service_name()).or_default().push(at);
            }
        }
        for (host, state) in target {
            for instance in state.running() {
                index.placed.insert(instance.name.clone(), host.clone());
                let awaited = instance.depends_on.iter().map(|on| {
                    (StackService { service: on.service.clone(), ..instance.name.service_name() }, on.condition)
                });
                index.awaited.extend(awaited);
            }
        }
        index
    }

    pub(super) fn changes_of(&self, instance: &InstanceName) -> &[usize] {
        steps(&self.changes_of, instance)
    }

    pub(super) fn changes_on(&self, host: &str, stack: &str) -> &[usize] {
        self.host(host).and_then(|here| here.changes_of_stack.get(stack)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn changes(&self) -> &[usize] {
        &self.changes
    }

    pub(super) fn updates_of(&self, service: &StackService) -> &[usize] {
        steps(&self.updates_of, service)
    }

    /// Steps that act on a host; none if it has none.
    pub(super) fn host(&self, host: &str) -> Option<&OnHost> {
        self.hosts.get(host)
    }

    pub(super) fn on(&self, host: &str) -> &[usize] {
        self.host(host).map_or(&[], |here| here.all.as_slice())
    }

    pub(super) fn owners(&self, at: usize) -> &[usize] {
        self.owners.get(at).map_or(&[], Vec::as_slice)
    }

    /// Whether an instance of the target waits for this condition of a service.
    pub(super) fn is_awaited(&self, service: &StackService, condition: Condition) -> bool {
        self.awaited.contains(&(service.clone(), condition))
    }
}

fn steps<'i, K: Ord>(index: &'i BTreeMap<K, Vec<usize>>, key: &K) -> &'i [usize] {
    index.get(key).map_or(&[], Vec::as_slice)
}

/// For each step of a plan, the steps that recreate the instances whose namespaces its container shares.
fn owners(plan: &Plan, target: &BTreeMap<String, HostState>) -> Vec<Vec<usize>> {
    let mut recreations: BTreeMap<&str, BTreeMap<&InstanceName, usize>> = BTreeMap::new();
    for (at, step) in plan.steps.iter().enumerate() {
        if let Some(name) = recreated(step) {
            recreations.entry(&step.host).or_default().insert(name, at);
        }
    }
    let owners = |step: &Step| {
        let found = recreated(step).zip(target.get(&step.host)).zip(recreations.get(step.host.as_str()));
        let Some(((name, target), here)) = found else { return Vec::new() };
        let Some(instance) = target.instance(name) else { return Vec::new() };
        let all = target.instances.iter().map(|instance| &instance.name).filter(|other| other.stack == name.stack);
        let joined = joined(name, &instance.container, all);
        let owners: BTreeSet<usize> = joined.iter().filter_map(|owner| here.get(owner).copied()).collect();
        owners.into_iter().collect()
    };
    plan.steps.iter().map(owners).collect()
}

/// The instance that a step recreates.
fn recreated(step: &Step) -> Option<&InstanceName> {
    match &step.action {
        Action::Recreate { change, .. } => Some(&change.instance),
        _ => None,
    }
}
