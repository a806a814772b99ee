//! Texts that the messages of several operations share.

use landfast_core::plan::{Action, Step};

/// Returns a step of a plan as a phrase, such as `recreate data/postgres.1 on beta`.
pub fn sentence(step: &Step) -> String {
    let what = format!("{} {}", step.action.label(), step.action.subject());
    match &step.action {
        Action::Move { from, .. } => format!("{what} from {from} to {}", step.host),
        _ => format!("{what} on {}", step.host),
    }
}
