//! What a report says about a step: done, not yet, or never.
use crate::container::Container;
use crate::deployment::Condition;
use crate::desired::Instance;
use crate::plan::{Action, Step};
use crate::report::{ContainerState, Health, InstanceReport, Report};

/// So many restarts are a crash loop.
const CRASH_LOOP: u32 = 3;
const SECOND: i64 = 1_000_000_000;
/// A job may work for so long: in milliseconds.
const JOB_MS: u64 = 30 * 60_000;
const LEAST_MS: u64 = 120_000;

/// What a report says about a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    /// Not yet, and what was seen.
    Wait(String),
    /// The host is still at work, and tells nothing against it: done, if that stays so.
    Quiet,
    Failed(String),
}

fn wait(seen: impl Into<String>) -> Verdict {
    Verdict::Wait(seen.into())
}

/// About a step that makes or changes a container.
pub(super) fn of_change(step: &Step, instance: &Instance, is_job: bool, report: &Report) -> Verdict {
    if let Some(message) = final_problem(report, &step.instance) {
        return Verdict::Failed(message);
    }
    let seen = report.instance(&instance.name).filter(|seen| seen.state != ContainerState::Missing);
    let Some(seen) = seen else { return of_missing(report) };
    if seen.digest != instance.digest {
        return wait(problem(report, &step.instance).unwrap_or("the old container is still there"));
    }
    match of_container(&instance.container, is_job, seen) {
        Verdict::Wait(seen) => wait(problem(report, &step.instance).map_or(seen, str::to_owned)),
        verdict => verdict,
    }
}

/// A host that has nothing left to do, and something that did not go, will not make it either.
fn of_missing(report: &Report) -> Verdict {
    let mut finals = report.problems.iter().filter(|problem| problem.is_final);
    match finals.next() {
        Some(problem) if report.converged => Verdict::Failed(format!("{}: {}", problem.resource, problem.message)),
        _ => wait(report.problems.first().map_or("not there yet", |problem| &problem.message)),
    }
}

/// About a container that is the right one.
fn of_container(container: &Container, is_job: bool, seen: &InstanceReport) -> Verdict {
    let crashing = seen.restarts >= CRASH_LOOP;
    let loop_message = || format!("it keeps ending: {} restarts, status {} at last", seen.restarts, seen.exit_code);
    match seen.state {
        ContainerState::Running if seen.health == Health::Healthy && !is_job => Verdict::Done,
        ContainerState::Running | ContainerState::Restarting if crashing => Verdict::Failed(loop_message()),
        ContainerState::Running => of_running(container, is_job, seen),
        ContainerState::Restarting => wait(format!("restarting after status {}", seen.exit_code)),
        ContainerState::Exited => of_exited(container, seen, crashing, loop_message),
        ContainerState::Dead => wait("being removed"),
        ContainerState::Paused => wait("paused"),
        ContainerState::Created => wait("not started yet"),
        ContainerState::Missing | ContainerState::Unknown => wait("not there yet"),
    }
}

fn of_running(container: &Container, is_job: bool, seen: &InstanceReport) -> Verdict {
    match seen.health {
        Health::Unhealthy => Verdict::Failed(unhealthy(seen)),
        Health::Starting => wait("running, not healthy yet"),
        Health::None if has_check(container) => wait("running, health not known yet"),
        _ if is_job => wait("running, not completed yet"),
        Health::None | Health::Healthy => Verdict::Done,
    }
}

fn of_exited(
    container: &Container,
    seen: &InstanceReport,
    crashing: bool,
    loop_message: impl Fn() -> String,
) -> Verdict {
    let policy = container.restart.as_ref().map_or("no", |restart| restart.policy.as_str());
    match (policy, seen.exit_code) {
        ("no" | "" | "on-failure", 0) => Verdict::Done,
        ("no" | "", code) => Verdict::Failed(format!("it ended with status {code}")),
        _ if crashing => Verdict::Failed(loop_message()),
        (_, code) => wait(format!("it ended with status {code}")),
    }
}

fn unhealthy(seen: &InstanceReport) -> String {
    match seen.health_output.trim() {
        "" => "it is unhealthy".to_owned(),
        output => format!("it is unhealthy: {output}"),
    }
}

/// The file asks for a health check of its own.
fn has_check(container: &Container) -> bool {
    let test = container.healthcheck.as_ref().and_then(|check| check.test.first());
    test.is_some_and(|first| first != "NONE")
}

/// Whether a done step has come undone: the container ended. An unhealthy one may recover.
pub(super) fn has_ended(instance: &Instance, report: &Report) -> Option<String> {
    let seen = report.instance(&instance.name).filter(|seen| seen.digest == instance.digest)?;
    let ended = matches!(seen.state, ContainerState::Exited | ContainerState::Restarting);
    match of_container(&instance.container, false, seen) {
        Verdict::Failed(message) if ended => Some(message),
        _ => None,
    }
}

/// About a removal.
pub(super) fn of_removal(step: &Step, report: &Report) -> Verdict {
    let there = step.instance_name().is_some_and(|name| report.instance(&name).is_some());
    match (there, final_problem(report, &step.instance)) {
        (false, _) => Verdict::Done,
        (true, Some(message)) => Verdict::Failed(message),
        (true, None) => wait(problem(report, &step.instance).unwrap_or("still there")),
    }
}

/// About what is not a container.
pub(super) fn of_thing(step: &Step, manifest: Option<&str>, report: &Report) -> Verdict {
    let resource = step.subject();
    if let Some(message) = final_problem(report, resource) {
        return Verdict::Failed(message);
    }
    let trees = &report.trees;
    let done = match step.action {
        Action::Sync => trees.iter().any(|it| it.stack == step.stack && Some(it.manifest.as_str()) == manifest),
        Action::RemoveTree => !trees.iter().any(|tree| tree.stack == step.stack),
        _ => report.converged && problem(report, resource).is_none(),
    };
    match (done, problem(report, resource), step.action) {
        (true, ..) => Verdict::Done,
        (false, Some(message), _) => wait(message),
        (false, None, Action::Sync | Action::RemoveTree) => wait("not all files are there yet"),
        (false, None, _) => Verdict::Quiet,
    }
}

fn problem<'r>(report: &'r Report, resource: &str) -> Option<&'r str> {
    let found = report.problems.iter().find(|problem| problem.resource == resource);
    found.map(|problem| problem.message.as_str())
}

fn final_problem(report: &Report, resource: &str) -> Option<String> {
    let found = report.problems.iter().find(|problem| problem.is_final && problem.resource == resource);
    found.map(|problem| problem.message.clone())
}

/// Whether an instance is what others wait for.
pub(super) fn holds(condition: Condition, instance: &Instance, report: &Report) -> bool {
    let Some(seen) = report.instance(&instance.name).filter(|seen| seen.digest == instance.digest) else {
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

/// What can be seen of an instance that others wait for.
pub(super) fn describe(instance: &Instance, report: Option<&Report>) -> String {
    let Some(report) = report else { return "its host has not reported".to_owned() };
    match report.instance(&instance.name) {
        None => "it is not there".to_owned(),
        Some(seen) if seen.digest != instance.digest => "another container is in its place".to_owned(),
        Some(seen) if !seen.unfinished.is_empty() => seen.unfinished.clone(),
        Some(seen) => match (seen.state, seen.health) {
            (ContainerState::Running, Health::Unhealthy) => unhealthy(seen),
            (ContainerState::Running, Health::Starting) => "it is not healthy yet".to_owned(),
            (ContainerState::Running, Health::None) => "it runs and has no health check".to_owned(),
            (ContainerState::Running, Health::Healthy) => "it runs".to_owned(),
            (ContainerState::Exited, _) => format!("it ended with status {}", seen.exit_code),
            _ => "it does not run".to_owned(),
        },
    }
}

/// How long a container may take: its health check's own time and a minute, two at least; a job half an hour.
pub(super) fn limit_ms(container: &Container, is_job: bool) -> u64 {
    if is_job {
        return JOB_MS;
    }
    let or = |value: i64, default: i64| if value == 0 { default } else { value };
    let check = container.healthcheck.clone().unwrap_or_default();
    let (interval, timeout) = (or(check.interval, 30 * SECOND), or(check.timeout, 30 * SECOND));
    let retries = i64::from(if check.retries == 0 { 3 } else { check.retries });
    let own = if has_check(container) {
        interval.saturating_mul(retries).saturating_add(timeout).saturating_add(check.start_period)
    } else {
        0
    };
    let own_ms = u64::try_from(own / 1_000_000).unwrap_or(0);
    (own_ms + 60_000 + stop_ms(container)).max(LEAST_MS)
}

/// How long a network or a volume may be under way without a problem told: in milliseconds.
pub(super) const QUIET_MS: u64 = 20_000;

/// How long a container may take to stop.
pub(super) fn stop_ms(container: &Container) -> u64 {
    u64::from(container.stop_grace_seconds.unwrap_or(10)) * 1000
}
