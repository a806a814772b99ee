//! Progress of a rollout after an event: which steps are done, which begin, what hosts are sent, and whether it has ended.
use super::step_status::{self, Observed, StepStatus};
use super::{Action, FAILURE_GRACE_MS, Failure, HOST_TIMEOUT_MS, Progress, Run, State};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::deployment::{Condition, InstanceName};
use crate::desired::Instance;
use crate::plan;
use crate::report::{CRASH_LOOP, ContainerState};

/// Updates the status of every step that is running or done, or only of those of one host.
pub(super) fn update_statuses(state: &mut State, host: Option<&str>, now: u64) {
    let index = Arc::clone(&state.index);
    let (all, own) = (0..state.steps.len(), host.map(|host| index.on(host)));
    let steps: Box<dyn Iterator<Item = usize>> = match own {
        Some(own) => Box::new(own.iter().copied()),
        None => Box::new(all),
    };
    for at in steps {
        if host.is_some() && state.host_of(at) != host {
            continue;
        }
        match state.steps[at].progress {
            Progress::Running { since, .. } => update_running(state, at, since, now),
            Progress::Done => recheck_done(state, at),
            Progress::Waiting | Progress::Failed { .. } => {}
        }
    }
}

fn update_running(state: &mut State, at: usize, since: u64, now: u64) {
    if !state.is_acknowledged(at) {
        return;
    }
    state.observe(at, now);
    let limit = state.limit(at, now);
    // The deadline is set only after the owner of a shared namespace is done: its host recreates that one first.
    if !state.owners(at).iter().any(|owner| state.steps[*owner].progress.is_running()) {
        state.steps[at].deadline.get_or_insert(now.saturating_add(limit));
    }
    let is_over = state.steps[at].deadline.is_some_and(|deadline| now >= deadline);
    let status = match state.status(at, now) {
        Some(StepStatus::Pending(seen)) if is_over && !state.is_lost(at) => {
            let seen = if seen.is_empty() { "not done".to_owned() } else { seen };
            StepStatus::Failed(format!("{seen} after {} s", limit / 1000))
        }
        // A host that stays busy with something else does not block this step.
        Some(StepStatus::Unconfirmed) if now >= since.saturating_add(step_status::UNCONFIRMED_MS) => StepStatus::Done,
        Some(status) => status,
        None => return,
    };
    let step = &mut state.steps[at];
    match status {
        StepStatus::Done if matches!(state.plan.steps[at].action, plan::Action::Move { .. }) && !step.left => {
            (step.left, step.generation, step.deadline) = (true, None, None);
            step.run = None;
            state.touch(at);
        }
        StepStatus::Done => {
            state.set_progress(at, Progress::Done);
            state.fabric_is_stale = true;
        }
        StepStatus::Unconfirmed => {}
        StepStatus::Pending(news) => {
            if matches!(&step.progress, Progress::Running { seen, .. } if *seen != news) {
                state.set_progress(at, Progress::Running { since, seen: news });
            }
        }
        StepStatus::Failed(message) => state.fail_step(at, message),
    }
}

/// Fails a step that was done if its container exits while the rollout continues.
fn recheck_done(state: &mut State, at: usize) {
    if state.plan.steps[at].action.change().is_none() || !state.is_acknowledged(at) {
        return;
    }
    let ended = state
        .target_of(at)
        .zip(state.report_of(at))
        .and_then(|(instance, report)| step_status::has_ended(instance, report));
    if let Some(message) = ended {
        state.fail_step(at, message);
    }
}

/// Begins every step that is ready.
pub(super) fn release(state: &mut State, now: u64) {
    loop {
        let is_ready = |state: &State, at: &usize| state.is_ready(*at) || state.is_ready_with_owner(*at);
        let ready: Vec<usize> = (0..state.steps.len()).filter(|at| is_ready(state, at)).collect();
        for at in &ready {
            // One at a time: each step that begins counts towards the parallelism of its service.
            if is_ready(state, at) {
                state.set_progress(*at, Progress::Running { since: now, seen: String::new() });
                state.touch(*at);
            }
        }
        if ready.is_empty() {
            return;
        }
    }
}

/// Sends hosts their new state if it differs from the one that was sent last.
pub(super) fn assign(state: &mut State, now: u64) -> Vec<Action> {
    update_fabric(state);
    let current = &state.fabrics.current;
    let due = state.hosts.iter().filter(|(_, host)| {
        let is_free = host.unanswered_since.is_none() && host.lost_since.is_none();
        is_free && (host.is_stale || host.sent.fabric != *current)
    });
    let due: Vec<_> = due.filter_map(|(name, _)| Some((name.clone(), state.host_state(name)?))).collect();
    let index = Arc::clone(&state.index);
    let mut actions = Vec::new();
    for (name, mut wanted) in due {
        let own = index.on(&name).iter().copied();
        let unassigned: Vec<usize> = own.filter(|at| state.is_unassigned(*at, &name)).collect();
        let again = unassigned.iter().filter_map(|at| match &state.plan.steps[*at].action {
            plan::Action::Start { change, .. } => Some(change.instance.stack.clone()),
            _ => None,
        });
        let again: BTreeSet<String> = again.collect();
        let epoch = state.epoch;
        let Some(host) = state.hosts.get_mut(&name) else { continue };
        host.is_stale = false;
        // Otherwise the state was already sent with an earlier step.
        if !again.is_empty() || !host.sent.same_contents(&wanted) {
            wanted.epoch = epoch;
            wanted.generation = host.sent.generation + 1;
            host.sent = wanted;
            host.unanswered_since = Some(now);
            actions.push(Action::Assign { host: name, state: Box::new(host.sent.clone()), again });
        }
        unassigned.iter().for_each(|at| state.steps[*at].generation = Some(host.sent.generation));
    }
    actions
}

/// Determines what the hosts should know of each other.
fn update_fabric(state: &mut State) {
    let mut fabrics = std::mem::take(&mut state.fabrics);
    if std::mem::take(&mut state.fabric_is_stale) && fabrics.is_changing() {
        let is_end = state.instance_steps_done();
        if fabrics.has_passing() {
            let states = state.target.iter().chain(&state.before);
            let hosts: BTreeMap<Ipv4Addr, &str> =
                states.filter_map(|(name, host)| Some((host.fleet_networks().next()?.1, name.as_str()))).collect();
            let host = |address: Ipv4Addr| hosts.get(&address);
            fabrics.update(|name, address| host(address).is_some_and(|host| state.is_at(host, name)), is_end);
        } else {
            fabrics.update(|_, _| false, is_end);
        }
    }
    state.fabrics = fabrics;
}

/// Fails what has waited too long or waits for something impossible.
pub(super) fn detect_timeouts(state: &mut State, now: u64) {
    for (name, message) in silent_hosts(state, now) {
        let is_left = |at: &usize| {
            let progress = &state.steps[*at].progress;
            (progress.is_running() || *progress == Progress::Waiting) && state.host_of(*at) == Some(&name)
        };
        let left: Vec<usize> = state.index.on(&name).iter().copied().filter(is_left).collect();
        for at in &left {
            if state.steps[*at].progress.is_running() {
                state.set_progress(*at, Progress::Failed { message: format!("unknown: {message}") });
            }
            state.fail_stack_of(*at, message.clone());
        }
        if let Some(host) = state.hosts.get_mut(&name) {
            host.is_given_up = true;
        }
        // A host that only has to learn of the others stops nobody.
        state.record_failure(message);
    }
    fail_impossible_waits(state);
    fail_what_comes_after(state);
    detect_stall(state, now);
}

/// Fails the stacks of which a step waits for a condition that can never hold.
fn fail_impossible_waits(state: &mut State) {
    for at in 0..state.steps.len() {
        if state.is_left(at)
            && let Some(message) = state.why_wait_fails(at)
        {
            state.fail_stack_of(at, message);
        }
    }
}

/// Fails the stacks of which a step comes after a step of a failed stack.
fn fail_what_comes_after(state: &mut State) {
    while let Some((at, before)) = (0..state.steps.len()).find_map(|at| Some((at, state.cut_off_by(at)?))) {
        let (step, before) = (&state.plan.steps[at].action, &state.plan.steps[before].action);
        let message =
            format!("{} comes after {} {}, which was not done", step.subject(), before.label(), before.subject());
        state.fail_stack_of(at, message);
    }
}

/// Hosts that have not answered for too long and are needed, each with a message.
fn silent_hosts(state: &State, now: u64) -> Vec<(String, String)> {
    let over = |since: Option<u64>| since.is_some_and(|since| now.saturating_sub(since) >= HOST_TIMEOUT_MS);
    let needed = |name: &String, host: &super::HostProgress| {
        let is_current = !host.is_stale && host.sent.fabric == state.fabrics.current;
        let is_left =
            |at: usize| state.host_of(at) == Some(name) && (state.is_left(at) || state.steps[at].progress.is_running());
        !is_current || host.unanswered_since.is_some() || state.index.on(name).iter().copied().any(is_left)
    };
    let message = |host: &super::HostProgress, name: &String| {
        let what = if host.lost_since.is_some() { "been unreachable" } else { "not answered" };
        format!("{name} has {what} for {} s", HOST_TIMEOUT_MS / 1000)
    };
    let silent = state.hosts.iter().filter(|(_, host)| !host.is_given_up);
    let silent = silent.filter(|(_, host)| over(host.lost_since) || over(host.unanswered_since));
    let needed = silent.filter(|(name, host)| needed(name, host));
    needed.map(|(name, host)| (name.clone(), message(host, name))).collect()
}

/// Fails a stack if no step is running and its remaining steps have waited too long.
fn detect_stall(state: &mut State, now: u64) {
    let busy = state.steps.iter().any(|step| step.progress.is_running());
    let mut waiting = (0..state.steps.len()).filter(|at| state.is_left(*at));
    // A step that waits for a condition explains the stall better than the steps behind it.
    let left = waiting.clone().find(|at| state.unmet(*at).is_some()).or_else(|| waiting.next());
    let (Some(at), false) = (left, busy) else {
        state.stalled_since = None;
        return;
    };
    let since = *state.stalled_since.get_or_insert(now);
    if now.saturating_sub(since) >= HOST_TIMEOUT_MS {
        let message = state.why_waiting(at);
        state.fail_stack_of(at, message);
    }
}

/// The last action, if the rollout has ended.
pub(super) fn finish(state: &mut State, now: u64) -> Option<Action> {
    let running = state.steps.iter().any(|step| step.progress.is_running());
    let unanswered = state.hosts.values().any(|host| host.unanswered_since.is_some() && !host.is_given_up);
    if !state.failures.is_empty() {
        let is_busy = |at: usize| state.is_left(at) || (state.steps[at].progress.is_running() && !state.is_over(at));
        if (0..state.steps.len()).any(is_busy) {
            return None;
        }
        let since = *state.ending_since.get_or_insert(now);
        let settled = !running && !unanswered;
        if !settled && now.saturating_sub(since) < FAILURE_GRACE_MS {
            return None;
        }
        state.ended = true;
        return Some(Action::Failed(Failure { reasons: state.failures.clone(), steps: state.progress() }));
    }
    let done = state.steps.iter().all(|step| step.progress == Progress::Done);
    // The rollout also waits for hosts that still have to learn of the others. A host that is away is not among them.
    let all_current = || state.hosts.values().all(|host| !host.is_stale && host.sent.fabric == state.fabrics.current);
    if done && !unanswered && all_current() && is_stable(state, now) {
        state.ended = true;
        return Some(Action::Done);
    }
    None
}

/// Whether no changed container is restarting. A container that keeps restarting fails the rollout.
fn is_stable(state: &mut State, now: u64) -> bool {
    let Some(at) = (0..state.steps.len()).find(|at| state.is_restarting(*at)) else {
        state.restarting_since = None;
        return true;
    };
    let since = *state.restarting_since.get_or_insert(now);
    if now.saturating_sub(since) >= HOST_TIMEOUT_MS {
        state.fail_step(at, "it keeps exiting".to_owned());
    }
    false
}

impl State {
    /// Whether a step can begin: the steps before it are done, and the conditions that it waits for hold.
    fn is_ready(&self, at: usize) -> bool {
        let step = &self.plan.steps[at];
        let is_done = |before: &usize| self.steps.get(*before).is_some_and(|it| it.progress == Progress::Done);
        self.is_left(at)
            && step.after.iter().all(is_done)
            && self.unmet(at).is_none()
            && self.has_room(&step.action)
            && match &step.action {
                plan::Action::Sync { stack } => self.may_sync(&step.host, stack),
                _ => true,
            }
    }

    /// Whether the parallelism of the service allows one more update.
    fn has_room(&self, action: &plan::Action) -> bool {
        let Some((update, name)) = action.update().zip(action.instance()) else { return true };
        let Some(parallelism) = update.parallelism else { return true };
        let updates = self.index.updates_of(&name.service_name()).iter();
        updates.filter(|at| self.steps[**at].progress.is_running()).count() < parallelism.get() as usize
    }

    /// Whether the files of a stack may change on a host: together with the first of its containers there, or after all
    /// containers if none of them changes.
    fn may_sync(&self, host: &str, stack: &str) -> bool {
        let progress = |at: &usize| &self.steps[*at].progress;
        let ours = self.index.changes_on(host, stack);
        if ours.is_empty() {
            return self.index.changes().iter().all(|at| *progress(at) == Progress::Done);
        }
        ours.iter().any(|at| *progress(at) != Progress::Waiting)
    }

    pub(super) fn condition_holds(&self, wait: &plan::Wait) -> bool {
        // `Started` can hold before the step is done, because a health check may follow.
        let settled = wait.condition == Condition::Started || self.is_changed(&wait.instance);
        let found = self.find_target(&wait.instance).and_then(|(host, instance)| Some((instance, self.report(host)?)));
        settled && found.is_some_and(|(instance, report)| step_status::holds(wait.condition, instance, report))
    }

    /// Whether every step that changes the instance is done.
    fn is_changed(&self, name: &InstanceName) -> bool {
        self.index.changes_of(name).iter().all(|at| self.steps[*at].progress == Progress::Done)
    }

    /// The first condition of a step that does not hold.
    fn unmet(&self, at: usize) -> Option<&plan::Wait> {
        self.plan.steps[at].action.waits_for().iter().find(|wait| !self.condition_holds(wait))
    }

    fn why_waiting(&self, at: usize) -> String {
        let Some(wait) = self.unmet(at) else {
            return format!("{} is still waiting, and no host reports progress", self.plan.steps[at].action.subject());
        };
        let seen = match self.find_target(&wait.instance) {
            Some((host, instance)) => step_status::describe(instance, self.report(host)),
            None => "no host runs it".to_owned(),
        };
        self.failed_wait(at, wait, &seen)
    }

    /// Why a step waits for a condition that can never hold; none while it may. An instance whose own step is running is
    /// judged by that step.
    fn why_wait_fails(&self, at: usize) -> Option<String> {
        let why_impossible = |wait: &plan::Wait| {
            let (host, instance) = self.find_target(&wait.instance)?;
            if !self.hosts.contains_key(host) {
                return Some(format!("its host {host} is away"));
            }
            let is_done = self.is_changed(&wait.instance);
            step_status::why_impossible(wait.condition, instance, self.report(host).filter(|_| is_done)?)
        };
        let waits = self.plan.steps[at].action.waits_for();
        waits.iter().find_map(|wait| Some(self.failed_wait(at, wait, &why_impossible(wait)?)))
    }

    fn failed_wait(&self, at: usize, wait: &plan::Wait, seen: &str) -> String {
        let what = match wait.condition {
            Condition::Started => "to start",
            Condition::Healthy => "to be healthy",
            Condition::Completed => "to complete",
        };
        format!("{} waits for {} {what}, but {seen}", self.plan.steps[at].action.subject(), wait.instance)
    }

    /// Records since when the container of a step has been running.
    fn observe(&mut self, at: usize, now: u64) {
        let seen = self.target_of(at).and_then(|instance| {
            let seen = self.report_of(at)?.about(instance)?;
            seen.is_of(instance).then_some((seen.state, seen.started_at, seen.restarts))
        });
        let is_start = matches!(self.plan.steps[at].action, plan::Action::Start { .. });
        let step = &mut self.steps[at];
        let Some((state, started_at, restarts)) = seen else {
            step.run = None;
            return;
        };
        if is_start {
            step.restarts_before.get_or_insert(restarts);
        }
        step.run = match step.run.filter(|run| run.started_at == started_at) {
            _ if state != ContainerState::Running => None,
            Some(run) => Some(run),
            None => Some(Run { started_at, since: now }),
        };
    }

    /// Observations for the container of a step.
    fn observed(&self, at: usize, name: &InstanceName, now: u64) -> Observed {
        let step = &self.steps[at];
        let restarts_before = step.restarts_before.unwrap_or(0);
        // An instance that is only started must keep running if it kept exiting before.
        let monitor_ms = match &self.plan.steps[at].action {
            plan::Action::Start { monitor_ms, .. } if restarts_before >= CRASH_LOOP => *monitor_ms,
            action => action.update().map_or(0, |update| update.monitor_ms),
        };
        Observed {
            is_job: self.is_awaited(name, Condition::Completed),
            must_be_healthy: self.is_awaited(name, Condition::Healthy),
            restarts_before,
            running_ms: step.run.map_or(0, |run| now.saturating_sub(run.since)),
            monitor_ms,
        }
    }

    fn is_restarting(&self, at: usize) -> bool {
        let is_done = self.plan.steps[at].action.change().is_some() && self.steps[at].progress == Progress::Done;
        let seen = self.target_of(at).zip(self.report_of(at)).filter(|_| is_done);
        seen.is_some_and(|(instance, report)| step_status::is_restarting(instance, report))
    }

    pub(super) fn fail_step(&mut self, at: usize, message: String) {
        let step = &self.plan.steps[at];
        let reason = format!("{} on {}: {message}", step.action.subject(), self.host_of(at).unwrap_or(&step.host));
        self.set_progress(at, Progress::Failed { message });
        self.fail_stack_of(at, reason);
    }

    fn fail_stack_of(&mut self, at: usize, reason: String) {
        let stack = self.plan.steps[at].action.stack().map(str::to_owned);
        self.fail_stack(stack.as_deref(), reason);
    }

    /// Whether the step waits and may still begin.
    pub(super) fn is_left(&self, at: usize) -> bool {
        self.steps[at].progress == Progress::Waiting && !self.is_over(at)
    }

    /// The step that will not be done and that a step which is left comes after.
    fn cut_off_by(&self, at: usize) -> Option<usize> {
        let is_lost = |before: &&usize| match self.steps[**before].progress {
            Progress::Waiting => self.is_over(**before),
            Progress::Failed { .. } => true,
            Progress::Running { .. } | Progress::Done => false,
        };
        self.plan.steps[at].after.iter().find(is_lost).copied().filter(|_| self.is_left(at))
    }

    /// Records that what the hosts of a step should hold has changed.
    fn touch(&mut self, at: usize) {
        self.fabric_is_stale = true;
        let step = &self.plan.steps[at];
        let from = match &step.action {
            plan::Action::Move { from, .. } => Some(from),
            _ => None,
        };
        for host in [Some(&step.host), from].into_iter().flatten() {
            if let Some(host) = self.hosts.get_mut(host) {
                host.is_stale = true;
            }
        }
    }

    /// Whether all steps that change or remove an instance are done.
    pub(super) fn instance_steps_done(&self) -> bool {
        let steps = self.plan.steps.iter().zip(&self.steps);
        let mut steps = steps.filter(|(step, _)| step.action.instance().is_some());
        steps.all(|(_, state)| state.progress == Progress::Done)
    }

    /// Whether a step is running and has not been sent to its host.
    fn is_unassigned(&self, at: usize, host: &str) -> bool {
        self.steps[at].progress.is_running() && self.steps[at].generation.is_none() && self.host_of(at) == Some(host)
    }

    /// Whether the host of a step has acknowledged the state with that step.
    fn is_acknowledged(&self, at: usize) -> bool {
        let (Some(report), Some(sent)) = (self.report_of(at), self.steps[at].generation) else { return false };
        // A step without a new state for its host is about the state that the host held before.
        let ours = self.is_own(report) || self.host_progress(at).is_some_and(|it| it.sent.epoch < self.epoch);
        ours && report.generation >= sent
    }

    fn is_lost(&self, at: usize) -> bool {
        self.host_progress(at).is_some_and(|host| host.lost_since.is_some())
    }

    fn host_progress(&self, at: usize) -> Option<&super::HostProgress> {
        self.hosts.get(self.host_of(at)?)
    }

    fn report_of(&self, at: usize) -> Option<&crate::report::Report> {
        self.host_progress(at)?.report.as_ref()
    }

    fn report(&self, host: &str) -> Option<&crate::report::Report> {
        self.hosts.get(host)?.report.as_ref()
    }

    fn find_target(&self, name: &InstanceName) -> Option<(&str, &Instance)> {
        let host = self.index.placed.get(name)?;
        Some((host.as_str(), self.target.get(host)?.instance(name)?))
    }

    fn target_of(&self, at: usize) -> Option<&Instance> {
        let step = &self.plan.steps[at];
        self.target.get(&step.host)?.instance(step.action.instance()?)
    }

    /// The instance that a removal or a move takes off its host.
    fn before_of(&self, at: usize) -> Option<&Instance> {
        let step = &self.plan.steps[at];
        self.before.get(self.host_of(at)?)?.instance(step.action.instance()?)
    }

    /// Whether another instance waits for this condition of the instance.
    fn is_awaited(&self, name: &InstanceName, condition: Condition) -> bool {
        self.index.is_awaited(&name.service_name(), condition)
    }

    fn status(&self, at: usize, now: u64) -> Option<StepStatus> {
        let (step, report) = (&self.plan.steps[at], self.report_of(at)?);
        Some(match &step.action {
            plan::Action::Remove { instance } => step_status::of_removal(instance, report),
            plan::Action::Move { change, .. } if !self.steps[at].left => {
                step_status::of_removal(&change.instance, report)
            }
            action if action.change().is_some() => {
                let instance = self.target_of(at)?;
                step_status::of_change(instance, self.observed(at, &instance.name, now), report)
            }
            action => {
                let trees = &self.target.get(&step.host)?.trees;
                let tree = trees.iter().find(|tree| Some(tree.stack.as_str()) == action.stack());
                step_status::of_resource(action, tree.map(|tree| tree.manifest.as_str()), report)
            }
        })
    }

    /// How long a step may take, in milliseconds.
    fn limit(&self, at: usize, now: u64) -> u64 {
        let leaves = matches!(self.plan.steps[at].action, plan::Action::Move { .. }) && !self.steps[at].left;
        if let Some(instance) = self.target_of(at).filter(|_| !leaves) {
            return step_status::limit_ms(&instance.container, self.observed(at, &instance.name, now));
        }
        self.before_of(at).map_or(0, |instance| step_status::stop_ms(&instance.container)) + HOST_TIMEOUT_MS
    }
}
