//! Effects of an event on what the rollout knows of the hosts.
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Event, Progress, State};
use crate::plan::Action;
use crate::report::Report;

pub(super) fn apply(state: &mut State, event: Event, now: u64) {
    match event {
        Event::Start { epoch, owner } => {
            (state.epoch, state.owner) = (epoch, owner);
            start(state);
        }
        Event::Reported { host, report } => report_received(state, &host, report, now),
        Event::Assigned { host, generation } => {
            if let Some(host) = state.hosts.get_mut(&host) {
                host.lost_since = None;
                // The answer may be about an older assignment that was retried.
                if generation == host.sent.generation {
                    host.unanswered_since = None;
                }
            }
        }
        Event::Tick => {}
        Event::AssignFailed { host, generation, stacks, message } => {
            assignment_refused(state, &host, generation, &stacks, &message)
        }
        Event::Lost { host } => {
            if let Some(host) = state.hosts.get_mut(&host) {
                host.lost_since.get_or_insert(now);
            }
        }
        Event::Cancel => state.fail("stopped on request".to_owned()),
    }
}

/// Forgets what an earlier run has seen and measured.
fn start(state: &mut State) {
    for host in state.hosts.values_mut() {
        host.unanswered_since = None;
        host.lost_since = None;
        host.report = None;
    }
    (state.stalled_since, state.restarting_since) = (None, None);
}

fn report_received(state: &mut State, name: &str, report: Report, now: u64) {
    let (epoch, is_own) = (state.epoch, state.is_own(&report));
    let Some(host) = state.hosts.get_mut(name) else { return };
    if report.epoch > epoch {
        let message =
            format!("another coordinator took over {name}: its epoch {} is newer than ours, {epoch}", report.epoch);
        return state.fail(message);
    }
    if report.epoch == epoch && !is_own {
        return state.fail(format!("{} deploys to {name} at the same time", report.owner));
    }
    let lost_since = if report.engine_lost { Some(host.lost_since.unwrap_or(now)) } else { None };
    let away = host.lost_since.filter(|_| lost_since.is_none()).map_or(0, |since| now.saturating_sub(since));
    host.lost_since = lost_since;
    let syncing = syncing(host.report.as_ref(), &report);
    host.report = Some(report);
    host.unanswered_since = host.unanswered_since.map(|since| since.saturating_add(away).min(now));
    if away > 0 {
        state.extend_deadlines(name, away);
    }
    state.restart_deadlines(name, &syncing);
}

/// Stacks whose files are being changed, with progress since the report before.
fn syncing(before: Option<&Report>, report: &Report) -> BTreeSet<String> {
    let before = |stack: &str| before.and_then(|report| report.trees.iter().find(|tree| tree.stack == stack));
    let moved = report.trees.iter().filter(|tree| tree.progress > 0);
    let moved = moved.filter(|tree| before(&tree.stack).is_none_or(|before| before.progress != tree.progress));
    moved.map(|tree| tree.stack.clone()).collect()
}

/// Handles the refusal of a state, or of the part of it that concerns some stacks. The refusal of an older generation that was
/// retried does not count.
fn assignment_refused(state: &mut State, name: &str, generation: u64, stacks: &BTreeSet<String>, message: &str) {
    let Some(host) = state.hosts.get_mut(name) else { return };
    if host.sent.generation != generation {
        return;
    }
    host.unanswered_since = None;
    for at in 0..state.steps.len() {
        let concerns = state.plan.steps[at].action.stack().is_some_and(|stack| stacks.contains(stack));
        let is_sent = state.steps[at].generation == Some(generation) && state.host_of(at) == Some(name);
        let is_refused = is_sent && (stacks.is_empty() || concerns);
        if is_refused && state.steps[at].progress.is_running() {
            state.set_progress(at, Progress::Failed { message: message.to_owned() });
        }
    }
    let reason = format!("{name} refused its new state: {message}");
    if stacks.is_empty() {
        return state.fail(reason);
    }
    for stack in stacks {
        state.fail_stack(Some(stack), reason.clone());
    }
}

impl State {
    /// Whether a report is about an assignment of this run.
    pub(super) fn is_own(&self, report: &Report) -> bool {
        (report.epoch, &report.owner) == (self.epoch, &self.owner)
    }

    /// Records a failure that concerns all stacks. No step begins any more.
    pub(super) fn fail(&mut self, reason: String) {
        self.fail_stack(None, reason);
    }

    /// Records a failure of one stack, of which no step begins any more. A failure of what belongs to no stack concerns all.
    pub(super) fn fail_stack(&mut self, stack: Option<&str>, reason: String) {
        match stack {
            Some(stack) => drop(self.failed.insert(stack.to_owned())),
            None => self.is_halted = true,
        }
        self.record_failure(reason);
    }

    pub(super) fn record_failure(&mut self, reason: String) {
        if !self.failures.contains(&reason) {
            self.failures.push(reason);
        }
    }

    /// Whether the step may not begin any more.
    pub(super) fn is_over(&self, at: usize) -> bool {
        let stack = self.plan.steps[at].action.stack();
        self.is_halted || stack.is_some_and(|stack| self.failed.contains(stack))
    }

    /// The host that must act for a step now. A move begins on the old host.
    pub(super) fn host_of(&self, at: usize) -> Option<&str> {
        let (step, state) = (self.plan.steps.get(at)?, self.steps.get(at)?);
        match &step.action {
            Action::Move { from, .. } if !state.left => Some(from),
            _ => Some(&step.host),
        }
    }

    /// Lets the time of steps begin anew whose stack's files make progress on their host: there may be many of them.
    fn restart_deadlines(&mut self, host: &str, stacks: &BTreeSet<String>) {
        for at in 0..self.steps.len() {
            let is_moving = self.plan.steps[at].action.stack().is_some_and(|stack| stacks.contains(stack));
            if is_moving && self.host_of(at) == Some(host) {
                self.steps[at].deadline = None;
            }
        }
    }

    fn extend_deadlines(&mut self, host: &str, by: u64) {
        let index = Arc::clone(&self.index);
        for at in index.on(host).iter().copied() {
            if self.host_of(at) == Some(host) {
                let deadline = &mut self.steps[at].deadline;
                *deadline = deadline.map(|deadline| deadline.saturating_add(by));
            }
        }
    }
}
