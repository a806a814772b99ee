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
    /// Steps that change an instance of this stack on this host.
    changes_on: BTreeMap<(String, String), Vec<usize>>,
    /// Steps that change an instance.
    changes: Vec<usize>,
    /// Steps that update an instance of this service.
    updates_of: BTreeMap<StackService, Vec<usize>>,
    /// Steps in which this host acts. A move is listed under both of its hosts.
    on: BTreeMap<String, Vec<usize>>,
    /// For each step, those that recreate the instances whose namespaces its container shares.
    owners: Vec<Vec<usize>>,
    /// Conditions that an instance of the target waits for.
    awaited: BTreeSet<(StackService, Condition)>,
}

impl Index {
    pub(super) fn new(plan: &Plan, target: &BTreeMap<String, HostState>) -> Self {
        let mut index = Self { owners: owners(plan, target), ..Self::default() };
        for (at, step) in plan.steps.iter().enumerate() {
            index.on.entry(step.host.clone()).or_default().push(at);
            if let Action::Move { from, .. } = &step.action {
                index.on.entry(from.clone()).or_default().push(at);
            }
            if let Some(change) = step.action.change() {
                let stack = (step.host.clone(), change.instance.stack.clone());
                index.changes.push(at);
                index.changes_of.entry(change.instance.clone()).or_default().push(at);
                index.changes_on.entry(stack).or_default().push(at);
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
        steps(&self.changes_on, &(host.to_owned(), stack.to_owned()))
    }

    pub(super) fn changes(&self) -> &[usize] {
        &self.changes
    }

    pub(super) fn updates_of(&self, service: &StackService) -> &[usize] {
        steps(&self.updates_of, service)
    }

    pub(super) fn on(&self, host: &str) -> &[usize] {
        self.on.get(host).map_or(&[], Vec::as_slice)
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
