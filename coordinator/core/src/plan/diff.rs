//! Steps that lead from the held host states to the desired ones.
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::instances_by_side::{InstancesBySide, of_service};
use super::order;
use super::reasons;
use super::{Action, Change, Comparison, Plan, Published, Step, Update, Wait};
use crate::container::Source;
use crate::deployment::{BoundBy, InstanceName};
use crate::desired::{HostState, Instance, Network, Wanted};
use crate::report::{ContainerState, Health, Report};

/// Makes the plan for a comparison.
pub fn diff(comparison: Comparison<'_>) -> Plan {
    let mut steps = Vec::new();
    for (host, target) in comparison.target {
        let nothing = HostState::default();
        let current = comparison.current.get(host).unwrap_or(&nothing);
        networks(host, current, target, &mut steps);
        volumes(host, current, target, &mut steps);
        trees(comparison, host, current, target, &mut steps);
    }
    let sides = InstancesBySide::new(comparison);
    sides.instances(&mut steps);
    let mut plan = order::order(&sides, steps);
    if plan.is_empty() {
        plan.steps = configure_steps(comparison);
    }
    plan.warnings.extend(warnings(&sides, &plan));
    plan
}

impl Step {
    /// A step that is not ordered yet.
    fn new(host: &str, action: Action, reasons: Vec<String>) -> Self {
        Self { host: host.to_owned(), action, reasons, after: Vec::new() }
    }
}

impl InstancesBySide<'_> {
    fn instances(&self, steps: &mut Vec<Step>) {
        let nowhere = BTreeMap::new();
        for (name, &(host, new)) in &self.new {
            let old = self.old.get(name).unwrap_or(&nowhere);
            let (change, ports) = (self.change(new), self.ports(new));
            match (old.get(host), old.iter().next()) {
                (Some(before), _) if before.wanted == Wanted::Run => {
                    steps.extend(self.change_in_place(host, before, new));
                }
                (None, Some((from, before))) => {
                    let mut reasons =
                        vec![self.placement_reason(name).unwrap_or_else(|| "its placement changed".to_owned())];
                    if before.digest != new.digest {
                        reasons.extend(reasons::changes(self.comparison, from, before, new));
                    }
                    let action = Action::Move { from: (*from).to_owned(), change, ports, update: self.update(name) };
                    steps.push(Step::new(host, action, reasons));
                }
                // The instance does not run anywhere, although an older container of it may be drained on the host.
                (Some(_), _) | (None, None) => {
                    let reasons = self.placement_reason(name).into_iter().collect();
                    steps.push(Step::new(host, Action::Create { change, ports }, reasons));
                }
            }
        }
        for (name, hosts) in &self.old {
            let target = self.new.get(name).map(|(host, _)| *host);
            let moves = target.is_some_and(|host| !hosts.contains_key(host));
            for host in hosts.keys().filter(|host| target != Some(**host)).skip(usize::from(moves)) {
                let action = Action::Remove { instance: name.clone() };
                steps.push(Step::new(host, action, vec![self.removal_reason(name)]));
            }
        }
    }

    /// The step for an instance that stays on its host; none if it is as declared and running.
    fn change_in_place(&self, host: &str, before: &Instance, new: &Instance) -> Option<Step> {
        let (name, change) = (&new.name, self.change(new));
        if before.digest != new.digest {
            let reasons = reasons::changes(self.comparison, host, before, new);
            let action = Action::Recreate { change, ports: self.ports(new), update: self.update(name) };
            return Some(Step::new(host, action, reasons));
        }
        // Stacks that are not deployed now stay as they are.
        self.comparison.after.get(&name.stack)?;
        let report = self.comparison.reports.get(host)?;
        let reason = start_reason(report, new, self.comparison.now)?;
        Some(Step::new(host, Action::Start { change, monitor_ms: self.monitor_ms(name) }, vec![reason]))
    }

    fn change(&self, instance: &Instance) -> Change {
        let ends = instance.container.networks.iter().filter_map(|end| Some((&end.network, end.address?)));
        Change {
            instance: instance.name.clone(),
            addresses: ends.map(|(network, address)| format!("{network} {address}")).collect(),
            waits_for: self.waits(instance),
        }
    }

    fn update(&self, name: &InstanceName) -> Update {
        Update {
            interrupts: self.interrupts_service(name),
            parallelism: NonZeroU32::new(self.parallelism(name)),
            monitor_ms: self.monitor_ms(name),
        }
    }

    /// Published ports of an instance, each with what decided its address.
    fn ports(&self, instance: &Instance) -> Vec<Published> {
        let name = &instance.name;
        let deployment = self.comparison.after.get(&name.stack);
        let decided =
            deployment.and_then(|it| it.instances.get(name)).map(|it| it.bound.as_slice()).unwrap_or_default();
        let by = decided.iter().copied().chain(std::iter::repeat(BoundBy::ComposeFile));
        instance.container.ports.iter().zip(by).map(|(port, by)| Published::of(port, by)).collect()
    }

    /// Conditions for all instances of the services that this instance depends on.
    fn waits(&self, instance: &Instance) -> Vec<Wait> {
        let waits = instance.depends_on.iter().flat_map(|dependency| {
            let condition = dependency.condition;
            let its = of_service(&self.new, &instance.name.stack, &dependency.service);
            its.cloned().map(move |instance| Wait { instance, condition })
        });
        waits.collect()
    }

    fn parallelism(&self, name: &InstanceName) -> u32 {
        let service = self.comparison.after.get(&name.stack).and_then(|it| it.services.get(&name.service));
        service.map_or(1, |service| service.parallelism)
    }

    fn monitor_ms(&self, name: &InstanceName) -> u64 {
        let service = self.comparison.after.get(&name.stack).and_then(|it| it.services.get(&name.service));
        service.map_or(0, |service| service.monitor_ms)
    }

    /// Whether no instance of the service answers while this one is updated.
    fn interrupts_service(&self, name: &InstanceName) -> bool {
        let running = of_service(&self.old, &name.stack, &name.service).count();
        let parallelism = self.parallelism(name) as usize;
        parallelism == 0 || running <= parallelism
    }

    fn placement_reason(&self, name: &InstanceName) -> Option<String> {
        let deployment = self.comparison.after.get(&name.stack)?;
        deployment.instances.get(name).map(|instance| instance.placed.clone())
    }

    fn removal_reason(&self, name: &InstanceName) -> String {
        let remaining = of_service(&self.new, &name.stack, &name.service).count();
        match self.comparison.after.get(&name.stack) {
            _ if self.new.contains_key(name) => "it runs on another host".to_owned(),
            None => "the stack is removed".to_owned(),
            Some(_) if remaining == 1 => format!("{} has 1 instance now", name.service),
            Some(_) if remaining > 1 => format!("{} has {remaining} instances now", name.service),
            Some(_) => format!("the stack has no service {} any more", name.service),
        }
    }
}

/// Why an instance that its host holds as declared must be started: its container is missing or has a problem. A failed
/// change stays in every plan until it succeeds or the files change.
fn start_reason(report: &Report, instance: &Instance, now: i64) -> Option<String> {
    let Some(seen) = report.about(instance) else { return Some("it has no container".to_owned()) };
    let once = instance
        .container
        .restart
        .as_ref()
        .is_none_or(|restart| matches!(restart.policy.as_str(), "no" | "on-failure"));
    let failed = || report.final_problem(&instance.name).map(|problem| format!("it failed: {problem}"));
    match seen.state {
        ContainerState::Missing => Some(failed().unwrap_or_else(|| "it has no container".to_owned())),
        _ if !seen.is_of(instance) => {
            Some(failed().unwrap_or_else(|| "its container is not the declared one".to_owned()))
        }
        ContainerState::Created => Some(failed().unwrap_or_else(|| "it has not been started".to_owned())),
        ContainerState::Dead => Some("the engine could not remove it".to_owned()),
        ContainerState::Exited if !(once && seen.exit_code == 0) => {
            Some(format!("it ended with status {}", seen.exit_code))
        }
        ContainerState::Running if seen.health == Health::Starting => Some("it is not healthy yet".to_owned()),
        _ => seen.fault(now),
    }
}

fn networks(host: &str, current: &HostState, target: &HostState, steps: &mut Vec<Step>) {
    let lacks = |state: &HostState, name: &str| !state.networks.iter().any(|network| network.name == name);
    let stack = |network: &Network| Some(network.stack.clone()).filter(|stack| !stack.is_empty());
    for network in target.networks.iter().filter(|network| lacks(current, &network.name)) {
        let user =
            || target.instances.iter().find(|it| it.container.networks.iter().any(|e| e.network == network.name));
        let reasons = match (&network.overlay, user()) {
            (Some(_), _) => vec![format!(
                "it spans the fleet; gateway {}",
                network.spec.gateway.map(|it| it.to_string()).unwrap_or_default()
            )],
            (None, Some(instance)) => vec![format!("{} uses it", instance.name)],
            (None, None) => Vec::new(),
        };
        let action = Action::CreateNetwork { network: network.name.clone(), stack: stack(network) };
        steps.push(Step::new(host, action, reasons));
    }
    for network in current.networks.iter().filter(|network| lacks(target, &network.name)) {
        let action = Action::RemoveNetwork { network: network.name.clone(), stack: stack(network) };
        steps.push(Step::new(host, action, vec!["no instance uses it any more".to_owned()]));
    }
}

fn volumes(host: &str, current: &HostState, target: &HostState, steps: &mut Vec<Step>) {
    for volume in &target.volumes {
        let before = current.volumes.iter().find(|before| before.name == volume.name);
        let source = Source::Volume(volume.name.clone());
        let user = target.instances.iter().find(|it| it.container.mounts.iter().any(|mount| mount.source == source));
        let (name, stack) = (volume.name.clone(), volume.stack.clone());
        let create = Action::CreateVolume { volume: name.clone(), stack: stack.clone() };
        let (action, reason) = match (before, volume.remove) {
            (Some(before), true) if !before.remove => (
                Action::RemoveVolume { volume: name, stack },
                "requested with --volumes: its data is deleted".to_owned(),
            ),
            (None, false) => (create, user.map(|it| format!("{} mounts it", it.name)).unwrap_or_default()),
            (Some(before), false) if before.remove => (create, "its data was deleted".to_owned()),
            _ => continue,
        };
        steps.push(Step::new(host, action, vec![reason]));
    }
}

fn trees(comparison: Comparison<'_>, host: &str, current: &HostState, target: &HostState, steps: &mut Vec<Step>) {
    for tree in &target.trees {
        let before = current.trees.iter().find(|before| before.stack == tree.stack);
        let asked = comparison.reports.get(host).filter(|_| comparison.after.contains_key(&tree.stack));
        let reported = asked.and_then(|it| it.trees.iter().find(|seen| seen.stack == tree.stack));
        let reason = match before {
            None => "the stack is new on this host",
            Some(before) if before.manifest != tree.manifest => "the stack's folder changed",
            Some(_) if reported.is_some_and(|seen| seen.manifest != tree.manifest) => {
                "the last bundle did not arrive completely"
            }
            Some(_) => continue,
        };
        steps.push(Step::new(host, Action::Sync { stack: tree.stack.clone() }, vec![reason.to_owned()]));
    }
    for tree in &current.trees {
        if !target.trees.iter().any(|after| after.stack == tree.stack) {
            let reasons = vec!["no instance of the stack runs on this host any more".to_owned()];
            steps.push(Step::new(host, Action::RemoveTree { stack: tree.stack.clone() }, reasons));
        }
    }
}

/// Steps for hosts whose knowledge of the other hosts is outdated. Other steps update that knowledge as well.
fn configure_steps(comparison: Comparison<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (host, target) in comparison.target {
        let Some(current) = comparison.current.get(host) else { continue };
        let mut reasons = Vec::new();
        if current.fabric.names != target.fabric.names {
            reasons.push("names of the fleet changed".to_owned());
        }
        if current.fabric.endpoints != target.fabric.endpoints {
            reasons.push("addresses of the fleet changed".to_owned());
        }
        let changed = target.networks.iter().filter(|network| !current.networks.contains(network));
        reasons.extend(changed.map(|network| format!("network {} changed", network.name)));
        reasons
            .extend(dropped(current, target).map(|name| format!("an older container of {name} is not kept any more")));
        if !are_same(current.main(), target.main()) {
            reasons.push("dependencies of instances changed".to_owned());
        }
        if !reasons.is_empty() {
            steps.push(Step::new(host, Action::Configure, reasons));
        }
    }
    steps
}

/// Instances of which an older incarnation is not listed any more.
fn dropped<'a>(current: &'a HostState, target: &'a HostState) -> impl Iterator<Item = &'a InstanceName> {
    let is_listed = |old: &Instance| target.incarnations(&old.name).any(|new| new.incarnation == old.incarnation);
    let names: BTreeSet<_> = current.main().map(|it| (&it.name, it.incarnation)).collect();
    let older = current.instances.iter().filter(move |it| !names.contains(&(&it.name, it.incarnation)));
    older.filter(move |it| !is_listed(it)).map(|it| &it.name)
}

/// Whether the instances are equal except for the numbers of their containers.
fn are_same<'a>(current: impl Iterator<Item = &'a Instance>, mut target: impl Iterator<Item = &'a Instance>) -> bool {
    current.into_iter().all(|old| target.next().is_some_and(|new| old.is_same(new))) && target.next().is_none()
}

/// Consequences of a plan that the user should know before confirming it.
fn warnings(sides: &InstancesBySide<'_>, plan: &Plan) -> BTreeSet<String> {
    let mut warnings = BTreeSet::new();
    for step in &plan.steps {
        let Action::Move { from, change: Change { instance: name, .. }, .. } = &step.action else { continue };
        let Some(before) = sides.old.get(name).and_then(|hosts| hosts.get(from.as_str())) else { continue };
        for mount in &before.container.mounts {
            if let Source::Volume(volume) = &mount.source
                && !volume.is_empty()
            {
                warnings.insert(format!(
                    "{name} moves from {from} to {}: the data in its volume {volume} stays on {from}",
                    step.host
                ));
            }
        }
    }
    for (host, target) in sides.comparison.target {
        let before = sides.comparison.current.get(host).map(|state| state.volumes.as_slice()).unwrap_or_default();
        let leaves = |stack: &str| !target.instances.iter().any(|instance| instance.name.stack == stack);
        for was in before.iter().filter(|volume| leaves(&volume.stack)) {
            let kept = target.volumes.iter().find(|volume| volume.name == was.name && !volume.remove);
            if let Some(now) = kept.filter(|now| now.stack != was.stack) {
                warnings.insert(format!("the volume {} stays on {host}: {} also mounts it", was.name, now.stack));
            }
        }
    }
    warnings
}
