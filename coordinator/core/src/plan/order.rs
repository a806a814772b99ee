//! Order of steps: networks, volumes and bundles come first. Containers follow, dependencies before dependents, and updates
//! one service at a time. Removals come last, dependents first. An instance that needs the port, name or address of
//! a container that is removed waits for that removal.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::instances_by_side::InstancesBySide;
use super::{Action, Plan, Step};
use crate::container::{Container, Source};
use crate::deployment::{Condition, InstanceName, StackService};
use crate::desired::Instance;
use crate::ports::overlap;

/// Sorts the steps and enters in each the steps that must be done first.
pub(super) fn order(sides: &InstancesBySide<'_>, mut steps: Vec<Step>) -> Plan {
    let coming = depths(&dependencies(sides.new.values().map(|(_, instance)| *instance)));
    let going = depths(&dependencies(sides.old.values().flat_map(|hosts| hosts.values().copied())));
    let depth = |action: &Action| {
        let service = action.instance().map(InstanceName::service_name);
        let of = |depths: &Depths| service.as_ref().and_then(|service| depths.get(service)).copied().unwrap_or(0);
        // Dependents are removed before their dependencies.
        if matches!(action, Action::Remove { .. }) { usize::MAX - of(&going) } else { of(&coming) }
    };
    steps.sort_by_cached_key(|Step { action, host, .. }| {
        let stack = action.stack().map(str::to_owned);
        (phase(action), stack, depth(action), action.instance().cloned(), action.subject(), host.clone())
    });
    let needs = Needs::new(sides, &steps);
    needs.into_plan(steps)
}

fn phase(action: &Action) -> u8 {
    match action {
        Action::CreateNetwork { .. } => 0,
        Action::CreateVolume { .. } => 1,
        Action::Sync { .. } => 2,
        Action::Create { .. } | Action::Start { .. } | Action::Recreate { .. } | Action::Move { .. } => 3,
        Action::Remove { .. } => 4,
        Action::RemoveTree { .. } => 5,
        Action::RemoveNetwork { .. } => 6,
        Action::RemoveVolume { .. } => 7,
        Action::Configure => 8,
    }
}

type Dependencies = BTreeMap<StackService, BTreeSet<StackService>>;
type Depths = BTreeMap<StackService, usize>;

/// Length of the longest chain of dependencies below each service.
fn depths(dependencies: &Dependencies) -> Depths {
    let mut depths: Depths = dependencies.keys().map(|service| (service.clone(), 0)).collect();
    // A chain is at most as long as the number of services; a cycle ends the loop there.
    for _ in 0..dependencies.len() {
        let mut moved = false;
        for (service, on) in dependencies {
            let deepest = on.iter().filter_map(|on| depths.get(on)).max().map_or(0, |depth| depth + 1);
            if depths.get(service).is_some_and(|depth| *depth < deepest) {
                depths.insert(service.clone(), deepest);
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    depths
}

/// Dependencies of each service.
fn dependencies<'a>(instances: impl Iterator<Item = &'a Instance>) -> Dependencies {
    let mut dependencies = Dependencies::new();
    for instance in instances {
        let on = instance.depends_on.iter().map(|on| StackService::new(&instance.name.stack, &on.service));
        dependencies.entry(instance.name.service_name()).or_default().extend(on);
    }
    dependencies
}

/// Constraints on the order, by index of the step.
struct Needs {
    /// Steps that must be done first.
    after: Vec<BTreeSet<usize>>,
    /// Steps that must be done first because they release a port, name or address. They are dropped if there is a cycle.
    claims: Vec<BTreeSet<usize>>,
    /// Steps that come earlier in the plan and need not be done first: it is enough that their instance has started.
    begun: Vec<BTreeSet<usize>>,
}

impl Needs {
    fn new(sides: &InstancesBySide<'_>, steps: &[Step]) -> Self {
        let nothing = || vec![BTreeSet::new(); steps.len()];
        let mut needs = Self { after: nothing(), claims: nothing(), begun: nothing() };
        needs.dependencies_go_first(steps);
        needs.updates_one_service_at_a_time(steps);
        needs.dependents_go_first(sides, steps);
        needs.claims(sides, steps);
        needs.removals_last(sides, steps);
        needs
    }

    fn dependencies_go_first(&mut self, steps: &[Step]) {
        let steps = steps.iter().enumerate();
        let changes = steps.clone().filter_map(|(at, step)| Some((&step.action.change()?.instance, at)));
        let by_name: BTreeMap<_, _> = changes.collect();
        for (at, step) in steps {
            for wait in step.action.waits_for() {
                let Some(before) = by_name.get(&wait.instance) else { continue };
                let needs = if wait.condition == Condition::Started { &mut self.begun } else { &mut self.after };
                needs[at].insert(*before);
            }
        }
    }

    fn updates_one_service_at_a_time(&mut self, steps: &[Step]) {
        let mut groups: Vec<(StackService, Vec<usize>)> = Vec::new();
        let updates = steps.iter().enumerate().filter(|(_, step)| step.action.update().is_some());
        for (at, step) in updates {
            let Some(service) = step.action.instance().map(InstanceName::service_name) else { continue };
            match groups.last_mut() {
                Some((last, members)) if *last == service => members.push(at),
                _ => groups.push((service, vec![at])),
            }
        }
        // Instances of a service that are only started come before those that are updated.
        for (at, step) in steps.iter().enumerate() {
            let Action::Start { change, .. } = &step.action else { continue };
            let service = change.instance.service_name();
            for (_, members) in groups.iter().filter(|(group, _)| *group == service) {
                members.iter().for_each(|member| self.after[*member].extend([at]));
            }
        }
        // Stacks are updated side by side.
        let stacks: BTreeSet<String> = groups.iter().map(|(service, _)| service.stack.clone()).collect();
        for stack in stacks {
            let of_stack: Vec<_> = groups.iter().filter(|(service, _)| service.stack == stack).collect();
            for pair in of_stack.windows(2) {
                for &member in &pair[1].1 {
                    self.after[member].extend(&pair[0].1);
                }
            }
        }
    }

    fn dependents_go_first(&mut self, sides: &InstancesBySide<'_>, steps: &[Step]) {
        let dependencies = dependencies(sides.old.values().flat_map(|hosts| hosts.values().copied()));
        let removes: Vec<(usize, StackService)> = removes(steps);
        for (dependent_at, dependent) in &removes {
            for (at, service) in &removes {
                if dependencies.get(dependent).is_some_and(|on| on.contains(service)) {
                    self.after[*at].insert(*dependent_at);
                }
            }
        }
    }

    /// An instance that takes over a port, name or address waits for the container that has it.
    fn claims(&mut self, sides: &InstancesBySide<'_>, steps: &[Step]) {
        let released = Released::new(sides, steps);
        for (taker, takes) in steps.iter().enumerate() {
            let found = takes.action.change().and_then(|change| sides.new.get(&change.instance));
            let Some((new_host, new)) = found else { continue };
            for giver in released.in_question(new_host, &new.container) {
                let Some((old_host, old)) = released.containers[giver] else { continue };
                if giver != taker && collide(old, &new.container, old_host == *new_host) {
                    self.claims[taker].insert(giver);
                }
            }
        }
    }

    /// Every removal waits for every change of its stack, except for the changes that wait for this removal. A network or a volume
    /// also waits for the instances of other stacks that have used it.
    fn removals_last(&mut self, sides: &InstancesBySide<'_>, steps: &[Step]) {
        let mut early: BTreeSet<usize> = BTreeSet::new();
        let mut ahead: Vec<usize> = self.claims.iter().flatten().copied().collect();
        while let Some(at) = ahead.pop() {
            if matches!(steps[at].action, Action::Remove { .. }) && early.insert(at) {
                ahead.extend(self.after[at].iter().copied());
            }
        }
        for (at, step) in steps.iter().enumerate() {
            let is_own = |action: &Action| step.action.stack().is_none() || action.stack() == step.action.stack();
            let about_instances = || places(steps, |action| action.instance().is_some() && is_own(action));
            match &step.action {
                Action::Remove { .. } if !early.contains(&at) => {
                    self.after[at].extend(places(steps, |action| action.change().is_some() && is_own(action)));
                }
                Action::RemoveTree { .. } => self.after[at].extend(about_instances()),
                Action::RemoveNetwork { network, .. } => {
                    self.after[at].extend(about_instances());
                    self.after[at]
                        .extend(users(sides, steps, |old| old.networks.iter().any(|end| end.network == *network)));
                }
                Action::RemoveVolume { volume, .. } => {
                    let source = Source::Volume(volume.clone());
                    self.after[at].extend(about_instances());
                    self.after[at]
                        .extend(users(sides, steps, |old| old.mounts.iter().any(|mount| mount.source == source)));
                }
                _ => {}
            }
        }
    }

    /// The steps in their final order: each after those that it needs, otherwise as sorted.
    fn into_plan(mut self, steps: Vec<Step>) -> Plan {
        let mut plan = Plan::default();
        let mut left: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
        let mut place: BTreeMap<usize, usize> = BTreeMap::new();
        // Steps that wait for a step, and the number of steps that a step waits for.
        let mut waiting_for: Vec<Vec<usize>> = vec![Vec::new(); left.len()];
        let mut missing: Vec<usize> = vec![0; left.len()];
        for (at, missing) in missing.iter_mut().enumerate() {
            for need in self.of(at).chain(self.begun[at].iter().copied()) {
                waiting_for[need].push(at);
                *missing += 1;
            }
        }
        let mut ready: BTreeSet<usize> = (0..left.len()).filter(|at| missing[*at] == 0).collect();
        while place.len() < left.len() {
            let next = match ready.pop_first() {
                Some(next) => next,
                None => {
                    let waiting = (0..left.len()).filter(|at| !place.contains_key(at)).collect();
                    self.break_cycle(waiting, &left, &mut plan.warnings)
                }
            };
            let Some(mut step) = left[next].take() else { break };
            step.after = self.of(next).filter_map(|need| place.get(&need).copied()).collect();
            step.after.sort_unstable();
            step.after.dedup();
            place.insert(next, plan.steps.len());
            plan.steps.push(step);
            for &at in &waiting_for[next] {
                missing[at] -= 1;
                if missing[at] == 0 && !place.contains_key(&at) {
                    ready.insert(at);
                }
            }
        }
        plan
    }

    fn of(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.after[at].iter().chain(&self.claims[at]).copied()
    }

    /// Drops the claims of one step, because instances that exchange a port or an address block each other.
    fn break_cycle(&mut self, waiting: Vec<usize>, left: &[Option<Step>], warnings: &mut Vec<String>) -> usize {
        let claiming = waiting.iter().copied().find(|at| !self.claims[*at].is_empty());
        let Some(at) = claiming.or_else(|| waiting.first().copied()) else { return 0 };
        let label = |at: usize| left[at].as_ref().map(|step| step.action.subject());
        if let Some(name) = label(at) {
            let others: Vec<_> = self.claims[at].iter().filter_map(|other| label(*other)).collect();
            if !others.is_empty() {
                let others = others.join(", ");
                warnings.push(format!(
                    "{name} needs a port, name or address that {others} still uses, so this can fail: deploy in two steps"
                ));
            }
        }
        self.claims[at].clear();
        self.begun[at].clear();
        self.after[at].retain(|need| left[*need].is_none());
        at
    }
}

fn places(steps: &[Step], is: impl Fn(&Action) -> bool) -> BTreeSet<usize> {
    steps.iter().enumerate().filter(|(_, step)| is(&step.action)).map(|(at, _)| at).collect()
}

fn removes(steps: &[Step]) -> Vec<(usize, StackService)> {
    let remove = |(at, step): (usize, &Step)| match &step.action {
        Action::Remove { instance } => Some((at, instance.service_name())),
        _ => None,
    };
    steps.iter().enumerate().filter_map(remove).collect()
}

/// The steps that remove or replace a container which uses something.
fn users<'s>(
    sides: &'s InstancesBySide<'_>,
    steps: &'s [Step],
    uses: impl Fn(&Container) -> bool + 's,
) -> impl Iterator<Item = usize> + 's {
    let released = steps.iter().enumerate().filter_map(|(at, step)| Some((at, released_container(sides, step)?.1)));
    released.filter(move |(_, container)| uses(container)).map(|(at, _)| at)
}

/// Containers that steps remove or replace, with indexes of what another container may need of them.
struct Released<'a> {
    /// Host and container by index of the step.
    containers: Vec<Option<(&'a str, &'a Container)>>,
    /// Steps by host and container name.
    named: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    /// Steps by network and address.
    addressed: BTreeMap<(&'a str, Ipv4Addr), Vec<usize>>,
    /// Steps whose container publishes ports, by host.
    published: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Released<'a> {
    fn new(sides: &InstancesBySide<'a>, steps: &[Step]) -> Self {
        let containers: Vec<_> = steps.iter().map(|step| released_container(sides, step)).collect();
        let (mut named, mut addressed, mut published) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (at, found) in containers.iter().enumerate() {
            let Some((host, container)) = *found else { continue };
            named.entry((host, container.name.as_str())).or_insert_with(Vec::new).push(at);
            for (network, address) in container.networks.iter().filter_map(|end| Some((&end.network, end.address?))) {
                let key = (network.as_str(), address);
                addressed.entry(key).or_insert_with(Vec::new).push(at);
            }
            if !container.ports.is_empty() {
                published.entry(host).or_insert_with(Vec::new).push(at);
            }
        }
        Self { containers, named, addressed, published }
    }

    /// Steps whose container may collide with a new one. All others do not.
    fn in_question(&self, host: &str, new: &Container) -> BTreeSet<usize> {
        let ends = new.networks.iter().filter_map(|end| Some((end.network.as_str(), end.address?)));
        let addressed = ends.filter_map(|end| self.addressed.get(&end));
        let published = self.published.get(host).filter(|_| !new.ports.is_empty());
        let named = self.named.get(&(host, new.name.as_str()));
        addressed.chain(published).chain(named).flatten().copied().collect()
    }
}

/// The container that a step removes or replaces, and its host.
fn released_container<'a>(sides: &InstancesBySide<'a>, step: &Step) -> Option<(&'a str, &'a Container)> {
    let (instance, host) = match &step.action {
        Action::Remove { instance } => (instance, &step.host),
        Action::Recreate { change, .. } => (&change.instance, &step.host),
        Action::Move { change, from, .. } => (&change.instance, from),
        _ => return None,
    };
    let (host, before) = sides.old.get(instance)?.get_key_value(host.as_str())?;
    Some((*host, &before.container))
}

/// Whether two containers cannot exist at the same time.
fn collide(old: &Container, new: &Container, same_host: bool) -> bool {
    let ports = || old.ports.iter().any(|old| new.ports.iter().any(|new| overlap(old, new)));
    let addresses = old.networks.iter().any(|old| {
        let same = |new: &&crate::container::Attachment| new.network == old.network && new.address == old.address;
        let is_fleet_wide = old.epoch > 0;
        old.address.is_some() && (same_host || is_fleet_wide) && new.networks.iter().any(|new| same(&new))
    });
    addresses || (same_host && (old.name == new.name || ports()))
}
