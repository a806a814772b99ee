//! The last snapshot of a host, and which parts of it may be out of date. Only those are observed again, so an
//! observation of a host where nothing happened asks the engine nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::InstanceName;
use crate::observed::{Container, Listed, Observed};
use crate::plan::Action;

/// A host as it was last observed. At first nothing is known, and everything is stale.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// What was observed.
    pub observed: Observed,
    /// What must be observed again. The observer clears what it has refreshed.
    pub stale: Stale,
}

/// The parts of a host that must be observed again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    /// Which containers exist, and their states.
    pub list: bool,
    /// Ids of containers to inspect, whatever the list says about them.
    pub containers: BTreeSet<String>,
    /// Whether to inspect every container of the next list.
    pub inspect: bool,
    /// The networks.
    pub networks: bool,
    /// The volumes.
    pub volumes: bool,
    /// The images.
    pub images: bool,
    /// The live trees.
    pub trees: bool,
    /// The overlays.
    pub overlays: bool,
}

/// What an event of the engine says has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A container.
    Container {
        /// Id of the container.
        id: String,
        /// Instance of the container; `None` when the event does not name it, or the container is not of this fleet.
        instance: Option<InstanceName>,
    },
    /// A network.
    Networks,
    /// A volume.
    Volumes,
    /// An image.
    Images,
}

impl Stale {
    /// Everything, when nothing is known for certain.
    pub fn all() -> Self {
        Stale {
            list: true,
            containers: BTreeSet::new(),
            inspect: true,
            networks: true,
            volumes: true,
            images: true,
            trees: true,
            overlays: true,
        }
    }

    /// Adds what changes without an event.
    pub(super) fn by_time(&mut self) {
        (self.list, self.networks, self.trees, self.overlays) = (true, true, true, true);
    }

    /// Adds what a new assignment is compared with, and what was brought to the host for it.
    pub(super) fn by_assignment(&mut self) {
        // A network that was not desired before may have an overlay already.
        (self.trees, self.images, self.overlays) = (true, true, true);
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Snapshot { observed: Observed::default(), stale: Stale::all() }
    }
}

impl Snapshot {
    /// Applies a new list of all containers: forgets those that are gone, and marks for inspection those of this fleet that
    /// differ from the snapshot. A container that is new is unknown until it is inspected. Containers of others are never
    /// inspected.
    pub fn apply_list(&mut self, listed: BTreeMap<String, Listed>) {
        let Snapshot { observed, stale } = self;
        observed.containers.retain(|id, _| listed.contains_key(id));
        observed.unknown.containers.retain(|id, _| listed.contains_key(id));
        stale.containers.retain(|id| listed.contains_key(id));
        observed.foreign.clear();
        for (id, found) in listed {
            let Some(new) = found.container() else {
                observed.foreign.insert(id, found.foreign);
                continue;
            };
            match observed.containers.get(&id) {
                Some(seen) if !stale.inspect && seen.state == new.state && seen.name == new.name => continue,
                Some(_) => {}
                None => {
                    observed.unknown.containers.entry(id.clone()).or_default();
                    observed.containers.insert(id.clone(), new);
                }
            }
            stale.containers.insert(id);
        }
        (stale.list, stale.inspect) = (false, false);
    }

    /// Applies the inspection of a container, which is `None` if the container is gone.
    pub fn inspected(&mut self, id: &str, found: Option<Container>) {
        self.stale.containers.remove(id);
        self.observed.unknown.containers.remove(id);
        match found {
            Some(found) => drop(self.observed.containers.insert(id.to_owned(), found)),
            None => drop(self.observed.containers.remove(id)),
        }
    }

    /// Records why a container could not be inspected. It is not inspected again before the next look or an event
    /// of the container.
    pub fn not_inspected(&mut self, id: &str, reason: String) {
        self.stale.containers.remove(id);
        self.stale.list |= !self.observed.containers.contains_key(id);
        self.observed.unknown.containers.insert(id.to_owned(), Some(reason));
    }

    /// Marks what the engine could not answer about.
    pub(super) fn look_again(&mut self) {
        let Snapshot { observed: Observed { unknown, .. }, stale } = self;
        let failed = unknown.containers.iter().filter(|(_, reason)| reason.is_some());
        stale.containers.extend(failed.map(|(id, _)| id.clone()));
        stale.networks |= unknown.networks.is_some();
        stale.volumes |= unknown.volumes.is_some() || unknown.volume_drivers.is_some();
        stale.images |= unknown.image_list.is_some() || !unknown.images.is_empty();
    }

    /// Marks what an event of the engine reports. What an event of another container may have changed is in the list.
    pub(super) fn by_event(&mut self, changed: Changed) {
        let stale = &mut self.stale;
        match changed {
            Changed::Container { id, instance } => {
                if instance.is_some() || self.observed.containers.contains_key(&id) {
                    stale.containers.insert(id);
                } else {
                    stale.list = true;
                }
            }
            Changed::Networks => (stale.networks, stale.overlays) = (true, true),
            Changed::Volumes => stale.volumes = true,
            Changed::Images => stale.images = true,
        }
    }

    /// Ids of the stale containers that can be inspected now: all except those of `busy`.
    pub fn to_inspect<'s>(&'s self, busy: &'s BTreeSet<String>) -> impl Iterator<Item = &'s String> {
        self.stale.containers.difference(busy)
    }

    /// Marks what a step has changed, or may have changed before it failed. `created` is the container that it created.
    pub(super) fn after_step(&mut self, action: &Action, created: Option<(String, Container)>) {
        let Snapshot { observed, stale } = self;
        match action {
            Action::CreateNetwork { .. } | Action::RemoveNetwork { .. } => {
                (stale.networks, stale.overlays) = (true, true)
            }
            Action::Program { .. } => stale.overlays = true,
            Action::CreateVolume { .. } | Action::RemoveVolume { .. } => stale.volumes = true,
            Action::SyncTree { .. } | Action::RemoveTree { .. } => stale.trees = true,
            // A container that was just created need not be inspected before it is started.
            Action::Create { .. } => match created {
                Some((id, container)) => {
                    observed.unknown.containers.remove(&id);
                    observed.containers.insert(id, container);
                }
                None => stale.list = true,
            },
            Action::Start { container, .. }
            | Action::Stop { container, .. }
            | Action::Remove { container, .. }
            | Action::Rename { container, .. } => {
                if observed.containers.contains_key(container) {
                    stale.containers.insert(container.clone());
                } else {
                    // The step named the container by its name. The list gives its id.
                    stale.list = true;
                }
            }
        }
    }
}
