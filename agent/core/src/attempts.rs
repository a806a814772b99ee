//! Records which steps failed, and decides when they may be tried again. Waits grow after failures that may pass by
//! themselves; other failures end the attempts.
//!
//! The record is lost with the process. After a restart everything is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::desired::Incarnation;

/// A part of the host that steps work on. Each has one step at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A network, by the engine's name for it.
    Network(String),
    /// The overlay of a network, by the name of the network.
    Overlay(String),
    /// A volume, by the engine's name for it.
    Volume(String),
    /// The live tree of a stack, by the name of the stack.
    Tree(String),
    /// An incarnation of an instance, with all containers that belong to it.
    Instance(Incarnation),
}

impl Resource {
    /// Name by which the coordinator knows the resource: the full name of an instance, or the bare name of a network, a
    /// volume or a stack.
    pub fn name(&self) -> String {
        match self {
            Resource::Network(name) | Resource::Overlay(name) | Resource::Volume(name) | Resource::Tree(name) => {
                name.clone()
            }
            Resource::Instance(incarnation) => incarnation.instance.to_string(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Network(name) => write!(f, "network {name}"),
            Resource::Overlay(name) => write!(f, "overlay of {name}"),
            Resource::Volume(name) => write!(f, "volume {name}"),
            Resource::Tree(stack) => write!(f, "files of {stack}"),
            Resource::Instance(incarnation) => write!(f, "{incarnation}"),
        }
    }
}

/// Whether another attempt at a failed step may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Another attempt fails too. There is none before the resource is assigned again.
    Final,
    /// Another attempt may succeed. After [`LIMIT`] attempts the failure counts as final.
    Counted,
    /// Another attempt may succeed, and failures are not counted: the engine was away, for example.
    Uncounted,
}

/// Number of attempts after which a failure that repeats is final.
pub const LIMIT: u32 = 6;

/// The last failure of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Verb of the step that failed: create, start and so on.
    pub step: &'static str,
    /// What was wrong and what to do.
    pub message: String,
    /// Whether the resource is given up: its steps are not tried again before it is assigned again.
    pub last: bool,
    count: u32,
    retry_at: u64,
}

/// Failures by resource. Times are milliseconds of any clock that only goes forward.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    failures: BTreeMap<Resource, Failure>,
}

impl Attempts {
    /// Records that a step failed at `now`.
    pub fn failed(&mut self, resource: Resource, step: &'static str, message: String, severity: Severity, now: u64) {
        let before = self.failures.get(&resource);
        let count = before.map_or(0, |failure| failure.count) + u32::from(severity != Severity::Uncounted);
        let settled = before.is_some_and(|failure| failure.last);
        let last = settled || severity == Severity::Final || count >= LIMIT;
        // A resource that was given up just now is not tried again, and the steps that undo its change need not wait.
        let wait = if last && !settled { 0 } else { (1_000 << count.saturating_sub(1).min(6)).min(60_000) };
        let retry_at = now + wait;
        // The failure that ended the attempts stays the reason, even if a step that undoes the change fails later.
        let (step, message) = match before {
            Some(failure) if settled => (failure.step, failure.message.clone()),
            _ => (step, message),
        };
        self.failures.insert(resource, Failure { step, message, last, count, retry_at });
    }

    /// Records that a step succeeded.
    pub fn succeeded(&mut self, resource: &Resource, step: &'static str) {
        if self.failures.get(resource).is_some_and(|failure| !failure.last && failure.step == step) {
            self.failures.remove(resource);
        }
    }

    /// Forgets the failures of resources that were assigned again.
    pub fn forget(&mut self, is_assigned: impl Fn(&Resource) -> bool) {
        self.failures.retain(|resource, _| !is_assigned(resource));
    }

    /// Ends the waits of all resources that are not given up, because what they waited for may have come.
    pub fn forget_waits(&mut self) {
        self.failures.retain(|_, failure| failure.last);
    }

    /// Resources whose steps are not tried again.
    pub fn given_up(&self) -> BTreeSet<Resource> {
        self.failures.iter().filter(|(_, failure)| failure.last).map(|(resource, _)| resource.clone()).collect()
    }

    /// Whether a step of `resource` may start at `now`.
    pub fn may_try(&self, resource: &Resource, now: u64) -> bool {
        self.failures.get(resource).is_none_or(|failure| failure.retry_at <= now)
    }

    /// Time at which the next wait ends; `None` if no resource waits at `now`.
    pub fn next_retry(&self, now: u64) -> Option<u64> {
        self.failures.values().map(|failure| failure.retry_at).filter(|at| *at > now).min()
    }

    /// Iterates over the last failure of each resource.
    pub fn iter(&self) -> impl Iterator<Item = (&Resource, &Failure)> {
        self.failures.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Resource {
        Resource::Network("infra_net".to_owned())
    }

    fn fail(attempts: &mut Attempts, severity: Severity, now: u64) {
        attempts.failed(network(), "create", "no room".to_owned(), severity, now);
    }

    #[test]
    fn waits_grow_until_it_is_given_up() {
        let mut attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..LIMIT {
            fail(&mut attempts, Severity::Counted, 0);
            waits.push(attempts.next_retry(0));
        }
        assert_eq!(waits, [Some(1_000), Some(2_000), Some(4_000), Some(8_000), Some(16_000), None]);
        assert_eq!(attempts.given_up(), [network()].into());
    }

    #[test]
    fn an_engine_that_is_away_never_ends_a_resource() {
        let mut attempts = Attempts::default();
        for now in 0..100 {
            fail(&mut attempts, Severity::Uncounted, now);
        }
        assert!(attempts.given_up().is_empty());
        assert!(!attempts.may_try(&network(), 99) && attempts.may_try(&network(), 1_099));
    }

    #[test]
    fn the_reason_something_was_given_up_stays_the_first_one() {
        let mut attempts = Attempts::default();
        fail(&mut attempts, Severity::Final, 0);
        attempts.failed(network(), "remove", "busy".to_owned(), Severity::Counted, 5);
        attempts.succeeded(&network(), "remove");
        let (_, failure) = attempts.iter().next().expect("kept");
        assert_eq!((failure.step, failure.message.as_str(), failure.last), ("create", "no room", true));
    }

    #[test]
    fn success_of_the_same_step_clears_what_was_not_given_up() {
        let mut attempts = Attempts::default();
        fail(&mut attempts, Severity::Counted, 0);
        attempts.succeeded(&network(), "start");
        assert_eq!(attempts.iter().count(), 1);
        attempts.succeeded(&network(), "create");
        assert_eq!(attempts.iter().count(), 0);
    }
}
