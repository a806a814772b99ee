//! The steps from what a host is to what it must be, each with those it comes after.
//!
//! Whoever carries a plan out takes the steps that are [`Plan::ready`], looks at the host again and plans anew: so every
//! stage of, say, a recreate is also what a crash at that stage would be recovered by.

mod build;
mod instance;
mod order;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::attempts::Resource;
use crate::desired::{Desired, InstanceName};
use crate::observed::Observed;
use crate::overlay;

/// What is to be done, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In an order that would do, one after another.
    pub steps: Vec<Step>,
    /// Instances that are not to be started yet.
    pub waiting: BTreeMap<InstanceName, Waiting>,
    /// What no step can mend.
    pub obstacles: Vec<Obstacle>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// Positions of the steps that must be done before.
    pub after: BTreeSet<usize>,
}

/// What a step does. Containers are named by id, or by name when the plan itself creates them.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Create a network of the desired state.
    CreateNetwork {
        /// Its name.
        network: String,
    },
    /// Remove a network of ours that nothing uses.
    RemoveNetwork {
        /// Its name.
        network: String,
    },
    /// Program a network's overlay.
    Program {
        /// The network's name.
        network: String,
        /// In order.
        steps: Vec<overlay::Step>,
    },
    /// Create a volume.
    CreateVolume {
        /// Its name.
        volume: String,
    },
    /// Remove a volume with its data.
    RemoveVolume {
        /// Its name.
        volume: String,
    },
    /// Make a stack's live tree what a manifest says.
    SyncTree {
        /// The stack.
        stack: String,
        /// Digest of the manifest.
        manifest: String,
    },
    /// Remove the files that a stack's bundles brought.
    RemoveTree {
        /// The stack.
        stack: String,
    },
    /// Create the container of an instance.
    Create {
        /// Which.
        instance: InstanceName,
        /// The container's name for now.
        name: String,
        /// What to create it from.
        image: String,
        /// The containers of the instances that it shares something with.
        partners: BTreeMap<InstanceName, String>,
        /// The container whose place it takes, and whose anonymous volumes.
        previous: Option<String>,
    },
    /// Start a container.
    Start {
        /// Which.
        instance: InstanceName,
        /// The container.
        container: String,
    },
    /// Stop a container, giving its process its time.
    Stop {
        /// Which.
        instance: InstanceName,
        /// The container.
        container: String,
        /// The seconds it has; none for the engine's own 10.
        grace: Option<u32>,
    },
    /// Remove a container that does not run.
    Remove {
        /// Which.
        instance: InstanceName,
        /// The container.
        container: String,
    },
    /// Give a container its proper name.
    Rename {
        /// Which.
        instance: InstanceName,
        /// The container.
        container: String,
        /// The name.
        name: String,
    },
}

/// Why an instance is not to be started yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// In words.
    pub reason: String,
    /// What it waits for has been given up.
    pub hopeless: bool,
}

/// Something in the way that only people can move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What cannot be done: create, remove.
    pub step: &'static str,
    /// What it is about.
    pub resource: Resource,
    /// What was found and what to do.
    pub message: String,
}

/// The plan for a host. What was `given_up` is not tried again; for an instance that is its new container.
pub fn plan(desired: &Desired, observed: &Observed, given_up: &BTreeSet<Resource>) -> Plan {
    build::Builder::new(desired, observed, given_up).build()
}

impl Plan {
    /// Whether nothing is left that could be done.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && self.waiting.values().all(|waiting| waiting.hopeless)
    }

    /// The steps that wait for no other and whose resource is not `busy`.
    pub fn ready(&self, busy: impl Fn(&Resource) -> bool) -> impl Iterator<Item = &Action> {
        self.steps
            .iter()
            .filter(move |step| step.after.is_empty() && !busy(&step.action.resource()))
            .map(|step| &step.action)
    }
}

impl Action {
    /// What it is about.
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

    /// The instance it is about, if it is about one.
    pub fn instance(&self) -> Option<&InstanceName> {
        match self {
            Action::Create { instance, .. }
            | Action::Start { instance, .. }
            | Action::Stop { instance, .. }
            | Action::Remove { instance, .. }
            | Action::Rename { instance, .. } => Some(instance),
            _ => None,
        }
    }

    /// One word for reports and logs.
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
            writeln!(f, "{instance} {}{}", waiting.reason, if waiting.hopeless { ", in vain" } else { "" })?;
        }
        for obstacle in &self.obstacles {
            writeln!(f, "cannot {} {}: {}", obstacle.step, obstacle.resource, obstacle.message)?;
        }
        Ok(())
    }
}
