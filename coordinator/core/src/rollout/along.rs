//! What shares a namespace with one that is made again: its host makes it again with that one, whatever it was told. So it
//! is told both at once, and makes it once.
use super::{Progress, State};
use crate::compile::ties::joined;
use crate::deployment::{Condition, InstanceName};
use crate::plan::{self, Action};

impl State {
    /// Its time has come with that of the one whose namespace it is in. Not where it has to wait for more than that that one
    /// runs: then the order counts, and it is made twice.
    pub(super) fn goes_along(&self, at: usize) -> bool {
        let (step, owners) = (&self.plan.steps[at], self.owners(at));
        let of = |owner: &usize| &self.steps[*owner].progress;
        if owners.is_empty() {
            return false;
        }
        let are_told = owners.iter().all(|owner| *of(owner) != Progress::Waiting);
        let is_done = |before: &usize| owners.contains(before) || *of(before) == Progress::Done;
        let is_owner = |name: &InstanceName| owners.iter().any(|at| self.plan.steps[*at].instance == name.to_string());
        let comes = |wait: &plan::Wait| {
            (wait.condition == Condition::Started && is_owner(&wait.instance)) || self.condition_holds(wait)
        };
        self.steps[at].progress == Progress::Waiting
            && are_told
            && owners.iter().any(|owner| of(owner).is_running())
            && step.after.iter().all(is_done)
            && step.waits_for.iter().all(comes)
    }

    /// The steps that make those again in whose namespaces this one's container runs.
    pub(super) fn owners(&self, at: usize) -> Vec<usize> {
        let step = &self.plan.steps[at];
        let target = self.target.get(&step.host).zip(step.instance_name().filter(|_| is_recreate(step)));
        let Some((target, name)) = target else { return Vec::new() };
        let all = target.instances.iter().map(|instance| &instance.name).filter(|other| other.stack == name.stack);
        let Some(instance) = target.instance(&name) else { return Vec::new() };
        let joined = joined(&name, &instance.container, all);
        if joined.is_empty() {
            return Vec::new();
        }
        let steps =
            self.plan.steps.iter().enumerate().filter(|(_, other)| is_recreate(other) && other.host == step.host);
        let theirs = steps.filter(|(_, other)| other.instance_name().is_some_and(|name| joined.contains(&name)));
        theirs.map(|(at, _)| at).collect()
    }
}

fn is_recreate(step: &plan::Step) -> bool {
    step.action == Action::Recreate
}
