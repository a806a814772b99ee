//! Plans networks, overlays, volumes and live trees, and connects their steps to those of containers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Obstacle, Plan, Step, Waiting, order};
use crate::attempts::Resource;
use crate::desired::{Desired, Incarnation, InstanceName, Network};
use crate::observed::{self, Container, Observed};
use crate::overlay;

pub(super) struct Builder<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) given_up: &'a BTreeSet<Resource>,
    pub(super) plan: Plan,
    /// Positions of the steps that make resources ready for containers.
    makes: BTreeMap<Resource, usize>,
    /// Positions of the removals of containers, by container.
    pub(super) removes: BTreeMap<String, usize>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(desired: &'a Desired, observed: &'a Observed, given_up: &'a BTreeSet<Resource>) -> Self {
        let (makes, removes) = (BTreeMap::new(), BTreeMap::new());
        Builder { desired, observed, given_up, plan: Plan::default(), makes, removes }
    }

    pub(super) fn build(mut self, held_up: &BTreeMap<InstanceName, Waiting>) -> Plan {
        self.networks();
        self.volumes();
        self.external();
        self.trees();
        self.instances();
        self.leftovers();
        order::claims(&mut self.plan, self.desired, self.observed);
        order::dependencies(&mut self.plan, self.desired, self.observed, self.given_up, held_up);
        self.plan
    }

    /// Adds a step and returns its position.
    pub(super) fn step(&mut self, action: Action, after: impl IntoIterator<Item = usize>) -> usize {
        self.plan.steps.push(Step { action, after: after.into_iter().collect() });
        self.plan.steps.len() - 1
    }

    fn make(&mut self, action: Action, after: impl IntoIterator<Item = usize>) {
        let resource = action.resource();
        if !self.given_up.contains(&resource) {
            let position = self.step(action, after);
            self.makes.insert(resource, position);
        }
    }

    fn obstacle(&mut self, step: &'static str, resource: Resource, message: String) {
        self.plan.obstacles.push(Obstacle { step, resource, message });
    }

    /// Records that the engine could not answer about a resource.
    pub(super) fn unknown(&mut self, resource: Resource, message: String) {
        let unknown = Obstacle { step: "observe", resource, message };
        if !self.plan.unknown.contains(&unknown) {
            self.plan.unknown.push(unknown);
        }
    }

    pub(super) fn wait(&mut self, instance: &Incarnation, reason: String, hopeless: bool) {
        self.plan.waiting.insert(instance.clone(), Waiting { reason, hopeless });
    }

    /// Plans the networks. Those with a fixed subnet come first, because the engine chooses the other subnets from what is
    /// free, and could choose one that is fixed and not created yet.
    fn networks(&mut self) {
        let (written, chosen): (Vec<_>, Vec<_>) =
            self.desired.networks.iter().partition(|(_, network)| !network.subnets.is_empty());
        for (name, network) in &written {
            self.network(name, network, &BTreeSet::new());
        }
        let made = self.makes.iter().filter(|(resource, _)| matches!(resource, Resource::Network(_)));
        let first: BTreeSet<usize> = made.map(|(_, step)| *step).collect();
        // A network that stacks define differently is their fault alone, and one that is not known may exist.
        let is_certain =
            |name: &&String| self.observed.unknown.networks.is_none() && !self.desired.disputes.contains_key(*name);
        let mut missing = written.into_iter().map(|(name, _)| name).filter(is_certain);
        let missing = missing.find(|name| !self.is_or_will_be(name));
        for (name, network) in chosen {
            match missing.filter(|_| !self.observed.networks.contains_key(name)) {
                None => self.network(name, network, &first),
                Some(missing) => {
                    let message = format!(
                        "it must be created after {missing}, which could not be created: the engine might give it the same addresses"
                    );
                    self.obstacle("create", Resource::Network(name.clone()), message);
                }
            }
        }
    }

    fn is_or_will_be(&self, network: &str) -> bool {
        self.observed.networks.contains_key(network) || self.makes.contains_key(&Resource::Network(network.to_owned()))
    }

    fn network(&mut self, name: &str, network: &Network, after: &BTreeSet<usize>) {
        match (self.observed.networks.get(name), &self.observed.unknown.networks) {
            (None, Some(reason)) => {
                return self
                    .unknown(Resource::Network(name.to_owned()), format!("the networks are not known: {reason}"));
            }
            _ if self.desired.disputes.contains_key(name) => {
                let message = self.desired.disputes[name].message.clone();
                return self.obstacle("create", Resource::Network(name.to_owned()), message);
            }
            (None, None) => self.make(Action::CreateNetwork { network: name.to_owned() }, after.iter().copied()),
            (Some(found), _) => {
                if let Some(message) = difference(network, found) {
                    self.obstacle("create", Resource::Network(name.to_owned()), message);
                    return;
                }
            }
        }
        self.overlay(name, network);
    }

    fn overlay(&mut self, name: &str, network: &Network) {
        let Some(desired) = &network.overlay else { return };
        let nothing = overlay::Observed::default();
        let steps = overlay::diff(desired, self.observed.overlays.get(name).unwrap_or(&nothing));
        if !steps.is_empty() {
            let created = self.makes.get(&Resource::Network(name.to_owned())).copied();
            self.make(Action::Program { network: name.to_owned(), steps }, created);
        }
    }

    fn volumes(&mut self) {
        for (name, volume) in &self.desired.volumes {
            if self.observed.volumes.contains_key(name) {
                continue;
            }
            if let Some(reason) = self.observed.unknown.volume(&volume.driver) {
                let message = format!("it is not known whether it exists: {reason}");
                self.unknown(Resource::Volume(name.clone()), message);
            } else if !volume.remove {
                self.make(Action::CreateVolume { volume: name.clone() }, []);
            }
        }
    }

    /// Finds the external networks and volumes of instances of which it is not known whether they exist.
    fn external(&mut self) {
        let (desired, observed) = (self.desired, self.observed);
        let unknown = &observed.unknown;
        for instance in desired.instances.values() {
            let is_new =
                |name: &&String| !desired.networks.contains_key(*name) && !observed.networks.contains_key(*name);
            for (name, reason) in instance.networks.iter().filter(is_new).zip(unknown.networks.iter().cycle()) {
                self.unknown(Resource::Network(name.clone()), format!("the networks are not known: {reason}"));
            }
            // Its driver is not known either.
            let reason = unknown.volumes.as_ref().or(unknown.volume_drivers.as_ref());
            let is_new = |name: &&String| !desired.volumes.contains_key(*name) && !observed.volumes.contains_key(*name);
            for (name, reason) in instance.volumes.iter().filter(is_new).zip(reason.into_iter().cycle()) {
                let message = format!("it is not known whether it exists: {reason}");
                self.unknown(Resource::Volume(name.clone()), message);
            }
        }
    }

    fn trees(&mut self) {
        for (stack, manifest) in &self.desired.trees {
            if self.observed.trees.get(stack).is_none_or(|tree| tree.manifest != *manifest) {
                self.make(Action::SyncTree { stack: stack.clone(), manifest: manifest.clone() }, []);
            }
        }
    }

    /// Returns the steps that must be done before a container of `instance` can be created; or what is in the way, and
    /// whether that is permanent.
    pub(super) fn needs(&self, name: &Incarnation) -> Result<BTreeSet<usize>, (String, bool)> {
        let (instance, stack) = (&self.desired.instances[name], &name.instance.stack);
        let mut needs = Vec::new();
        for network in &instance.networks {
            let found = self.observed.networks.get(network).filter(|found| found.ours && found.stack.is_empty());
            if found.is_some() && !self.desired.networks.contains_key(network) {
                return Err((format!("needs network {network}, whose state this host has lost"), false));
            }
            if self.has_its_network(stack, network) {
                continue;
            }
            needs.push((Resource::Network(network.clone()), self.observed.networks.contains_key(network)));
            needs.push((Resource::Overlay(network.clone()), true));
        }
        for volume in &instance.volumes {
            needs.push((Resource::Volume(volume.clone()), self.observed.volumes.contains_key(volume)));
        }
        if instance.mounts_tree {
            // A tree that exists and could not be synced to the bundle must not be started from.
            let done = self.observed.trees.get(stack).map(|tree| &tree.manifest) == self.desired.trees.get(stack);
            needs.push((Resource::Tree(stack.clone()), done));
        }
        let mut steps = BTreeSet::new();
        for (resource, there) in needs {
            if let Some(unknown) = self.plan.unknown.iter().find(|unknown| unknown.resource == resource) {
                return Err((format!("needs {resource}, and {}", unknown.message), false));
            }
            if self.plan.obstacles.iter().any(|obstacle| obstacle.resource == resource) {
                return Err((format!("needs {resource}, which cannot be created"), true));
            }
            match self.makes.get(&resource) {
                Some(step) => steps.extend([*step]),
                None if there => {}
                None if self.given_up.contains(&resource) => {
                    return Err((format!("needs {resource}, which could not be created or changed"), true));
                }
                None => {
                    return Err((format!("needs {resource}, which is not part of what this host was assigned"), true));
                }
            }
        }
        Ok(steps)
    }

    /// Whether a network that stacks define differently exists as this stack defines it, or as one that does not define it
    /// may use it.
    fn has_its_network(&self, stack: &str, network: &str) -> bool {
        let Some(dispute) = self.desired.disputes.get(network) else { return false };
        let Some(found) = self.observed.networks.get(network) else { return false };
        dispute.definitions.get(stack).is_none_or(|definition| difference(definition, found).is_none())
    }

    /// Removes what belongs to a managed stack and is no longer desired, once no container needs it.
    fn leftovers(&mut self) {
        for (name, network) in &self.observed.networks {
            let used = self.observed.foreign.values().any(|foreign| foreign.networks.contains(name));
            let is_leftover = network.ours && self.desired.manages(&network.stack);
            if !is_leftover || self.desired.networks.contains_key(name) || used {
                continue;
            }
            if let Some(reason) = &self.observed.unknown.networks {
                self.unknown(Resource::Network(name.clone()), format!("the networks are not known: {reason}"));
            } else {
                self.remove(Action::RemoveNetwork { network: name.clone() }, |container| {
                    container.addresses.contains_key(name)
                });
            }
        }
        for (name, _) in self.desired.volumes.iter().filter(|(_, volume)| volume.remove) {
            if let Some(reason) = &self.observed.unknown.volumes {
                // What is known of it may be out of date.
                self.unknown(Resource::Volume(name.clone()), format!("it is not known whether it exists: {reason}"));
                continue;
            }
            match self.observed.volumes.get(name) {
                Some(volume) if volume.ours => {
                    self.remove(Action::RemoveVolume { volume: name.clone() }, |container| {
                        container.volumes.contains(name)
                    });
                }
                Some(_) => {
                    let message =
                        format!("it was not created by Landfast; to remove it, run `docker volume rm {name}`");
                    self.obstacle("remove", Resource::Volume(name.clone()), message);
                }
                None => {}
            }
        }
        let trees = self.observed.trees.keys();
        for stack in trees.filter(|stack| self.desired.manages(stack) && !self.desired.trees.contains_key(*stack)) {
            self.remove(Action::RemoveTree { stack: stack.clone() }, |container| container.instance.stack == *stack);
        }
    }

    /// Removes a resource after the containers that use it, and not at all while one of them stays.
    fn remove(&mut self, action: Action, uses: impl Fn(&Container) -> bool) {
        if self.given_up.contains(&action.resource()) {
            return;
        }
        let users = self.observed.containers.iter().filter(|(_, container)| uses(container));
        let after: Option<Vec<usize>> = users.map(|(id, _)| self.removes.get(id).copied()).collect();
        if let Some(after) = after {
            self.step(action, after);
        }
    }
}

/// Describes how an existing network differs from the desired one; `None` if it will do.
fn difference(desired: &Network, found: &observed::Network) -> Option<String> {
    let mut differs = Vec::new();
    let mut compare = |what: &str, wanted: &str, found: &str| {
        if !wanted.is_empty() && wanted != found {
            differs
                .push(format!("{what} is {} and should be {wanted}", if found.is_empty() { "not set" } else { found }));
        }
    };
    compare("driver", &desired.driver, &found.driver);
    for subnet in desired.subnets.iter().filter(|subnet| !found.subnets.contains(subnet)) {
        compare("subnet", subnet, &found.subnets.join(", "));
    }
    for gateway in desired.gateways.iter().filter(|gateway| !found.gateways.contains(gateway)) {
        compare("gateway", gateway, &found.gateways.join(", "));
    }
    compare("internal", &desired.internal.to_string(), &found.internal.to_string());
    for (key, value) in &desired.options {
        compare(&format!("option {key}"), value, found.options.get(key).map_or("", String::as_str));
    }
    if differs.is_empty() {
        return None;
    }
    let made =
        if found.ours { "it was created by Landfast with other settings" } else { "it was not created by Landfast" };
    Some(format!("it exists already and differs: {}; {made}: remove it or change landfast.toml", differs.join(", ")))
}
