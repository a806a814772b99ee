//! The report of a rollout that failed or was stopped: the reasons, and the state of each step.

use std::fmt;

use landfast_core::plan::Plan;
use landfast_core::rollout::{Failure, Progress};

use crate::text;

/// The result of a rollout that failed or was stopped: the reasons, and the state of each step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReport {
    /// The plan that was carried out.
    pub plan: Plan,
    /// The reasons of the failure, and the progress of each step of the plan.
    pub failure: Failure,
    /// Whether the rollout was stopped on request.
    pub stopped: bool,
}

impl fmt::Display for FailureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.stopped { "stopped on request" } else { "the rollout stopped" };
        write!(f, "{what}: {}", self.failure.reasons.join("\n  "))?;
        write!(f, "\nstate of each step:")?;
        for (step, progress) in self.plan.steps.iter().zip(&self.failure.steps) {
            let (mark, more) = match progress {
                Progress::Waiting => ("not started", ""),
                Progress::Running { seen, .. } => ("running", seen.as_str()),
                Progress::Done => ("done", ""),
                // The reasons above contain the whole message.
                Progress::Failed { message } => ("failed", message.lines().next().unwrap_or_default()),
            };
            let separator = if more.is_empty() { "" } else { ": " };
            write!(f, "\n  {mark:11}  {}{separator}{more}", text::sentence(step))?;
        }
        Ok(())
    }
}
