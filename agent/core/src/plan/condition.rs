//! Whether an instance has reached the condition that another one waits for.

use crate::desired::Condition;
use crate::observed::{Container, Health, State};

/// What one container does, as far as others wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// State of the container; [`State::Created`] if there is none.
    pub state: State,
    /// Result of its health check.
    pub health: Health,
    /// Exit code of its last run.
    pub exit_code: i32,
}

impl From<&Container> for Seen {
    fn from(container: &Container) -> Self {
        Self { state: container.state, health: container.health, exit_code: container.exit_code }
    }
}

/// How far an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The condition holds.
    Yes,
    /// The condition holds once the start that is in the plan is done.
    AfterStart,
    /// The condition does not hold.
    No(Unmet),
}

/// Why a condition does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    Started,
    Healthy,
    Completed,
    Failed,
}

impl Unmet {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Unmet::Started => "is not started",
            Unmet::Healthy => "is not healthy yet",
            Unmet::Completed => "has not completed",
            Unmet::Failed => "ended with a failure",
        }
    }
}

/// Decides about an instance with these containers. `starts` says whether the plan starts it.
pub(crate) fn reached(containers: &[Seen], condition: Condition, starts: bool) -> Reached {
    let any = |is: fn(&Seen) -> bool| containers.iter().any(is);
    let up = any(|seen| seen.state.is_up());
    let done = any(|seen| seen.state == State::Exited && seen.exit_code == 0);
    let failed = any(|seen| seen.state == State::Exited && seen.exit_code != 0);
    let well = any(|seen| seen.state.is_up() && matches!(seen.health, Health::None | Health::Healthy));
    match condition {
        // A container that was started once counts as started, however it ended.
        Condition::Started if up || ((done || failed) && !starts) => Reached::Yes,
        Condition::Started if starts => Reached::AfterStart,
        Condition::Healthy if well => Reached::Yes,
        Condition::Completed if done && !starts => Reached::Yes,
        Condition::Started => Reached::No(Unmet::Started),
        Condition::Healthy => Reached::No(Unmet::Healthy),
        Condition::Completed if failed && !up && !starts => Reached::No(Unmet::Failed),
        Condition::Completed => Reached::No(Unmet::Completed),
    }
}
