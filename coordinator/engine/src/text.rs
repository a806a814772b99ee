//! Texts that messages of several operations share.

use landfast_core::plan::Step;

/// `recreate data/postgres.1 on beta`.
pub fn sentence(step: &Step) -> String {
    let what = format!("{} {}", step.action.label(), step.subject());
    match &step.from {
        Some(from) => format!("{what} from {from} to {}", step.host),
        None => format!("{what} on {}", step.host),
    }
}
