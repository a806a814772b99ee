//! What is said of a rollout while it goes on. Steps that are quick are said twice, when they begin and when they are
//! done; what a slow one waits for is said when it has waited for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use landfast_core::plan::Plan;
use landfast_core::rollout::{Progress, ProgressLine};

use crate::listener::Listener;
use crate::text::sentence;

/// Before it is said what a step waits for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What went wrong is said whole at the end.
fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

pub(super) struct Talk<'a> {
    listener: &'a dyn Listener,
    /// By step: what was last seen of it, since when, if that was not said yet.
    unsaid: BTreeMap<usize, (String, Instant)>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(listener: &'a dyn Listener) -> Self {
        Self { listener, unsaid: BTreeMap::new() }
    }

    /// News of a step.
    pub(super) fn hear(&mut self, plan: &Plan, line: &ProgressLine) {
        let Some(step) = plan.steps.get(line.step).map(sentence) else { return };
        self.unsaid.remove(&line.step);
        match &line.progress {
            Progress::Waiting => {}
            Progress::Running { seen, .. } if seen.is_empty() => self.listener.say(&step),
            Progress::Running { seen, .. } => {
                self.unsaid.insert(line.step, (format!("{step}: {seen}"), Instant::now()));
            }
            Progress::Done => self.listener.say(&format!("{step}: done")),
            Progress::Failed { message } => self.listener.say(&format!("{step}: failed: {}", first_line(message))),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        let listener = self.listener;
        self.unsaid.retain(|_, (line, since)| {
            let is_due = since.elapsed() >= PATIENCE;
            if is_due {
                listener.say(line);
            }
            !is_due
        });
    }
}
