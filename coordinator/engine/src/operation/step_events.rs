//! Turns the progress of steps into events. The beginning and the end of a step are reported at once. What a step waits
//! for is reported only if it waits for a while, so that quick steps do not fill the screen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use landfast_core::plan::{Plan, Step};
use landfast_core::rollout::{Progress, ProgressLine};

use crate::event::{Event, Listener};

/// Time that a step waits before its waiting is reported.
const WAIT_REPORTED_AFTER: Duration = Duration::from_secs(3);

/// Progress of the steps that has not been reported yet.
pub(super) struct StepEvents<'a> {
    listener: &'a dyn Listener,
    /// Steps that wait, keyed by their index in the plan, with the last observation and its time.
    waiting: BTreeMap<usize, (Step, String, Instant)>,
}

impl<'a> StepEvents<'a> {
    pub(super) fn new(listener: &'a dyn Listener) -> Self {
        Self { listener, waiting: BTreeMap::new() }
    }

    /// Handles the progress of a step.
    pub(super) fn progressed(&mut self, plan: &Plan, line: &ProgressLine) {
        let Some(step) = plan.steps.get(line.step).cloned() else { return };
        self.waiting.remove(&line.step);
        match &line.progress {
            Progress::Waiting => {}
            Progress::Running { seen, .. } if seen.is_empty() => self.listener.report(Event::StepStarted(step)),
            Progress::Running { seen, .. } => {
                self.waiting.insert(line.step, (step, seen.clone(), Instant::now()));
            }
            Progress::Done => self.listener.report(Event::StepDone(step)),
            Progress::Failed { message } => {
                let problem = message.lines().next().unwrap_or_default().to_owned();
                self.listener.report(Event::StepFailed { step, problem });
            }
        }
    }

    /// Reports the steps that have waited for long enough. It is called at least once a second.
    pub(super) fn tick(&mut self) {
        let listener = self.listener;
        self.waiting.retain(|_, (step, observed, since)| {
            let is_due = since.elapsed() >= WAIT_REPORTED_AFTER;
            if is_due {
                listener.report(Event::StepWaiting { step: step.clone(), observed: observed.clone() });
            }
            !is_due
        });
    }
}
