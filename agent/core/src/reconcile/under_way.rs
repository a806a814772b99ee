//! Steps that are under way, and what they hold up. Incarnations of one instance do not hold up each other.

use std::collections::BTreeSet;

use super::State;
use crate::attempts::Resource;
use crate::desired::Incarnation;
use crate::observed::Container;

/// A step that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    /// Whether [`super::STEPS_AT_ONCE`] does not count the step.
    pub(super) is_uncounted: bool,
    /// Generation in which the stack of the instance was assigned when the step began; 0 for other resources.
    pub(super) assigned: u64,
}

impl State {
    /// Incarnations with a step under way.
    pub(super) fn busy_incarnations(&self) -> impl Iterator<Item = (&Incarnation, &UnderWay)> {
        self.busy.iter().filter_map(|(resource, step)| match resource {
            Resource::Instance(name) => Some((name, step)),
            _ => None,
        })
    }

    /// Ids of the known containers that a step may be working on.
    pub(super) fn busy_containers(&self) -> BTreeSet<String> {
        let containers = self.snapshot.observed.containers.iter();
        containers.filter(|(_, container)| self.is_busy(container)).map(|(id, _)| id.clone()).collect()
    }

    /// Whether a step may be working on a container.
    pub(super) fn is_busy(&self, container: &Container) -> bool {
        let mut of_instance = self.busy_incarnations().filter(|(busy, _)| busy.instance == container.instance);
        of_instance.any(|(busy, step)| self.is_outdated(busy, step) || self.incarnation_of(container) == *busy)
    }

    fn incarnation_of(&self, container: &Container) -> Incarnation {
        let Container { instance, incarnation: number, .. } = container;
        match &self.assignment {
            Some(assignment) => assignment.desired.incarnation_of(instance, *number),
            None => Incarnation { instance: instance.clone(), number: *number },
        }
    }

    /// Whether a step began before the stack was assigned anew. What belonged to its incarnation then may belong to another one
    /// now.
    fn is_outdated(&self, name: &Incarnation, step: &UnderWay) -> bool {
        step.assigned != self.assigned(&name.instance.stack)
    }

    /// Generation in which a stack was assigned last.
    pub(super) fn assigned(&self, stack: &str) -> u64 {
        self.assignment.as_ref().and_then(|assignment| assignment.stacks.get(stack)).copied().unwrap_or(0)
    }

    /// Whether a step that is under way must end before another one may start on the resource.
    pub(super) fn is_blocked(&self, resource: &Resource) -> bool {
        let Resource::Instance(name) = resource else { return self.busy.contains_key(resource) };
        let mut of_instance = self.busy_incarnations().filter(|(busy, _)| busy.instance == name.instance);
        of_instance.any(|(busy, step)| busy == name || self.is_outdated(busy, step))
    }
}
