//! What is stored of a rollout, so that it can be continued after the coordinator was killed.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Progress, State, StepState};
use crate::desired::HostState;
use crate::plan::Plan;

/// The part of a rollout that stays the same from its start to its end. It grows with what the plan changes, and not with the
/// fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Plan that is carried out.
    pub plan: Plan,
    /// States before the rollout of the hosts that it changes, by host.
    pub before: BTreeMap<String, HostState>,
    /// States of the same hosts at the end.
    pub target: BTreeMap<String, HostState>,
}

impl Record {
    /// Makes the record of a rollout.
    pub fn of(state: &State) -> Self {
        let is_changed = |host: &String| match (state.before.get(host), state.target.get(host)) {
            (Some(before), Some(target)) => !before.same_parts(target),
            _ => true,
        };
        let changed = |states: &BTreeMap<String, HostState>| {
            let changed = states.iter().filter(|(host, _)| is_changed(host));
            changed.map(|(host, it)| (host.clone(), it.clone())).collect()
        };
        Self { plan: state.plan.clone(), before: changed(&state.before), target: changed(&state.target) }
    }

    /// Whether a plan with this target has the same aim: it leads to the same states, apart from the numbers of releases and
    /// of containers, which each rollout has for itself. `held` is what the hosts hold now.
    pub fn is_aim(&self, held: &BTreeMap<String, HostState>, target: &BTreeMap<String, HostState>) -> bool {
        target.iter().all(|(host, state)| {
            let recorded = self.target.get(host).or_else(|| held.get(host));
            recorded.is_some_and(|recorded| unnumbered(recorded).same_parts(&unnumbered(state)))
        }) && self.target.keys().all(|host| target.contains_key(host))
    }

    /// Returns the rollout as it was when the progress of its steps was stored. `held` is what the hosts hold now, and `target`
    /// is the target of a plan with the same aim.
    #[must_use]
    pub fn resume(
        self,
        steps: Vec<StepState>,
        held: BTreeMap<String, HostState>,
        mut target: BTreeMap<String, HostState>,
        epoch: u64,
    ) -> State {
        for (host, recorded) in self.target {
            if let Some(state) = target.get_mut(&host) {
                let fabric = std::mem::take(&mut state.fabric);
                *state = HostState { fabric, ..recorded };
            }
        }
        let mut state = State::new(self.plan, held, target, epoch);
        for (host, recorded) in self.before {
            let fabric = state.before.remove(&host).map(|held| held.fabric).unwrap_or_default();
            state.before.insert(host, HostState { fabric, ..recorded });
        }
        for (step, stored) in state.steps.iter_mut().zip(steps) {
            *step = stored;
        }
        state.hosts.values_mut().for_each(|host| host.is_stale = true);
        for at in 0..state.steps.len() {
            if let Progress::Failed { message } = state.steps[at].progress.clone() {
                state.fail_step(at, message);
            }
        }
        state
    }
}

fn unnumbered(state: &HostState) -> HostState {
    let mut state = state.clone();
    for instance in &mut state.instances {
        (instance.release, instance.incarnation, instance.last_incarnation) = (0, 0, 0);
    }
    state
}
