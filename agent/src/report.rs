//! The report of a host: a pure function of what is desired, what is observed, and what failed.

use std::collections::{BTreeMap, BTreeSet};

use landfast_agent_core::attempts::{Attempts, Resource};
use landfast_agent_core::desired::{Incarnation, InstanceName, Wanted};
use landfast_agent_core::observed::{Container, Health, Observed, State};
use landfast_agent_core::plan::{Obstacle, Plan, Waiting};
use landfast_agent_core::reconcile::Busy;

use crate::wire::{
    Contents, Held, InstanceReport, Problem, Report, TreeReport, UnitReport, instance_report, problem, unit_report,
    wire_stamp,
};

/// Everything that a report is made from.
pub(crate) struct Inputs<'a> {
    /// The units that are held.
    pub(crate) held: &'a Held,
    pub(crate) observed: &'a Observed,
    pub(crate) plan: &'a Plan,
    pub(crate) attempts: &'a Attempts,
    /// Paths of the files that the last sync of a stack left unchanged because they were edited on the host, by stack.
    pub(crate) kept: &'a BTreeMap<String, Vec<String>>,
    /// What has a step under way, or a container that waits to be inspected.
    pub(crate) busy: &'a Busy,
    pub(crate) engine_lost: bool,
    /// Instances that wait for others on other hosts.
    pub(crate) held_up: &'a BTreeSet<InstanceName>,
    /// Number of other hosts that were asked whether addresses have moved, if none of them answered.
    pub(crate) unanswered: Option<usize>,
}

pub(crate) fn report(inputs: &Inputs<'_>) -> Report {
    let seen = &inputs.held.seen;
    Report {
        epoch: seen.epoch,
        owner: seen.owner.clone(),
        generation: seen.generation,
        converged: inputs.busy.is_idle() && !inputs.engine_lost && inputs.plan.is_done(),
        instances: instances(inputs).into_values().collect(),
        problems: problems(inputs),
        trees: trees(inputs.observed),
        engine_lost: inputs.engine_lost,
        units: units(inputs),
    }
}

/// Reports each unit by itself. The fabric has no steps of its own: it is a part of the networks of the base.
fn units(inputs: &Inputs<'_>) -> Vec<UnitReport> {
    let reports = inputs.held.units.values().map(|unit| {
        let name = match &unit.contents {
            Contents::Stack(state) => unit_report::Unit::Stack(state.stack.clone()),
            Contents::Removal(removal) => unit_report::Unit::Removal(removal.stack.clone()),
            Contents::Base(_) => unit_report::Unit::Base(true),
            Contents::Fabric(_) => unit_report::Unit::Fabric(true),
        };
        let stack = match &name {
            unit_report::Unit::Stack(stack) | unit_report::Unit::Removal(stack) => stack,
            unit_report::Unit::Base(_) | unit_report::Unit::Fabric(_) => "",
        };
        let Plan { steps, waiting, unknown, .. } = inputs.plan;
        let is_waiting = |(name, it): (&Incarnation, &Waiting)| name.instance.stack == stack && !it.hopeless;
        let is_done = !steps.iter().any(|step| stack_of(inputs, &step.action.resource()) == stack)
            && !unknown.iter().any(|unknown| stack_of(inputs, &unknown.resource) == stack);
        let is_settled = inputs.busy.is_idle_for(stack) && !inputs.engine_lost;
        let converged = is_settled && is_done && !waiting.iter().any(is_waiting);
        UnitReport { stamp: Some(wire_stamp(&unit.stamp)), converged, unit: Some(name) }
    });
    reports.collect()
}

/// Returns the stack that a resource belongs to; empty for a network of the fleet.
fn stack_of<'i>(inputs: &'i Inputs<'_>, resource: &'i Resource) -> &'i str {
    match resource {
        Resource::Instance(name) => &name.instance.stack,
        Resource::Tree(stack) => stack,
        Resource::Volume(name) => inputs.held.volume(name).map_or("", |volume| &volume.stack),
        Resource::Network(name) | Resource::Overlay(name) => match inputs.held.network(name) {
            Some(network) => &network.stack,
            None => inputs.observed.networks.get(name).map_or("", |network| &network.stack),
        },
    }
}

/// Returns the stacks after the first one that define a network differently.
fn other_stacks_of(inputs: &Inputs<'_>, resource: &Resource) -> Vec<String> {
    let Resource::Network(name) = resource else { return Vec::new() };
    let dispute = inputs.held.desired.disputes.get(name);
    let stacks = dispute.into_iter().flat_map(|dispute| dispute.definitions.keys());
    stacks.filter(|stack| *stack != stack_of(inputs, resource)).cloned().collect()
}

fn kind(resource: &Resource) -> problem::Kind {
    match resource {
        Resource::Instance(_) => problem::Kind::Instance,
        Resource::Network(_) => problem::Kind::Network,
        Resource::Overlay(_) => problem::Kind::Overlay,
        Resource::Volume(_) => problem::Kind::Volume,
        Resource::Tree(_) => problem::Kind::Tree,
    }
}

/// Reports each incarnation by itself. One that is wanted gone has no report once it has no container.
fn instances(inputs: &Inputs<'_>) -> BTreeMap<Incarnation, InstanceReport> {
    let desired = &inputs.held.desired;
    let stays = desired.instances.iter().filter(|(_, instance)| instance.wanted != Wanted::Gone);
    let mut found: BTreeMap<Incarnation, Vec<(&String, &Container)>> =
        stays.map(|(name, _)| (name.clone(), Vec::new())).collect();
    for (id, container) in &inputs.observed.containers {
        found.entry(container.incarnation_in(desired)).or_default().push((id, container));
    }
    let reports = found.into_iter().map(|(name, containers)| {
        let wanted = desired.instances.get(&name);
        // Of several containers, the one that runs is reported, and of two that run, the desired one.
        let shown = containers.into_iter().min_by_key(|(_, container)| {
            let is_wanted = wanted.is_some_and(|wanted| container.is_wanted(&name, wanted));
            (!container.state.is_up(), !is_wanted, -container.created_at)
        });
        let report = match shown {
            Some((id, container)) => instance(&name.instance, id, container),
            None => InstanceReport { incarnation: name.number, ..missing(&name.instance) },
        };
        let unmanaged = !desired.manages(&name.instance.stack);
        (name, InstanceReport { unmanaged, ..report })
    });
    reports.collect()
}

fn missing(name: &InstanceName) -> InstanceReport {
    InstanceReport {
        stack: name.stack.clone(),
        service: name.service.clone(),
        index: name.index,
        state: instance_report::State::Missing.into(),
        ..InstanceReport::default()
    }
}

fn instance(name: &InstanceName, id: &str, container: &Container) -> InstanceReport {
    let ports = container.ports.iter().map(|port| instance_report::Port {
        address: port.address.clone(),
        published: port.published.into(),
        target: port.target.into(),
        protocol: port.protocol.clone(),
    });
    InstanceReport {
        container_id: id.to_owned(),
        state: state(container.state).into(),
        health: health(container.health).into(),
        exit_code: container.exit_code,
        image: container.image.clone(),
        digest: container.digest.clone(),
        release: container.release,
        incarnation: container.incarnation,
        addresses: container.addresses.clone(),
        ports: ports.collect(),
        started_at: container.started_at,
        restarts: container.restarts,
        health_output: container.health_output.clone(),
        unfinished: unfinished(container).unwrap_or_default().to_owned(),
        output: container.output.clone(),
        tree: container.tree.clone().unwrap_or_default(),
        ..missing(name)
    }
}

/// Returns why the start of a container is incomplete. A container that was never started has no incomplete start.
fn unfinished(container: &Container) -> Option<&str> {
    container.unfinished.as_deref().filter(|_| container.state != State::Created)
}

fn state(state: State) -> instance_report::State {
    match state {
        State::Created => instance_report::State::Created,
        State::Running => instance_report::State::Running,
        State::Paused => instance_report::State::Paused,
        State::Restarting => instance_report::State::Restarting,
        State::Exited => instance_report::State::Exited,
        State::Dead | State::Removing => instance_report::State::Dead,
    }
}

fn health(health: Health) -> instance_report::Health {
    match health {
        Health::None => instance_report::Health::Unspecified,
        Health::Starting => instance_report::Health::Starting,
        Health::Healthy => instance_report::Health::Healthy,
        Health::Unhealthy => instance_report::Health::Unhealthy,
    }
}

fn problems(inputs: &Inputs<'_>) -> Vec<Problem> {
    let problem = |step: &str, resource: &Resource, message: String, last| Problem {
        step: step.to_owned(),
        resource: resource_name(inputs, resource),
        message,
        r#final: last,
        stack: stack_of(inputs, resource).to_owned(),
        kind: kind(resource).into(),
    };
    let tried: BTreeSet<&Resource> = inputs.attempts.iter().map(|(resource, _)| resource).collect();
    let unfinished = instances(inputs).into_iter().filter_map(|(name, instance)| {
        // A failure of an older container is not a problem of the desired one.
        let desired = inputs.held.desired.instances.get(&name);
        let is_numbered = name.number == 0 || name.number == instance.incarnation;
        let is_own = is_numbered && desired.is_some_and(|desired| desired.digest == instance.digest);
        let resource = Resource::Instance(name);
        let is_reported = tried.contains(&resource) || instance.unfinished.is_empty();
        let reason = (!is_reported && is_own).then_some(instance.unfinished)?;
        Some(problem("start", &resource, reason, true))
    });
    let failed = inputs.attempts.iter().map(|(resource, failure)| {
        let message = format!("{}{}", failure.message, runs_instead(inputs, resource));
        problem(failure.step, resource, message, failure.last)
    });
    // A problem that concerns several stacks is reported for each of them.
    let obstacle = |obstacle: &Obstacle, last| {
        let first = problem(obstacle.step, &obstacle.resource, obstacle.message.clone(), last);
        let others = other_stacks_of(inputs, &obstacle.resource).into_iter();
        let others: Vec<Problem> = others.map(|stack| Problem { stack, ..first.clone() }).collect();
        [first].into_iter().chain(others)
    };
    let obstacles = inputs.plan.obstacles.iter().flat_map(|found| obstacle(found, true));
    let unknown = inputs.plan.unknown.iter().flat_map(|found| obstacle(found, false));
    // What waits for another host may do so for long. That is not final: the agent goes on asking.
    let waiting =
        inputs.plan.waiting.iter().filter(|(name, it)| it.hopeless || inputs.held_up.contains(&name.instance));
    let waiting = waiting.map(|(name, waiting)| {
        let is_final = waiting.hopeless && !inputs.held_up.contains(&name.instance);
        problem("start", &Resource::Instance(name.clone()), waiting.reason.clone(), is_final)
    });
    let kept = inputs.kept.iter().flat_map(|(stack, paths)| {
        paths.iter().map(move |path| {
            let message = format!("{path} was changed on this host and was not replaced: make the change in the stack's folder too, or undo it on the host");
            problem("sync", &Resource::Tree(stack.clone()), message, true)
        })
    });
    // It comes last, because it explains no other problem.
    let unanswered = inputs.unanswered.map(unanswered);
    failed.chain(unfinished).chain(obstacles).chain(unknown).chain(waiting).chain(kept).chain(unanswered).collect()
}

/// The problem that the host may have missed a change of addresses. It is not final, because the agent goes on asking.
fn unanswered(asked: usize) -> Problem {
    let hosts = if asked == 1 { "1 was" } else { &format!("{asked} were") };
    Problem {
        step: "ask".to_owned(),
        resource: "peers".to_owned(),
        message: format!(
            "no other host answered ({hosts} asked), so it is not known whether addresses have moved; the instances were \
             started as they were assigned last"
        ),
        ..Problem::default()
    }
}

/// Describes the older container that runs because the desired one could not be started.
fn runs_instead(inputs: &Inputs<'_>, resource: &Resource) -> String {
    let Resource::Instance(name) = resource else { return String::new() };
    let desired = inputs.held.desired.instances.get(name);
    let is_older = |container: &&Container| {
        container.is_of(name, &inputs.held.desired)
            && container.state.is_up()
            && desired.is_some_and(|desired| !container.is_wanted(name, desired))
    };
    let older = inputs.observed.containers.values().find(is_older);
    older.map_or_else(String::new, |older| format!("; its container of release {} runs instead", older.release))
}

/// Name of a resource for the coordinator. A problem of an older incarnation is not one of the instance.
fn resource_name(inputs: &Inputs<'_>, resource: &Resource) -> String {
    match resource {
        Resource::Instance(name) if inputs.held.desired.main(&name.instance).is_some_and(|main| main != name) => {
            format!("{} (incarnation {})", name.instance, name.number)
        }
        resource => resource.name(),
    }
}

fn trees(observed: &Observed) -> Vec<TreeReport> {
    let trees = observed.trees.iter().map(|(stack, tree)| TreeReport {
        stack: stack.clone(),
        manifest: tree.manifest.clone(),
        drift: tree.drift.clone(),
        progress: tree.progress,
    });
    trees.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfast_agent_core::attempts::Severity;
    use landfast_agent_core::observed;
    use landfast_agent_core::plan::plan;

    use crate::wire::{self, Container as WireContainer, HeldUnit, Instance, Network, StackState};
    use landfast_agent_core::assignment::{Assigned, Stamp};

    fn held() -> Held {
        holding(&[(0, "new", wire::instance::Wanted::Unspecified)])
    }

    /// Returns a state with these incarnations of an instance: number, digest, and what is wanted of it.
    fn holding(incarnations: &[(u64, &str, wire::instance::Wanted)]) -> Held {
        let container = WireContainer { name: "c".to_owned(), image: "i".to_owned(), ..WireContainer::default() };
        let instances = incarnations.iter().map(|(incarnation, digest, wanted)| Instance {
            stack: "data".to_owned(),
            service: "redis".to_owned(),
            index: 1,
            digest: (*digest).to_owned(),
            container: Some(container.clone()),
            incarnation: *incarnation,
            wanted: (*wanted).into(),
            ..Instance::default()
        });
        let state = StackState { stack: "data".to_owned(), instances: instances.collect(), ..StackState::default() };
        let contents = Contents::Stack(state);
        let assigned = Assigned { generation: 7, ..Assigned::default() };
        let stamp = Stamp { assigned: assigned.clone(), digest: contents.digest() };
        let unit = HeldUnit::new(stamp, contents).expect("is valid");
        Held::new(assigned, [(unit.contents.key(), unit)].into()).expect("is valid")
    }

    fn observed(containers: &[(&str, &str, State)]) -> Observed {
        let name = InstanceName { stack: "data".to_owned(), service: "redis".to_owned(), index: 1 };
        let containers = containers.iter().map(|(id, digest, state)| {
            let digest = (*digest).to_owned();
            let container = Container {
                name: "c".to_owned(),
                instance: name.clone(),
                digest,
                state: *state,
                ..Container::default()
            };
            ((*id).to_owned(), container)
        });
        Observed { containers: containers.collect(), ..Observed::default() }
    }

    fn reported(observed: &Observed, attempts: &Attempts) -> Report {
        reported_by(&held(), observed, attempts)
    }

    fn reported_by(held: &Held, observed: &Observed, attempts: &Attempts) -> Report {
        let plan = plan(&held.desired, observed, &attempts.given_up());
        report(&Inputs {
            held,
            observed,
            plan: &plan,
            attempts,
            kept: &BTreeMap::new(),
            busy: &Busy::default(),
            engine_lost: false,
            held_up: &BTreeSet::new(),
            unanswered: None,
        })
    }

    #[test]
    fn what_is_assigned_and_not_there_is_missing() {
        let report = reported(&observed(&[]), &Attempts::default());
        assert_eq!(report.instances[0].state(), instance_report::State::Missing);
        assert_eq!(report.generation, 7);
    }

    #[test]
    fn each_unit_is_reported_and_containers_of_other_stacks_are_unmanaged() {
        let mut seen = observed(&[("a", "new", State::Running)]);
        let name = InstanceName { stack: "web".to_owned(), service: "app".to_owned(), index: 1 };
        seen.containers.insert("b".to_owned(), Container { instance: name, ..Container::default() });
        let report = reported(&seen, &Attempts::default());
        let unmanaged = report.instances.iter().map(|it| (it.stack.as_str(), it.unmanaged)).collect::<Vec<_>>();
        assert_eq!(unmanaged, [("data", false), ("web", true)]);
        let [unit] = report.units.as_slice() else { panic!("{report:?}") };
        assert_eq!(unit.unit, Some(unit_report::Unit::Stack("data".to_owned())));
        assert_eq!(unit.stamp.as_ref().map(|stamp| stamp.generation), Some(7));
        assert!(unit.converged);
        let created = observed(&[("a", "new", State::Created)]);
        assert!(!reported(&created, &Attempts::default()).units[0].converged);
    }

    #[test]
    fn of_two_containers_the_one_that_runs_is_reported() {
        let report =
            reported(&observed(&[("a", "old", State::Running), ("b", "new", State::Created)]), &Attempts::default());
        assert_eq!(report.instances.len(), 1);
        assert_eq!(report.instances[0].digest, "old");
        assert!(!report.converged);
    }

    #[test]
    fn each_incarnation_is_reported_by_itself() {
        use wire::instance::Wanted;
        let held = holding(&[(1, "old", Wanted::Drain), (2, "new", Wanted::Run), (3, "newer", Wanted::Gone)]);
        let mut seen = observed(&[("a", "old", State::Running), ("b", "newer", State::Exited)]);
        seen.containers.get_mut("a").expect("there").incarnation = 1;
        seen.containers.get_mut("b").expect("there").incarnation = 3;
        let states = |report: &Report| {
            report.instances.iter().map(|it| (it.incarnation, it.state(), it.digest.clone())).collect::<Vec<_>>()
        };
        let (running, missing, exited) =
            (instance_report::State::Running, instance_report::State::Missing, instance_report::State::Exited);
        let drained = (1, running, "old".to_owned());
        let report = reported_by(&held, &seen, &Attempts::default());
        assert_eq!(states(&report), [drained.clone(), (2, missing, String::new()), (3, exited, "newer".to_owned())]);
        // One that is gone has no report any more.
        seen.containers.remove("b");
        let report = reported_by(&held, &seen, &Attempts::default());
        assert_eq!(states(&report), [drained, (2, missing, String::new())]);
    }

    #[test]
    fn a_problem_of_an_older_incarnation_is_not_one_of_the_instance() {
        use wire::instance::Wanted;
        let mut attempts = Attempts::default();
        for number in [0, 2] {
            let instance = InstanceName { stack: "data".to_owned(), service: "redis".to_owned(), index: 1 };
            let resource = Resource::Instance(Incarnation { instance, number });
            attempts.failed(resource, "start", "no".to_owned(), Severity::Final, 0);
        }
        let held = holding(&[(0, "old", Wanted::Drain), (2, "new", Wanted::Run)]);
        let report = reported_by(&held, &observed(&[]), &attempts);
        let resources = report.problems.iter().map(|problem| problem.resource.as_str()).collect::<Vec<_>>();
        assert_eq!(resources, ["data/redis.1 (incarnation 0)", "data/redis.1"]);
    }

    #[test]
    fn an_incomplete_start_of_the_container_before_is_no_problem_of_the_next_one_with_its_digest() {
        use wire::instance::Wanted;
        let mut seen = observed(&[("a", "new", State::Running)]);
        let container = seen.containers.get_mut("a").expect("there");
        (container.unfinished, container.incarnation) = (Some("no such table".to_owned()), 1);
        let problems = |number| {
            let held = holding(&[(number, "new", Wanted::Run)]);
            let problems = reported_by(&held, &seen, &Attempts::default()).problems;
            problems.iter().filter(|problem| problem.message == "no such table").count()
        };
        assert_eq!((problems(1), problems(2)), (1, 0));
    }

    #[test]
    fn what_was_given_up_is_reported_and_ends_the_generation() {
        let mut attempts = Attempts::default();
        let name = InstanceName { stack: "data".to_owned(), service: "redis".to_owned(), index: 1 };
        attempts.failed(
            Resource::Instance(Incarnation { instance: name, number: 0 }),
            "start",
            "port 80 is taken".to_owned(),
            Severity::Final,
            0,
        );
        let report = reported(&observed(&[("a", "old", State::Running)]), &attempts);
        assert!(report.converged);
        let problem = &report.problems[0];
        assert_eq!((problem.step.as_str(), problem.resource.as_str()), ("start", "data/redis.1"));
        assert_eq!(problem.message, "port 80 is taken; its container of release 0 runs instead");
        assert!(problem.r#final);
        let ended = reported(&observed(&[("a", "old", State::Exited)]), &attempts);
        assert_eq!(ended.problems[0].message, "port 80 is taken");
    }

    #[test]
    fn an_incomplete_start_is_a_problem_of_its_container_alone_and_reported_once() {
        let mut seen = observed(&[("a", "new", State::Running)]);
        seen.containers.get_mut("a").expect("there").unfinished = Some("no such table".to_owned());
        let report = reported(&seen, &Attempts::default());
        assert_eq!(report.instances[0].unfinished, "no such table");
        let problem = &report.problems[0];
        assert_eq!((problem.step.as_str(), problem.resource.as_str()), ("start", "data/redis.1"));
        assert!(problem.r#final && problem.message == "no such table");

        let mut attempts = Attempts::default();
        let name = InstanceName { stack: "data".to_owned(), service: "redis".to_owned(), index: 1 };
        attempts.failed(
            Resource::Instance(Incarnation { instance: name, number: 0 }),
            "start",
            "no such table".to_owned(),
            Severity::Final,
            0,
        );
        assert_eq!(reported(&seen, &attempts).problems.len(), 1);

        seen.containers.get_mut("a").expect("there").digest = "old".to_owned();
        let report = reported(&seen, &Attempts::default());
        assert!(report.problems.iter().all(|problem| problem.message != "no such table"));

        let mut made = observed(&[("a", "new", State::Created)]);
        made.containers.get_mut("a").expect("there").unfinished = Some("of a start that failed".to_owned());
        assert_eq!(reported(&made, &Attempts::default()).instances[0].unfinished, "");
    }

    #[test]
    fn what_is_unknown_is_a_problem_that_passes_and_its_unit_is_not_done() {
        let mut seen = observed(&[("a", "new", State::Running)]);
        assert!(reported(&seen, &Attempts::default()).units[0].converged);
        seen.unknown.containers.insert("a".to_owned(), Some("its layer is gone".to_owned()));
        let report = reported(&seen, &Attempts::default());
        let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
        assert_eq!((problem.step.as_str(), problem.resource.as_str()), ("observe", "data/redis.1"));
        assert_eq!((problem.stack.as_str(), problem.kind(), problem.r#final), ("data", problem::Kind::Instance, false));
        assert_eq!(problem.message, "its container cannot be inspected: its layer is gone");
        assert!(!report.converged && !report.units[0].converged);
        assert_eq!(report.instances[0].container_id, "a", "it is not missing");
        // A resource that no instance waits for keeps its unit from being done, too.
        seen.unknown = observed::Unknown { networks: Some("no answer".to_owned()), ..Default::default() };
        let left = observed::Network { ours: true, stack: "data".to_owned(), ..Default::default() };
        seen.networks.insert("left".to_owned(), left);
        let report = reported(&seen, &Attempts::default());
        assert_eq!((report.problems[0].resource.as_str(), report.units[0].converged), ("left", false));
    }

    #[test]
    fn a_disputed_network_is_a_problem_of_both_stacks() {
        let units = [false, true].map(|internal| {
            let stack = if internal { "web" } else { "data" }.to_owned();
            let network = Network { name: "net".to_owned(), stack: stack.clone(), internal, ..Network::default() };
            let contents = Contents::Stack(StackState { stack, networks: vec![network], ..StackState::default() });
            let stamp = Stamp { assigned: Assigned::default(), digest: contents.digest() };
            let unit = HeldUnit::new(stamp, contents).expect("is valid");
            (unit.contents.key(), unit)
        });
        let held = Held::new(Assigned::default(), units.into()).expect("is valid");
        let (observed, attempts) = (observed(&[]), Attempts::default());
        let plan = plan(&held.desired, &observed, &attempts.given_up());
        let (kept, busy) = (BTreeMap::new(), Busy::default());
        let inputs = Inputs {
            held: &held,
            observed: &observed,
            plan: &plan,
            attempts: &attempts,
            kept: &kept,
            busy: &busy,
            engine_lost: false,
            held_up: &BTreeSet::new(),
            unanswered: None,
        };
        let report = report(&inputs);
        let of = |problem: &Problem| (problem.resource.clone(), problem.kind(), problem.stack.clone());
        let net = |stack: &str| ("net".to_owned(), problem::Kind::Network, stack.to_owned());
        assert_eq!(report.problems.iter().map(of).collect::<Vec<_>>(), [net("data"), net("web")]);
        let message = &report.problems[1].message;
        assert!(
            message.contains("stacks data and web") && message.contains("internal is false in data and true in web"),
            "{message}"
        );
    }

    #[test]
    fn f21_a_host_that_no_other_one_answered_says_so_and_that_is_not_final() {
        let (held, seen) = (held(), observed(&[("a", "new", State::Running)]));
        let plan = plan(&held.desired, &seen, &BTreeSet::new());
        let report = report(&Inputs {
            held: &held,
            observed: &seen,
            plan: &plan,
            attempts: &Attempts::default(),
            kept: &BTreeMap::new(),
            busy: &Busy::default(),
            engine_lost: false,
            held_up: &BTreeSet::new(),
            unanswered: Some(2),
        });
        let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
        assert_eq!((problem.step.as_str(), problem.resource.as_str(), problem.r#final), ("ask", "peers", false));
        assert!(
            problem.message.starts_with("no other host answered (2 were asked), so it is not known"),
            "{problem:?}"
        );
        assert!(report.converged);
    }

    #[test]
    fn what_waits_for_another_host_is_reported_and_that_is_not_final() {
        let (held, seen) = (held(), observed(&[("a", "new", State::Created)]));
        let name = InstanceName::new("data", "redis", 1);
        let waiting = |hopeless| Waiting { reason: "waits for data/db.1 on the host 10.0.0.2".to_owned(), hopeless };
        let problems = |hopeless, held_up: &BTreeSet<InstanceName>| {
            let waiting_one = Incarnation { instance: name.clone(), number: 0 };
            let plan = Plan { waiting: [(waiting_one, waiting(hopeless))].into(), ..Plan::default() };
            let (attempts, kept, busy) = Default::default();
            let (held, observed, attempts, kept, busy) = (&held, &seen, &attempts, &kept, &busy);
            let (plan, engine_lost, unanswered) = (&plan, false, None);
            let inputs = Inputs { held, observed, plan, attempts, kept, busy, engine_lost, held_up, unanswered };
            report(&inputs).problems.into_iter().map(|it| (it.resource, it.r#final)).collect::<Vec<_>>()
        };
        let (here, elsewhere) = (BTreeSet::new(), [name.clone()].into());
        assert_eq!(problems(false, &here), []);
        assert_eq!(problems(true, &here), [("data/redis.1".to_owned(), true)]);
        for hopeless in [false, true] {
            assert_eq!(problems(hopeless, &elsewhere), [("data/redis.1".to_owned(), false)]);
        }
    }

    #[test]
    fn problems_name_their_resource_as_the_coordinator_does() {
        let mut attempts = Attempts::default();
        for resource in [Resource::Network("infra_net".to_owned()), Resource::Tree("data".to_owned())] {
            attempts.failed(resource, "sync", "no room".to_owned(), Severity::Final, 0);
        }
        let report = reported(&observed(&[]), &attempts);
        let names: Vec<&str> = report.problems.iter().map(|problem| problem.resource.as_str()).collect();
        assert_eq!(names[..2], ["infra_net", "data"]);
        // A network and a stack may have the same name.
        let kinds: Vec<problem::Kind> = report.problems.iter().map(Problem::kind).collect();
        assert_eq!(kinds[..2], [problem::Kind::Network, problem::Kind::Tree]);
    }
}
