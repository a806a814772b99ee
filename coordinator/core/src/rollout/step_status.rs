//! Status of a step according to the report of its host: done, pending or failed.
use crate::container::Container;
use crate::deployment::{Condition, InstanceName};
use crate::desired::Instance;
use crate::plan::Action;
use crate::report::{CRASH_LOOP, ContainerState, Health, InstanceReport, Report, ResourceKind};

const SECOND: i64 = 1_000_000_000;
/// How long a job may take, in milliseconds.
const JOB_MS: u64 = 30 * 60_000;
/// Shortest limit for a step, in milliseconds.
const LEAST_MS: u64 = 120_000;

/// Status of a step according to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepStatus {
    Done,
    /// Not done yet, with the last observation.
    Pending(String),
    /// The host is still busy and reports no problem with this step. The step counts as done if this does not change.
    Unconfirmed,
    Failed(String),
}

fn wait(seen: impl Into<String>) -> StepStatus {
    StepStatus::Pending(seen.into())
}

/// What other instances need from an instance, and what has been observed of its container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// Whether another instance waits for its completion.
    pub(super) is_job: bool,
    /// Whether another instance waits for its health.
    pub(super) must_be_healthy: bool,
    /// Restarts that were counted before the step, if the container existed before.
    pub(super) restarts_before: u32,
    /// How long the container has been running without an exit, in milliseconds.
    pub(super) running_ms: u64,
    /// How long a container without a health check must run, in milliseconds.
    pub(super) monitor_ms: u64,
}

impl Observed {
    fn ran_long_enough(&self) -> bool {
        self.running_ms >= self.monitor_ms
    }

    /// Whether the container kept exiting before the step. It may have recovered since.
    fn was_in_crash_loop(&self) -> bool {
        self.restarts_before >= CRASH_LOOP
    }
}

/// Status of a step that creates, replaces or starts a container.
pub(super) fn of_change(instance: &Instance, observed: Observed, report: &Report) -> StepStatus {
    let (kind, resource) = (ResourceKind::Instance, instance.name.to_string());
    let seen = report.about(instance).filter(|seen| seen.state != ContainerState::Missing);
    let right = seen.filter(|seen| seen.is_of(instance));
    let status = right.map(|seen| of_container(&instance.container, observed, seen));
    // The state of the container itself is closer to the cause than the problem that the agent had with it.
    if let Some(failed @ StepStatus::Failed(_)) = status {
        return failed;
    }
    if let Some(message) = final_problem(report, kind, &resource) {
        return StepStatus::Failed(message);
    }
    if seen.is_none() {
        return of_missing_container(&instance.name.stack, report);
    }
    match status.unwrap_or_else(|| wait("the old container still exists")) {
        StepStatus::Pending(seen) => wait(problem(report, kind, &resource).map_or(seen, str::to_owned)),
        status => status,
    }
}

/// Status of a step whose container does not exist. A host that has finished the stack with a final problem will not create
/// it. Problems of other stacks do not matter.
fn of_missing_container(stack: &str, report: &Report) -> StepStatus {
    let mut problems = report.problems.iter().filter(|problem| problem.stack.is_empty() || problem.stack == stack);
    match problems.clone().find(|problem| problem.is_final) {
        Some(problem) if report.is_converged(stack) => {
            StepStatus::Failed(format!("{}: {}", problem.resource, problem.message))
        }
        _ => wait(problems.next().map_or("not created yet", |problem| &problem.message)),
    }
}

/// Status of a step whose container is the declared one.
fn of_container(container: &Container, observed: Observed, seen: &InstanceReport) -> StepStatus {
    let is_crashing = seen.restarts >= CRASH_LOOP;
    let may_recover = observed.was_in_crash_loop() && seen.state == ContainerState::Running;
    match seen.state {
        ContainerState::Running if seen.health == Health::Healthy && !observed.is_job => StepStatus::Done,
        ContainerState::Running | ContainerState::Restarting if is_crashing && !may_recover => {
            StepStatus::Failed(seen.crash_loop())
        }
        ContainerState::Running => of_running(container, observed, seen),
        ContainerState::Restarting => wait(format!("restarting after status {}", seen.exit_code)),
        ContainerState::Exited => of_exited(container, observed, seen, is_crashing),
        ContainerState::Dead => wait("being removed"),
        ContainerState::Paused => wait("paused"),
        ContainerState::Created => wait("not started yet"),
        ContainerState::Missing | ContainerState::Unknown => wait("not created yet"),
    }
}

fn of_running(container: &Container, observed: Observed, seen: &InstanceReport) -> StepStatus {
    match seen.health {
        Health::Unhealthy => StepStatus::Failed(seen.unhealthy()),
        Health::Starting => wait("running, not healthy yet"),
        Health::None if has_check(container) => wait("running, health not known yet"),
        _ if observed.is_job => wait("running, not completed yet"),
        Health::None if !observed.ran_long_enough() => {
            wait(format!("running; it must keep running for {} s", observed.monitor_ms.div_ceil(1000)))
        }
        Health::None | Health::Healthy => StepStatus::Done,
    }
}

fn of_exited(container: &Container, observed: Observed, seen: &InstanceReport, is_crashing: bool) -> StepStatus {
    match (policy(container), seen.exit_code) {
        ("no" | "on-failure", 0) if observed.must_be_healthy => {
            StepStatus::Failed(seen.with_output("it ended with status 0 before it was healthy".to_owned()))
        }
        ("no" | "on-failure", 0) => StepStatus::Done,
        ("no", _) => StepStatus::Failed(seen.ended()),
        _ if is_crashing => StepStatus::Failed(seen.crash_loop()),
        (_, code) => wait(format!("it ended with status {code}")),
    }
}

fn policy(container: &Container) -> &str {
    match container.restart.as_ref().map_or("", |restart| restart.policy.as_str()) {
        "" => "no",
        policy => policy,
    }
}

/// Whether the compose file declares a health check.
fn has_check(container: &Container) -> bool {
    let test = container.healthcheck.as_ref().and_then(|check| check.test.first());
    test.is_some_and(|first| first != "NONE")
}

/// Why a step that was done has failed after all: its container exited. An unhealthy container may recover.
pub(super) fn has_ended(instance: &Instance, report: &Report) -> Option<String> {
    let seen = report.about(instance).filter(|seen| seen.is_of(instance))?;
    let ended = matches!(seen.state, ContainerState::Exited | ContainerState::Restarting);
    match of_container(&instance.container, Observed::default(), seen) {
        StepStatus::Failed(message) if ended => Some(message),
        _ => None,
    }
}

/// Whether the container of a step that was done has exited and is restarting, so that the result is open.
pub(super) fn is_restarting(instance: &Instance, report: &Report) -> bool {
    let seen = report.about(instance).filter(|seen| seen.is_of(instance));
    seen.is_some_and(|seen| match seen.state {
        ContainerState::Restarting => true,
        ContainerState::Exited => matches!(policy(&instance.container), "always" | "unless-stopped"),
        _ => false,
    })
}

/// Why a condition of an instance can never hold; none while it may.
pub(super) fn why_impossible(condition: Condition, instance: &Instance, report: &Report) -> Option<String> {
    let seen = report.about(instance).filter(|seen| seen.is_of(instance))?;
    let for_good = seen.state == ContainerState::Exited && matches!(policy(&instance.container), "no" | "on-failure");
    match condition {
        Condition::Healthy if for_good => Some(seen.ended()),
        Condition::Completed if for_good && seen.exit_code != 0 => Some(seen.ended()),
        Condition::Started if for_good && seen.exit_code != 0 => Some(seen.ended()),
        Condition::Healthy
            if seen.state == ContainerState::Running
                && seen.health == Health::None
                && !has_check(&instance.container) =>
        {
            Some("it has no health check".to_owned())
        }
        _ => None,
    }
}

/// Status of a step that removes a container.
pub(super) fn of_removal(name: &InstanceName, report: &Report) -> StepStatus {
    let (kind, resource) = (ResourceKind::Instance, name.to_string());
    match (report.instance(name).is_some(), final_problem(report, kind, &resource)) {
        (false, _) => StepStatus::Done,
        (true, Some(message)) => StepStatus::Failed(message),
        (true, None) => wait(problem(report, kind, &resource).unwrap_or("not removed yet")),
    }
}

/// Status of a step about files, a network, a volume or a host.
pub(super) fn of_resource(action: &Action, manifest: Option<&str>, report: &Report) -> StepStatus {
    let (kind, resource) = (kind_of(action), action.subject());
    if let Some(message) = final_problem(report, kind, &resource) {
        return StepStatus::Failed(message);
    }
    let trees = &report.trees;
    let done = match action {
        Action::Sync { stack } => trees.iter().any(|it| it.stack == *stack && Some(it.manifest.as_str()) == manifest),
        Action::RemoveTree { stack } => !trees.iter().any(|tree| tree.stack == *stack),
        _ => report.is_converged(action.stack().unwrap_or_default()) && problem(report, kind, &resource).is_none(),
    };
    match (done, problem(report, kind, &resource), action) {
        (true, ..) => StepStatus::Done,
        (false, Some(message), _) => wait(message),
        (false, None, Action::Sync { .. }) => wait("waiting for the files to arrive"),
        (false, None, Action::RemoveTree { .. }) => wait("waiting for the files to be removed"),
        (false, None, _) => StepStatus::Unconfirmed,
    }
}

/// Kind of the resource that an action is about.
fn kind_of(action: &Action) -> ResourceKind {
    match action {
        Action::CreateNetwork { .. } | Action::RemoveNetwork { .. } => ResourceKind::Network,
        Action::CreateVolume { .. } | Action::RemoveVolume { .. } => ResourceKind::Volume,
        Action::Sync { .. } | Action::RemoveTree { .. } => ResourceKind::Tree,
        Action::Create { .. }
        | Action::Start { .. }
        | Action::Recreate { .. }
        | Action::Move { .. }
        | Action::Remove { .. } => ResourceKind::Instance,
        Action::Configure => ResourceKind::Unknown,
    }
}

fn problem<'r>(report: &'r Report, kind: ResourceKind, resource: &str) -> Option<&'r str> {
    let found = report.problems.iter().find(|problem| problem.is_of(kind, resource));
    found.map(|problem| problem.message.as_str())
}

fn final_problem(report: &Report, kind: ResourceKind, resource: &str) -> Option<String> {
    let found = report.problems.iter().find(|problem| problem.is_final && problem.is_of(kind, resource));
    found.map(|problem| problem.message.clone())
}

/// Whether a condition holds for an instance.
pub(super) fn holds(condition: Condition, instance: &Instance, report: &Report) -> bool {
    let Some(seen) = report.about(instance).filter(|seen| seen.is_of(instance)) else {
        return false;
    };
    let completed = seen.state == ContainerState::Exited && seen.exit_code == 0;
    let running = seen.state == ContainerState::Running && seen.unfinished.is_empty();
    match condition {
        Condition::Started => running || completed,
        Condition::Healthy => running && seen.health == Health::Healthy,
        Condition::Completed => completed,
    }
}

/// Description of an instance that others wait for.
pub(super) fn describe(instance: &Instance, report: Option<&Report>) -> String {
    let Some(report) = report else { return "its host has not reported".to_owned() };
    match report.about(instance) {
        None => "it has no container".to_owned(),
        Some(seen) if !seen.is_of(instance) => "its container is not the declared one".to_owned(),
        Some(seen) if !seen.unfinished.is_empty() => seen.unfinished.clone(),
        Some(seen) => match (seen.state, seen.health) {
            (ContainerState::Running, Health::Unhealthy) => seen.unhealthy(),
            (ContainerState::Running, Health::Starting) => "it is not healthy yet".to_owned(),
            (ContainerState::Running, Health::None) => "it runs and has no health check".to_owned(),
            (ContainerState::Running, Health::Healthy) => "it runs".to_owned(),
            (ContainerState::Exited, _) => seen.ended(),
            _ => "it does not run".to_owned(),
        },
    }
}

/// How long a step for a container may take: the time of its health check plus a minute, and at least two minutes; a job
/// may take half an hour.
pub(super) fn limit_ms(container: &Container, observed: Observed) -> u64 {
    if observed.is_job {
        return JOB_MS;
    }
    let or = |value: i64, default: i64| if value == 0 { default } else { value };
    let check = container.healthcheck.clone().unwrap_or_default();
    let (interval, timeout) = (or(check.interval, 30 * SECOND), or(check.timeout, 30 * SECOND));
    let retries = i64::from(if check.retries == 0 { 3 } else { check.retries });
    let own_ms = if has_check(container) {
        let own = interval.saturating_mul(retries).saturating_add(timeout).saturating_add(check.start_period);
        u64::try_from(own / 1_000_000).unwrap_or(0)
    } else {
        observed.monitor_ms
    };
    (own_ms + 60_000 + stop_ms(container)).max(LEAST_MS)
}

/// How long a step stays unconfirmed without a reported problem before it counts as done: in milliseconds.
pub(super) const UNCONFIRMED_MS: u64 = 20_000;

/// How long a container may take to stop, in milliseconds.
pub(super) fn stop_ms(container: &Container) -> u64 {
    u64::from(container.stop_grace_seconds.unwrap_or(10)) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Problem;

    #[test]
    fn a_problem_of_another_kind_of_resource_with_the_same_name_is_not_the_steps() {
        let (volume, stack) = ("data".to_owned(), "data".to_owned());
        let steps = [
            (Action::CreateNetwork { network: "data".to_owned(), stack: Some(stack.clone()) }, ResourceKind::Network),
            (Action::CreateVolume { volume, stack: stack.clone() }, ResourceKind::Volume),
            (Action::Sync { stack }, ResourceKind::Tree),
        ];
        for (step, kind) in &steps {
            for (_, other) in &steps {
                let problem = |kind| Problem {
                    resource: "data".to_owned(),
                    message: "no room".to_owned(),
                    is_final: true,
                    kind,
                    ..Problem::default()
                };
                let status = |kind| {
                    let report = Report { problems: vec![problem(kind)], ..Report::default() };
                    of_resource(step, None, &report) == StepStatus::Failed("no room".to_owned())
                };
                assert_eq!(status(*other), other == kind, "{step:?}, {other:?}");
                assert!(status(ResourceKind::Unknown), "an older agent does not report the kind");
            }
            assert_eq!(*kind == ResourceKind::Network, {
                let problem =
                    Problem { kind: ResourceKind::Overlay, resource: "data".to_owned(), ..Problem::default() };
                problem.is_of(*kind, "data")
            });
        }
    }
}
