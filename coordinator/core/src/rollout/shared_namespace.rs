//! Instances that share a namespace with one that is recreated. Their host recreates them together in any case, so both
//! steps are sent at once, and each container is recreated once.
use std::collections::BTreeSet;

use super::{Progress, State};
use crate::deployment::{Condition, InstanceName};
use crate::plan;

impl State {
    /// Whether a step can begin together with the step of the instance whose namespace its container shares. It cannot if it
    /// waits for more than the start of that instance: then the order counts, and its container is recreated twice.
    pub(super) fn is_ready_with_owner(&self, at: usize) -> bool {
        let (step, owners) = (&self.plan.steps[at], self.owners(at));
        if owners.is_empty() || !self.is_left(at) {
            return false;
        }
        let all_owners = self.all_owners(at);
        let of = |other: &usize| &self.steps[*other].progress;
        // Another instance in the same namespace whose step is running.
        let is_sibling = |other: &usize| of(other).is_running() && !self.all_owners(*other).is_disjoint(&all_owners);
        let is_done =
            |before: &usize| all_owners.contains(before) || is_sibling(before) || *of(before) == Progress::Done;
        let is_owner =
            |name: &InstanceName| all_owners.iter().any(|at| self.plan.steps[*at].action.instance() == Some(name));
        let will_hold = |wait: &plan::Wait| {
            (wait.condition == Condition::Started && is_owner(&wait.instance)) || self.condition_holds(wait)
        };
        owners.iter().all(|owner| *of(owner) != Progress::Waiting)
            && owners.iter().any(|owner| of(owner).is_running())
            && step.after.iter().all(is_done)
            && step.action.waits_for().iter().all(will_hold)
    }

    /// The owners of the namespaces, the owners of their namespaces, and so on.
    fn all_owners(&self, at: usize) -> BTreeSet<usize> {
        let mut all_owners = BTreeSet::new();
        let mut ahead = self.owners(at).to_vec();
        while let Some(owner) = ahead.pop() {
            if all_owners.insert(owner) {
                ahead.extend(self.owners(owner));
            }
        }
        all_owners
    }

    /// The steps that recreate the instances whose namespaces the container of this step shares.
    pub(super) fn owners(&self, at: usize) -> &[usize] {
        self.index.owners(at)
    }
}
