//! Steps of a plan: what each one does, on which host, why, and after which other steps.
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::Published;
use crate::deployment::{Condition, InstanceName};

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Host that the step changes; for a move, the host that the instance moves to.
    pub host: String,
    /// What the step does.
    pub action: Action,
    /// Reasons for the step: what exactly differs.
    pub reasons: Vec<String>,
    /// Indexes in the plan of the earlier steps that must be done first.
    pub after: Vec<usize>,
}

/// What a step does, with the data that this action needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Creates a network.
    CreateNetwork {
        /// Name of the network in the engine.
        network: String,
        /// Stack that declares the network; none for a network of the fleet.
        stack: Option<String>,
    },
    /// Creates a volume.
    CreateVolume {
        /// Name of the volume in the engine.
        volume: String,
        /// Stack that declares the volume.
        stack: String,
    },
    /// Replaces the files of a stack's live tree with those of another bundle.
    Sync {
        /// Name of the stack.
        stack: String,
    },
    /// Creates the container of a new instance.
    Create {
        /// The instance that is created.
        change: Change,
        /// Published ports of the container.
        ports: Vec<Published>,
    },
    /// Starts an instance that is as declared and does not run.
    Start {
        /// The instance that is started.
        change: Change,
        /// How long the container must run, if it kept exiting before and has no health check: in milliseconds.
        monitor_ms: u64,
    },
    /// Replaces the container of an instance on the same host.
    Recreate {
        /// The instance that is recreated.
        change: Change,
        /// Published ports of the new container.
        ports: Vec<Published>,
        /// Rules for the update.
        update: Update,
    },
    /// Removes an instance from one host and creates it on another.
    Move {
        /// Host that the instance leaves.
        from: String,
        /// The instance that moves.
        change: Change,
        /// Published ports of the new container.
        ports: Vec<Published>,
        /// Rules for the update.
        update: Update,
    },
    /// Removes the container of an instance.
    Remove {
        /// Name of the instance.
        instance: InstanceName,
    },
    /// Removes the bundle's files from a stack's live tree. Other files in the tree stay.
    RemoveTree {
        /// Name of the stack.
        stack: String,
    },
    /// Removes a network.
    RemoveNetwork {
        /// Name of the network in the engine.
        network: String,
        /// Stack that declared the network; none for a network of the fleet.
        stack: Option<String>,
    },
    /// Removes a volume with its data.
    RemoveVolume {
        /// Name of the volume in the engine.
        volume: String,
        /// Stack that declared the volume.
        stack: String,
    },
    /// Updates what a host knows of the other hosts. Nothing else changes on it.
    Configure,
}

/// An instance whose container is created, replaced or started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Name of the instance.
    pub instance: InstanceName,
    /// Networks and fixed addresses of the container, as in `infra_net 172.19.0.50`.
    pub addresses: Vec<String>,
    /// Conditions of other instances that must hold before the step begins.
    pub waits_for: Vec<Wait>,
}

/// Rules for replacing a running container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Whether no instance of the service answers while the step is under way.
    pub interrupts: bool,
    /// How many instances of the service are updated at the same time; none for no limit.
    pub parallelism: Option<NonZeroU32>,
    /// How long a new container without a health check must run before the step is done, in milliseconds.
    pub monitor_ms: u64,
}

/// A condition that must hold before a step begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wait {
    /// Instance that is waited for.
    pub instance: InstanceName,
    /// Condition that must hold for it.
    pub condition: Condition,
}

impl Action {
    /// The instance whose container the action creates, replaces or starts.
    pub fn change(&self) -> Option<&Change> {
        match self {
            Self::Create { change, .. }
            | Self::Start { change, .. }
            | Self::Recreate { change, .. }
            | Self::Move { change, .. } => Some(change),
            _ => None,
        }
    }

    /// The rules for replacing a running container, if the action replaces one.
    pub fn update(&self) -> Option<&Update> {
        match self {
            Self::Recreate { update, .. } | Self::Move { update, .. } => Some(update),
            _ => None,
        }
    }

    /// The instance that the action changes or removes.
    pub fn instance(&self) -> Option<&InstanceName> {
        match self {
            Self::Remove { instance } => Some(instance),
            _ => self.change().map(|change| &change.instance),
        }
    }

    /// The stack that the action belongs to; none for networks of the fleet and for `Configure`.
    pub fn stack(&self) -> Option<&str> {
        match self {
            Self::CreateNetwork { stack, .. } | Self::RemoveNetwork { stack, .. } => stack.as_deref(),
            Self::CreateVolume { stack, .. }
            | Self::RemoveVolume { stack, .. }
            | Self::Sync { stack }
            | Self::RemoveTree { stack } => Some(stack),
            Self::Create { change, .. }
            | Self::Start { change, .. }
            | Self::Recreate { change, .. }
            | Self::Move { change, .. } => Some(&change.instance.stack),
            Self::Remove { instance } => Some(&instance.stack),
            Self::Configure => None,
        }
    }

    /// Published ports of the container that the action creates.
    pub fn ports(&self) -> &[Published] {
        match self {
            Self::Create { ports, .. } | Self::Recreate { ports, .. } | Self::Move { ports, .. } => ports,
            _ => &[],
        }
    }

    /// Conditions that must hold before the action begins.
    pub fn waits_for(&self) -> &[Wait] {
        self.change().map_or(&[], |change| &change.waits_for)
    }

    /// Name of the instance, network, volume or stack that the action changes; empty for `Configure`.
    pub fn subject(&self) -> String {
        match self {
            Self::CreateNetwork { network, .. } | Self::RemoveNetwork { network, .. } => network.clone(),
            Self::CreateVolume { volume, .. } | Self::RemoveVolume { volume, .. } => volume.clone(),
            Self::Sync { stack } | Self::RemoveTree { stack } => stack.clone(),
            Self::Create { change, .. }
            | Self::Start { change, .. }
            | Self::Recreate { change, .. }
            | Self::Move { change, .. } => change.instance.to_string(),
            Self::Remove { instance } => instance.to_string(),
            Self::Configure => String::new(),
        }
    }
}
