//! Plans the containers of one instance.
//!
//! A recreate has five stages: create the new container under a temporary name, stop the old one, give the name to the new
//! one, start the new one, remove the old one. Neither runs while the name is handed over, because an engine does not
//! rename a container that keeps restarting. Each stage is planned from the containers that exist, which show what has been
//! done. If the new container cannot be started, the old one is started again.

use std::collections::{BTreeMap, BTreeSet};

use super::Action;
use super::build::Builder;
use crate::attempts::Resource;
use crate::desired::{Instance, InstanceName, Restart};
use crate::observed::{Container, State};

/// Returns the name of a new container until the one that it replaces has stopped.
fn temporary(name: &str) -> String {
    format!("{name}.new")
}

/// Returns the name of a stopped container that was replaced, until the new one runs.
fn retired(name: &str) -> String {
    format!("{name}.old")
}

/// Steps that come first, and the containers of other instances that are needed.
type Needed = (BTreeSet<usize>, BTreeMap<InstanceName, String>);

/// Containers of an instance, sorted by their role.
#[derive(Default)]
struct Found<'a> {
    /// The desired container: it runs, or can be started.
    current: Option<(&'a String, &'a Container)>,
    /// An earlier container, to return to if the new one fails.
    previous: Option<(&'a String, &'a Container)>,
    /// Leftovers of interrupted attempts.
    leftovers: Vec<(&'a String, &'a Container)>,
}

impl<'a> Builder<'a> {
    pub(super) fn instances(&mut self) {
        let (desired, observed) = (self.desired, self.observed);
        let mut found: BTreeMap<&InstanceName, Vec<(&String, &Container)>> =
            desired.instances.keys().map(|name| (name, Vec::new())).collect();
        for (id, container) in &observed.containers {
            found.entry(&container.instance).or_default().push((id, container));
        }
        for (name, containers) in found {
            if !desired.manages(&name.stack) && !desired.instances.contains_key(name) {
                continue;
            }
            let mut unknown = containers.iter().filter_map(|(id, _)| observed.unknown.containers.get(*id));
            if let Some(reason) = unknown.next() {
                self.wait_for_inspection(name, reason.as_deref());
                continue;
            }
            match desired.instances.get(name) {
                None => {
                    self.discard_all(name, containers);
                }
                Some(instance) if instance.stopped => self.keep_stopped(name, sort(instance, containers, |_| false)),
                Some(instance) => {
                    let found = sort(instance, containers, |container| self.is_in_old_namespace(instance, container));
                    let given_up = self.given_up.contains(&Resource::Instance(name.clone()));
                    match (given_up, found.current) {
                        (true, Some((_, new))) if !new.state.is_up() => self.roll_back(name, instance, found),
                        (true, None) => self.keep_previous(name, instance, found.previous),
                        _ => self.advance(name, instance, found),
                    }
                }
            }
        }
    }

    /// Waits until the containers of an instance are known. Until then none is created, started, stopped or removed.
    fn wait_for_inspection(&mut self, name: &InstanceName, reason: Option<&str>) {
        if let Some(reason) = reason {
            let message = format!("its container cannot be inspected: {reason}");
            self.unknown(Resource::Instance(name.clone()), message);
        }
        self.wait(name, "waits until its container is inspected".to_owned(), false);
    }

    /// Plans the next steps towards the desired container.
    fn advance(&mut self, name: &InstanceName, instance: &Instance, found: Found<'a>) {
        if let Some(current) = found.current.filter(|(_, current)| {
            let others = found.leftovers.iter().chain(&found.previous);
            !should_start(current) && others.into_iter().any(|(_, other)| was_stopped_for(current, other))
        }) {
            return self.revert(name, instance, current, found);
        }
        let cleared = self.discard_all(name, found.leftovers);
        let Some((id, current)) = found.current else {
            return self.create(name, instance, found.previous, cleared);
        };
        if !should_start(current) {
            let mut after = cleared;
            after.extend(self.discard(name, found.previous, None));
            self.give_name(name, instance, (id, &current.name), after);
            return;
        }
        let needs = match self.what_it_needs(name, instance) {
            Ok((needs, _)) => needs,
            Err((reason, hopeless)) => return self.wait(name, reason, hopeless),
        };
        let stopped = self.stop(name, found.previous, []);
        let named = self.hand_over_name(name, instance, found.previous, (id, &current.name), stopped, &cleared);
        let after: BTreeSet<usize> = needs.into_iter().chain(stopped).chain(named).chain(cleared).collect();
        let started = self.step(Action::Start { instance: name.clone(), container: id.clone() }, after);
        self.discard(name, found.previous, Some(started));
    }

    /// Reverts an update that was interrupted. The desired container was stopped for another one, so it is started again
    /// before the other one is removed: nothing else shows that it did not end by itself.
    fn revert(
        &mut self,
        name: &InstanceName,
        instance: &Instance,
        (id, current): (&'a String, &'a Container),
        found: Found<'a>,
    ) {
        let needs = match self.what_it_needs(name, instance) {
            Ok((needs, _)) => needs,
            Err((reason, hopeless)) => return self.wait(name, reason, hopeless),
        };
        let stopped = self.stop(name, found.previous, []);
        let after: BTreeSet<usize> = needs.into_iter().chain(stopped).collect();
        let started = self.step(Action::Start { instance: name.clone(), container: id.clone() }, after);
        let others = found.leftovers.into_iter().chain(found.previous);
        let gone = others.filter_map(|other| self.discard(name, Some(other), Some(started))).collect();
        self.give_name(name, instance, (id, &current.name), gone);
    }

    /// Gives a container the name of its instance.
    fn give_name(
        &mut self,
        name: &InstanceName,
        instance: &Instance,
        (container, its_name): (&str, &str),
        after: BTreeSet<usize>,
    ) -> Option<usize> {
        let to = instance.container.clone();
        let rename = Action::Rename { instance: name.clone(), container: container.to_owned(), name: to };
        (its_name != instance.container).then(|| self.step(rename, after))
    }

    /// Gives a container the name of its instance, which the stopped container before it may still have.
    fn hand_over_name(
        &mut self,
        name: &InstanceName,
        instance: &Instance,
        previous: Option<(&'a String, &'a Container)>,
        current: (&str, &str),
        stopped: Option<usize>,
        cleared: &BTreeSet<usize>,
    ) -> Option<usize> {
        let mut after: BTreeSet<usize> = cleared.iter().copied().chain(stopped).collect();
        if let Some((id, _)) = previous.filter(|(_, previous)| previous.name == instance.container) {
            let retire =
                Action::Rename { instance: name.clone(), container: id.clone(), name: retired(&instance.container) };
            after = [self.step(retire, after)].into();
        }
        self.give_name(name, instance, current, after)
    }

    /// Plans a whole recreate, or the first start.
    fn create(
        &mut self,
        name: &InstanceName,
        instance: &Instance,
        previous: Option<(&'a String, &'a Container)>,
        cleared: BTreeSet<usize>,
    ) {
        if let Err((reason, hopeless)) = self.is_at_home(instance) {
            return self.wait(name, reason, hopeless);
        }
        let Some(image) = self.observed.images.resolve(&instance.image, &instance.fingerprint) else {
            if let Some(reason) = self.observed.unknown.image(&instance.image) {
                let reason = format!("needs image {}, which cannot be examined: {reason}", instance.image);
                self.unknown(Resource::Instance(name.clone()), format!("it {reason}"));
                return self.wait(name, reason, false);
            }
            let reason =
                format!("needs image {}, and this host does not have the planned version of it", instance.image);
            return self.wait(name, reason, true);
        };
        let (mut after, partners) = match self.what_it_needs(name, instance) {
            Ok(needed) => needed,
            Err((reason, hopeless)) => return self.wait(name, reason, hopeless),
        };
        // The name is free only when the old container is gone.
        let is_going = |it: &Container| it.instance == *name && it.state == State::Removing;
        if self.observed.containers.values().any(is_going) {
            return self.wait(name, "waits until its old container is removed".to_owned(), false);
        }
        after.extend(cleared);
        let taken = previous.is_some_and(|(_, container)| container.name == instance.container);
        let container = if taken { temporary(&instance.container) } else { instance.container.clone() };
        let create = Action::Create {
            instance: name.clone(),
            name: container.clone(),
            image,
            partners,
            previous: previous.map(|(id, _)| id.clone()),
        };
        let created = self.step(create, after);
        let stopped = self.stop(name, previous, [created]);
        let named = self.hand_over_name(name, instance, previous, (&container, &container), stopped, &[created].into());
        let after: BTreeSet<usize> = [created].into_iter().chain(stopped).chain(named).collect();
        let start = Action::Start { instance: name.clone(), container: instance.container.clone() };
        let started = self.step(start, after);
        self.discard(name, previous, Some(started));
    }

    /// Returns the steps that must come before the start, and the containers that the new one shares something with; or why
    /// it waits, and whether that is hopeless.
    fn what_it_needs(&self, name: &InstanceName, instance: &Instance) -> Result<Needed, (String, bool)> {
        self.is_at_home(instance)?;
        Ok((self.needs(name)?, self.partners(instance)?))
    }

    /// Checks that no address of the instance has moved to another host. If one has, another container may have it there, and
    /// only a new assignment can change that.
    fn is_at_home(&self, instance: &Instance) -> Result<(), (String, bool)> {
        match self.desired.elsewhere.moved(&instance.addresses) {
            Some(moved) => Err((format!("must not start here: {moved}"), true)),
            None => Ok(()),
        }
    }

    /// Returns the containers that the instance shares something with. Those whose namespaces it joins must run.
    fn partners(&self, instance: &Instance) -> Result<BTreeMap<InstanceName, String>, (String, bool)> {
        let mut partners = BTreeMap::new();
        for partner in instance.joins.union(&instance.volumes_from) {
            let must_run = instance.joins.contains(partner);
            let (lack, found) = match self.current(partner) {
                None => ("does not exist", None),
                Some((_, container)) if must_run && !container.state.is_up() => ("does not run", None),
                found => ("", found),
            };
            let Some((id, _)) = found else {
                let hopeless = self.given_up.contains(&Resource::Instance(partner.clone()));
                return Err((format!("needs {partner}, which {lack}"), hopeless));
            };
            partners.insert(partner.clone(), id.clone());
        }
        Ok(partners)
    }

    /// Returns the desired container of an instance, if it exists.
    fn current(&self, name: &InstanceName) -> Option<(&'a String, &'a Container)> {
        let instance = self.desired.instances.get(name)?;
        let containers = self.observed.containers.iter().filter(|(_, container)| container.instance == *name);
        sort(instance, containers.collect(), |_| false).current
    }

    /// Whether a container is in namespaces that its partners have left: another container has taken their place, or they
    /// have been started again. While no partner runs there is nothing to move to.
    fn is_in_old_namespace(&self, instance: &Instance, container: &Container) -> bool {
        let running = instance.joins.iter().filter_map(|partner| self.current(partner));
        let mut running = running.filter(|(_, partner)| partner.state.is_up());
        running.any(|(id, partner)| {
            // A container that was stopped since then must still be replaced. One that had ended before has done its work.
            let began_before = (1..partner.started_at).contains(&container.started_at);
            let outlived = container.state.is_up() || container.finished_at >= partner.started_at;
            !container.joined.contains(id) || (began_before && outlived)
        })
    }

    /// Returns to the old container after the new one could not be started. The old one is started if it was stopped for
    /// the new one.
    fn roll_back(&mut self, name: &InstanceName, instance: &Instance, found: Found<'a>) {
        let (Some((new_id, new)), Some((id, previous))) = (found.current, found.previous) else { return };
        let started = (was_stopped_for(previous, new) && self.is_at_home(instance).is_ok())
            .then(|| self.step(Action::Start { instance: name.clone(), container: id.clone() }, []));
        let mut after: BTreeSet<usize> = self.discard(name, Some((new_id, new)), started).into_iter().collect();
        after.extend(self.discard_all(name, found.leftovers));
        self.give_name(name, instance, (id, &previous.name), after);
    }

    /// Gives the old container its name back when no more attempts are made.
    fn keep_previous(
        &mut self,
        name: &InstanceName,
        instance: &Instance,
        previous: Option<(&'a String, &'a Container)>,
    ) {
        if let Some((id, previous)) = previous {
            self.give_name(name, instance, (id, &previous.name), BTreeSet::new());
        }
    }

    /// Plans an instance that must exist and not run.
    fn keep_stopped(&mut self, name: &InstanceName, found: Found<'a>) {
        self.stop(name, found.current, []);
        if found.current.is_some() {
            self.discard(name, found.previous, None);
        } else {
            self.stop(name, found.previous, []);
        }
        self.discard_all(name, found.leftovers);
    }

    fn stop(
        &mut self,
        name: &InstanceName,
        container: Option<(&'a String, &'a Container)>,
        after: impl IntoIterator<Item = usize>,
    ) -> Option<usize> {
        let (id, container) = container?;
        let action = Action::Stop { instance: name.clone(), container: id.clone(), grace: container.stop_grace };
        container.state.is_up().then(|| self.step(action, after))
    }

    /// Removes a container, and stops it first if no step of the plan does. Returns the position of the removal.
    fn discard(
        &mut self,
        name: &InstanceName,
        container: Option<(&'a String, &'a Container)>,
        after: Option<usize>,
    ) -> Option<usize> {
        let (id, found) = container?;
        if found.state == State::Removing {
            return None;
        }
        let stop = Action::Stop { instance: name.clone(), container: id.clone(), grace: found.stop_grace };
        let stopped = match self.plan.steps.iter().position(|step| step.action == stop) {
            Some(position) => Some(position),
            None if found.state.is_up() => Some(self.step(stop, after)),
            None => None,
        };
        let removed = self
            .step(Action::Remove { instance: name.clone(), container: id.clone() }, after.into_iter().chain(stopped));
        self.removes.insert(id.clone(), removed);
        Some(removed)
    }

    fn discard_all(&mut self, name: &InstanceName, containers: Vec<(&'a String, &'a Container)>) -> BTreeSet<usize> {
        containers.into_iter().filter_map(|container| self.discard(name, Some(container), None)).collect()
    }
}

/// Sorts containers by their role: first those with the desired digest, then running ones, then those with the instance's
/// name, then the newest. A container whose partners have left its namespaces is not the desired one.
fn sort<'a>(
    instance: &Instance,
    mut containers: Vec<(&'a String, &'a Container)>,
    is_in_old_namespace: impl Fn(&Container) -> bool,
) -> Found<'a> {
    containers.sort_by_key(|(_, container)| {
        (!container.state.is_up(), container.name != instance.container, std::cmp::Reverse(container.created_at))
    });
    let mut found = Found::default();
    for (id, container) in containers {
        let usable = !matches!(container.state, State::Dead | State::Removing);
        let never_ran = container.state == State::Created;
        let desired = container.digest == instance.digest && !is_in_old_namespace(container);
        if usable && desired && found.current.is_none() {
            found.current = Some((id, container));
        } else if usable && !desired && !never_ran && found.previous.is_none() {
            found.previous = Some((id, container));
        } else {
            found.leftovers.push((id, container));
        }
    }
    found
}

/// Whether a container ran when another one was created to replace it, and was not started again since. One that was
/// started later is back already, even if it has ended again.
fn was_stopped_for(container: &Container, other: &Container) -> bool {
    let ran = container.started_at < other.created_at && container.finished_at >= other.created_at;
    container.state == State::Exited && ran
}

/// Whether the desired container has to be started. One that ended according to its restart policy is not.
fn should_start(container: &Container) -> bool {
    match container.state {
        State::Created => true,
        State::Exited => container.restart == Restart::Always,
        State::Running | State::Restarting | State::Paused | State::Dead | State::Removing => false,
    }
}
