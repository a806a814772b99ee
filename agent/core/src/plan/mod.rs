//! Plans the steps from what a host is to what it must be.
//!
//! The caller runs the steps that are [`Plan::ready`], observes the host and plans again. So each stage of a change, a
//! recreate for example, is also the recovery from a crash at that stage.

mod build;
mod condition;
mod instance;
mod names;
mod order;

#[cfg(test)]
mod side_by_side;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::attempts::Resource;
use crate::desired::{Desired, Incarnation, InstanceName};
use crate::observed::Observed;
use crate::overlay;

pub use condition::Seen;
pub(crate) use condition::{Reached, Unmet, reached};

/// What to do, and what cannot be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Steps in an order in which they could run one after another.
    pub steps: Vec<Step>,
    /// Incarnations that must not be started yet.
    pub waiting: BTreeMap<Incarnation, Waiting>,
    /// Problems that no step can fix.
    pub obstacles: Vec<Obstacle>,
    /// Resources that the engine could not answer about. Their steps wait until it does.
    pub unknown: Vec<Obstacle>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What the step does.
    pub action: Action,
    /// Positions of the steps that must be done before.
    pub after: BTreeSet<usize>,
}

/// What a step does. Containers are named by id, or by name if the plan itself creates them.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Create a network of the desired state.
    CreateNetwork {
        /// Name of the network.
        network: String,
    },
    /// Remove a network of this fleet that nothing uses.
    RemoveNetwork {
        /// Name of the network.
        network: String,
    },
    /// Program the overlay of a network.
    Program {
        /// Name of the network.
        network: String,
        /// Changes to make, in order.
        steps: Vec<overlay::Step>,
    },
    /// Create a volume.
    CreateVolume {
        /// Name of the volume.
        volume: String,
    },
    /// Remove a volume with its data.
    RemoveVolume {
        /// Name of the volume.
        volume: String,
    },
    /// Make the live tree of a stack match a manifest.
    SyncTree {
        /// Name of the stack.
        stack: String,
        /// Digest of the manifest.
        manifest: String,
    },
    /// Remove the files that the bundles of a stack brought.
    RemoveTree {
        /// Name of the stack.
        stack: String,
    },
    /// Create the container of an instance.
    Create {
        /// Incarnation that the container is made for.
        instance: Incarnation,
        /// Name of the container for now.
        name: String,
        /// Reference or id of the image.
        image: String,
        /// Ids of the containers that it shares namespaces or volumes with, by instance.
        partners: BTreeMap<InstanceName, String>,
        /// Container that it replaces, and whose anonymous volumes it takes over.
        previous: Option<String>,
    },
    /// Start a container.
    Start {
        /// Incarnation that the container belongs to.
        instance: Incarnation,
        /// Id or name of the container.
        container: String,
    },
    /// Stop a container, with time for its process to end.
    Stop {
        /// Incarnation that the container belongs to.
        instance: Incarnation,
        /// Id or name of the container.
        container: String,
        /// Seconds that the process has to end; `None` for the engine's default of 10.
        grace: Option<u32>,
    },
    /// Remove a container that does not run.
    Remove {
        /// Incarnation that the container belongs to.
        instance: Incarnation,
        /// Id or name of the container.
        container: String,
    },
    /// Rename a container.
    Rename {
        /// Incarnation that the container belongs to.
        instance: Incarnation,
        /// Id or name of the container.
        container: String,
        /// New name of the container.
        name: String,
    },
}

/// Why an instance must not be started yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Reason, as part of a sentence whose subject is the instance.
    pub reason: String,
    /// Whether what it waits for has been given up.
    pub hopeless: bool,
}

/// Something in the way of a resource. Unless it is only unknown, an operator has to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Verb of the step that cannot be done: create, remove or observe.
    pub step: &'static str,
    /// Resource that the step is for.
    pub resource: Resource,
    /// What was found and what to do.
    pub message: String,
}

/// Plans the steps for a host. Resources that are `given_up` are not tried again; for an instance, that means its new
/// container.
pub fn plan(desired: &Desired, observed: &Observed, given_up: &BTreeSet<Resource>) -> Plan {
    plan_with(desired, observed, given_up, &BTreeMap::new())
}

/// Plans like [`plan`]. `held_up` are the instances that must wait for others on other hosts, unless they run.
pub fn plan_with(
    desired: &Desired,
    observed: &Observed,
    given_up: &BTreeSet<Resource>,
    held_up: &BTreeMap<InstanceName, Waiting>,
) -> Plan {
    build::Builder::new(desired, observed, given_up).build(held_up)
}

impl Plan {
    /// Whether nothing is left that could be done.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && self.unknown.is_empty() && self.waiting.values().all(|waiting| waiting.hopeless)
    }

    /// Actions of the steps that wait for no other step, and whose resource is not `busy`.
    pub fn ready(&self, busy: impl Fn(&Resource) -> bool) -> impl Iterator<Item = &Action> {
        self.steps
            .iter()
            .filter(move |step| step.after.is_empty() && !busy(&step.action.resource()))
            .map(|step| &step.action)
    }
}

impl Action {
    /// Resource that the action works on.
    pub fn resource(&self) -> Resource {
        match self {
            Action::CreateNetwork { network } | Action::RemoveNetwork { network } => Resource::Network(network.clone()),
            Action::Program { network, .. } => Resource::Overlay(network.clone()),
            Action::CreateVolume { volume } | Action::RemoveVolume { volume } => Resource::Volume(volume.clone()),
            Action::SyncTree { stack, .. } | Action::RemoveTree { stack } => Resource::Tree(stack.clone()),
            Action::Create { instance, .. }
            | Action::Start { instance, .. }
            | Action::Stop { instance, .. }
            | Action::Remove { instance, .. }
            | Action::Rename { instance, .. } => Resource::Instance(instance.clone()),
        }
    }

    /// Incarnation that the action works on; `None` for actions on other resources.
    pub fn instance(&self) -> Option<&Incarnation> {
        match self {
            Action::Create { instance, .. }
            | Action::Start { instance, .. }
            | Action::Stop { instance, .. }
            | Action::Remove { instance, .. }
            | Action::Rename { instance, .. } => Some(instance),
            _ => None,
        }
    }

    /// Verb for reports and logs.
    pub fn verb(&self) -> &'static str {
        match self {
            Action::CreateNetwork { .. } | Action::CreateVolume { .. } | Action::Create { .. } => "create",
            Action::RemoveNetwork { .. }
            | Action::RemoveVolume { .. }
            | Action::RemoveTree { .. }
            | Action::Remove { .. } => "remove",
            Action::Program { .. } => "program",
            Action::SyncTree { .. } => "sync",
            Action::Start { .. } => "start",
            Action::Stop { .. } => "stop",
            Action::Rename { .. } => "rename",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb(), self.resource())?;
        match self {
            Action::Program { steps, .. } => write!(f, ": {} entries", steps.len()),
            Action::SyncTree { manifest, .. } => write!(f, " to {manifest}"),
            Action::Create { name, image, .. } => write!(f, " as {name} from {image}"),
            Action::Start { container, .. } | Action::Stop { container, .. } | Action::Remove { container, .. } => {
                write!(f, ": {container}")
            }
            Action::Rename { container, name, .. } => write!(f, ": {container} to {name}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
            write!(f, "{}. {}", position + 1, step.action)?;
            if !step.after.is_empty() {
                let after: Vec<String> = step.after.iter().map(|before| (before + 1).to_string()).collect();
                write!(f, " (after {})", after.join(", "))?;
            }
            writeln!(f)?;
        }
        for (instance, waiting) in &self.waiting {
            writeln!(f, "{instance} {}{}", waiting.reason, if waiting.hopeless { " (hopeless)" } else { "" })?;
        }
        for obstacle in &self.obstacles {
            writeln!(f, "cannot {} {}: {}", obstacle.step, obstacle.resource, obstacle.message)?;
        }
        for unknown in &self.unknown {
            writeln!(f, "unknown is {}: {}", unknown.resource, unknown.message)?;
        }
        Ok(())
    }
}
