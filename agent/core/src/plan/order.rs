//! Orders the steps of different instances: which must release an address or a port first, and which waits for which after
//! a reboot.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Reached, Seen, Unmet, reached};
use super::{Action, Plan, Waiting};
use crate::attempts::Resource;
use crate::desired::{Claim, Desired, Incarnation, Instance, InstanceName, Wanted};
use crate::observed::{Container, Observed, State};

/// Puts each start after the stops of the containers that hold what it claims.
pub(super) fn claims(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    let stops: Vec<(usize, Incarnation, &BTreeSet<Claim>)> = plan
        .steps
        .iter()
        .enumerate()
        .filter_map(|(position, step)| match &step.action {
            Action::Stop { instance, container, .. } => {
                observed.containers.get(container).map(|found| (position, instance.clone(), &found.claims))
            }
            _ => None,
        })
        .collect();
    for step in &mut plan.steps {
        let Action::Start { instance, .. } = &step.action else { continue };
        let Some(wanted) = desired.instances.get(instance) else { continue };
        for (position, holder, held) in &stops {
            if holder != instance && held.iter().any(|held| wanted.claims.iter().any(|claim| claim.clashes(held))) {
                step.after.insert(*position);
            }
        }
    }
}

/// Makes starts wait for the services that they depend on. Containers that only continue after an update do not wait. `held_up`
/// are the instances that wait for others on other hosts.
pub(super) fn dependencies(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    given_up: &BTreeSet<Resource>,
    held_up: &BTreeMap<InstanceName, Waiting>,
) {
    let starts: BTreeMap<Incarnation, usize> = plan
        .steps
        .iter()
        .enumerate()
        .filter_map(|(position, step)| match &step.action {
            Action::Start { instance, .. } => Some((instance.clone(), position)),
            _ => None,
        })
        .collect();
    let mut held_back = BTreeSet::new();
    for (name, position) in &starts {
        let Some(instance) = desired.instances.get(name) else { continue };
        if !from_rest(name, instance, desired, observed) {
            continue;
        }
        for dependency in &instance.depends_on {
            let others = desired.instances.iter().filter(|(Incarnation { instance: other, .. }, _)| {
                let this = &name.instance;
                other.stack == this.stack && other.service == dependency.service && other != this
            });
            // One that is drained or gone does not serve others any more. One that has moved runs on another host, if it runs at
            // all.
            let serves = |other: &Instance| {
                !other.stopped && other.wanted == Wanted::Run && desired.elsewhere.moved(&other.addresses).is_none()
            };
            for (other, _) in others.filter(|(_, other)| serves(other)) {
                let seen: Vec<Seen> = containers(other, desired, observed).map(Seen::from).collect();
                match reached(&seen, dependency.condition, starts.contains_key(other)) {
                    Reached::Yes => {}
                    Reached::AfterStart => {
                        plan.steps[*position].after.extend(starts.get(other));
                    }
                    Reached::No(what) => {
                        let hopeless = given_up.contains(&Resource::Instance(other.clone()))
                            || plan.waiting.get(other).is_some_and(|waiting| waiting.hopeless)
                            || what == Unmet::Failed;
                        let reason = format!("waits for {}, which {}", other.instance, what.words());
                        plan.waiting.insert(name.clone(), Waiting { reason, hopeless });
                        held_back.insert(*position);
                    }
                }
            }
        }
        if let Some(waiting) = held_up.get(&name.instance) {
            plan.waiting.entry(name.clone()).or_insert_with(|| waiting.clone());
            held_back.insert(*position);
        }
    }
    drop_steps(plan, held_back);
}

/// Whether the incarnation neither runs nor ran until it was stopped to be replaced. A start after such a stop does not wait,
/// because that would prolong the interruption.
fn from_rest(name: &Incarnation, instance: &Instance, desired: &Desired, observed: &Observed) -> bool {
    let was_replaced = |it: &Container| it.state == State::Exited && !it.is_wanted(name, instance);
    !containers(name, desired, observed).any(|container| container.state.is_up() || was_replaced(container))
}

fn containers<'a>(
    name: &'a Incarnation,
    desired: &'a Desired,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a Container> {
    observed.containers.values().filter(move |container| container.is_of(name, desired))
}

/// Drops steps, and with them all that come after them.
fn drop_steps(plan: &mut Plan, mut dropped: BTreeSet<usize>) {
    if dropped.is_empty() {
        return;
    }
    let waiting = &mut plan.waiting;
    // A start may come after one with a higher position, so one pass is not enough.
    loop {
        let before = dropped.len();
        for (position, step) in plan.steps.iter().enumerate() {
            if step.after.is_disjoint(&dropped) || !dropped.insert(position) {
                continue;
            }
            if let Action::Start { instance, .. } = &step.action {
                let others = step.after.iter().filter(|earlier| dropped.contains(earlier));
                let hopeless = others
                    .filter_map(|earlier| waiting.get(plan.steps[*earlier].action.instance()?))
                    .any(|other| other.hopeless);
                let reason = "waits for an instance that waits itself".to_owned();
                waiting.entry(instance.clone()).or_insert(Waiting { reason, hopeless });
            }
        }
        if dropped.len() == before {
            break;
        }
    }
    let kept: Vec<usize> = (0..plan.steps.len()).filter(|position| !dropped.contains(position)).collect();
    let new: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let steps = std::mem::take(&mut plan.steps);
    for (position, mut step) in steps.into_iter().enumerate() {
        if new.contains_key(&position) {
            step.after = step.after.iter().filter_map(|earlier| new.get(earlier).copied()).collect();
            plan.steps.push(step);
        }
    }
}
