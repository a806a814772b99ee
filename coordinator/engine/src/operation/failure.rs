//! What a run that did not come to its end says: step by step, what stands where.

use std::fmt;

use landfast_core::plan::Plan;
use landfast_core::rollout::{Failure, Progress};

use crate::text;

/// What stands where after a run that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReport {
    pub plan: Plan,
    pub failure: Failure,
    /// On request.
    pub stopped: bool,
}

impl fmt::Display for FailureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.stopped { "stopped as asked" } else { "the rollout stopped" };
        write!(f, "{what}: {}", self.failure.reasons.join("\n  "))?;
        write!(f, "\nwhat stands where:")?;
        for (step, progress) in self.plan.steps.iter().zip(&self.failure.steps) {
            let (mark, more) = match progress {
                Progress::Waiting => ("as it was", ""),
                Progress::Running { seen, .. } => ("under way", seen.as_str()),
                Progress::Done => ("done", ""),
                // The reasons above have all of it.
                Progress::Failed { message } => ("failed", message.lines().next().unwrap_or_default()),
            };
            let separator = if more.is_empty() { "" } else { ": " };
            write!(f, "\n  {mark:9}  {}{separator}{more}", text::sentence(step))?;
        }
        Ok(())
    }
}
