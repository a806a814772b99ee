//! Independent checker for plans. It carries out a plan step by step in memory and reports what is wrong. It shares no code
//! with the planner.
#![allow(dead_code)]
use std::collections::{BTreeMap, BTreeSet};

use landfast_core::desired::{HostState, Instance};
use landfast_core::plan::{Action, Plan, Step};

type Hosts = BTreeMap<String, HostState>;

/// Everything that is wrong with a plan from the current to the target states.
pub(crate) fn examine(plan: &Plan, current: &Hosts, target: &Hosts) -> Vec<String> {
    let mut wrong = Vec::new();
    wrong.extend(order(plan));
    wrong.extend(things(plan, current, target));
    wrong.extend(run(plan, current, target));
    wrong
}

/// Steps whose `after` lists a later step.
fn order(plan: &Plan) -> Vec<String> {
    let late = |(at, step): (usize, &Step)| {
        step.after.iter().any(|before| *before >= at).then(|| format!("{at}: after a later one"))
    };
    plan.steps.iter().enumerate().filter_map(late).collect()
}

/// Differences between the steps about networks, volumes and trees and those that are needed.
fn things(plan: &Plan, current: &Hosts, target: &Hosts) -> Vec<String> {
    let mut wanted = BTreeSet::new();
    for (host, target) in target {
        let nothing = HostState::default();
        let current = current.get(host).unwrap_or(&nothing);
        let names = |state: &HostState| state.networks.iter().map(|it| it.name.clone()).collect::<BTreeSet<_>>();
        let mut want = |verb, name: &str| wanted.extend([(host.clone(), verb, name.to_owned())]);
        names(target).difference(&names(current)).for_each(|name| want("create network", name));
        names(current).difference(&names(target)).for_each(|name| want("remove network", name));
        for volume in &target.volumes {
            let before = current.volumes.iter().find(|before| before.name == volume.name).map(|before| before.remove);
            match (before, volume.remove) {
                (Some(false), true) => want("remove volume", &volume.name),
                (None | Some(true), false) => want("create volume", &volume.name),
                _ => {}
            }
        }
        let tree = |state: &HostState| {
            state.trees.iter().map(|it| (it.stack.clone(), it.manifest.clone())).collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (tree(current), tree(target));
        after
            .iter()
            .filter(|(stack, manifest)| before.get(*stack) != Some(*manifest))
            .for_each(|(stack, _)| want("sync", stack));
        before.keys().filter(|stack| !after.contains_key(*stack)).for_each(|stack| want("remove bundle", stack));
    }
    let is_thing = |step: &&Step| step.action.instance().is_none() && step.action != Action::Configure;
    let planned = plan.steps.iter().filter(is_thing);
    let planned = planned.map(|step| (step.host.clone(), step.action.label(), step.action.subject()));
    let planned: BTreeSet<_> = planned.collect();
    wanted.symmetric_difference(&planned).map(|it| format!("not the same things: {it:?}")).collect()
}

/// Instances by host and name.
type World<'a> = BTreeMap<(String, String), &'a Instance>;

fn world(hosts: &Hosts) -> World<'_> {
    let all = hosts.iter().flat_map(|(host, state)| state.instances.iter().map(move |it| (host, it)));
    all.map(|(host, instance)| ((host.clone(), instance.name.to_string()), instance)).collect()
}

fn run(plan: &Plan, current: &Hosts, target: &Hosts) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut here, wanted) = (world(current), world(target));
    let mut done: BTreeSet<String> = BTreeSet::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let Some(name) = step.action.instance() else { continue };
        let key = (step.host.clone(), name.to_string());
        let mut complain = |what: &str| wrong.push(format!("{at} ({} {name}): {what}", step.action.label()));
        let is_removal = matches!(step.action, Action::Remove { .. });
        if !is_removal && !done.insert(name.to_string()) {
            complain("a second step for it");
        }
        let old = match &step.action {
            Action::Move { from, .. } => here.remove(&(from.clone(), name.to_string())),
            _ => here.remove(&key),
        };
        match (&step.action, old.is_some()) {
            (Action::Create { .. }, true) => complain("it exists already"),
            (Action::Create { .. } | Action::Remove { .. }, _) | (_, true) => {}
            (_, false) => complain("it does not exist"),
        }
        if is_removal {
            if old.is_none() {
                complain("it does not exist");
            }
            let needed = |it: &&&Instance| {
                it.name.stack == name.stack && it.depends_on.iter().any(|on| on.service == name.service)
            };
            let last = !here.keys().any(|(_, other)| other.starts_with(&format!("{}.", name.service_name())));
            if let Some(dependent) =
                here.values().find(needed).filter(|it| last && !wanted.values().any(|w| w.name == it.name))
            {
                complain(&format!("{} still needs it", dependent.name));
            }
            continue;
        }
        let Some(new) = wanted.get(&key) else {
            complain("the target does not have it");
            continue;
        };
        for clash in clashes(&here, &step.host, new) {
            complain(&clash);
        }
        for on in &new.depends_on {
            let theirs = wanted.iter().filter(|(_, it)| it.name.stack == name.stack && it.name.service == on.service);
            for (key, it) in theirs.filter(|(key, it)| here.get(*key).is_none_or(|there| there.digest != it.digest)) {
                complain(&format!("{} on {} is not yet what it will be", it.name, key.0));
            }
        }
        if step.reasons.is_empty() {
            complain("no reason");
        }
        here.insert(key, new);
    }
    let digests =
        |world: &World<'_>| world.iter().map(|(key, it)| (key.clone(), it.digest.clone())).collect::<BTreeSet<_>>();
    wrong.extend(
        digests(&here).symmetric_difference(&digests(&wanted)).map(|it| format!("at the end not as wanted: {it:?}")),
    );
    wrong
}

fn clashes(here: &World<'_>, host: &str, new: &Instance) -> Vec<String> {
    let mut clashes = Vec::new();
    for ((other_host, name), other) in here {
        for end in &new.container.networks {
            let mut theirs = other.container.networks.iter();
            if !end.mac.is_empty() && theirs.any(|it| it.network == end.network && it.address == end.address) {
                clashes.push(format!("{name} still has {:?}", end.address));
            }
        }
        let ports =
            |instance: &Instance| instance.container.ports.iter().map(|it| it.published).collect::<BTreeSet<_>>();
        if other_host == host && !ports(new).is_disjoint(&ports(other)) {
            clashes.push(format!("{name} still has its port"));
        }
    }
    clashes
}
