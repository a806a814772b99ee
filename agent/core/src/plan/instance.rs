//! Plans the containers of one instance.
//!
//! A recreate has five stages: create the new container under a temporary name, stop the old one, give the name to the new
//! one, start the new one, remove the old one. Neither runs while the name is handed over, because an engine does not
//! rename a container that keeps restarting. Each stage is planned from the containers that exist, which show what has been
//! done. If the new container cannot be started, the old one is started again.

use std::collections::{BTreeMap, BTreeSet};

use super::Action;
use super::build::Builder;
use super::names::Names;
use crate::attempts::Resource;
use crate::desired::{Claim, Incarnation, Instance, InstanceName, Restart, Wanted};
use crate::observed::{Container, State};

/// Steps that come first, and the containers of other instances that are needed.
type Needed = (BTreeSet<usize>, BTreeMap<InstanceName, String>);

/// A container with its id.
type Known<'a> = (&'a String, &'a Container);

/// Containers of an instance, sorted by their role.
#[derive(Default)]
struct Found<'a> {
    /// The desired container: it runs, or can be started.
    current: Option<Known<'a>>,
    /// An earlier container, to return to if the new one fails.
    previous: Option<Known<'a>>,
    /// Leftovers of interrupted attempts.
    leftovers: Vec<Known<'a>>,
}

impl<'a> Builder<'a> {
    pub(super) fn instances(&mut self) {
        let (desired, observed) = (self.desired, self.observed);
        let mut found: BTreeMap<Incarnation, Vec<(&String, &Container)>> =
            desired.instances.keys().map(|name| (name.clone(), Vec::new())).collect();
        for (id, container) in &observed.containers {
            found.entry(container.incarnation_in(desired)).or_default().push((id, container));
        }
        for (name, containers) in found {
            let name = &name;
            if !desired.manages(&name.instance.stack) && !desired.instances.contains_key(name) {
                continue;
            }
            let mut unknown = containers.iter().filter_map(|(id, _)| observed.unknown.containers.get(*id));
            if let Some(reason) = unknown.next() {
                self.wait_for_inspection(name, reason.as_deref());
                continue;
            }
            match desired.instances.get(name) {
                None | Some(Instance { wanted: Wanted::Gone, .. }) => {
                    self.discard_all(name, containers);
                }
                Some(instance) if instance.stopped => {
                    self.keep_stopped(name, sort(name, instance, containers, |_| false));
                }
                Some(instance) if instance.wanted == Wanted::Drain => self.drain(name, instance, containers),
                Some(instance) => {
                    let is_old = |container: &Container| self.is_in_old_namespace(instance, container);
                    let found = sort(name, instance, containers, is_old);
                    let given_up = self.given_up.contains(&Resource::Instance(name.clone()));
                    match (given_up, found.current) {
                        (true, Some((_, new))) if !new.state.is_up() => self.roll_back(name, instance, found),
                        (true, None) => self.keep_previous(name, instance, found),
                        _ => self.advance(name, instance, found),
                    }
                }
            }
        }
    }

    /// Waits until the containers of an instance are known. Until then none is created, started, stopped or removed.
    fn wait_for_inspection(&mut self, name: &Incarnation, reason: Option<&str>) {
        if let Some(reason) = reason {
            let message = format!("its container cannot be inspected: {reason}");
            self.unknown(Resource::Instance(name.clone()), message);
        }
        self.wait(name, "waits until its container is inspected".to_owned(), false);
    }

    /// Plans the next steps towards the desired container.
    fn advance(&mut self, name: &Incarnation, instance: &Instance, found: Found<'a>) {
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
            self.give_name(name, instance, (id, current), after);
            return;
        }
        let needs = match self.what_it_needs(name, instance) {
            Ok((needs, _)) => needs,
            Err((reason, hopeless)) => return self.wait(name, reason, hopeless),
        };
        let stopped = self.stop(name, found.previous, []);
        let names = self.names(name, instance, Some(current));
        let named = self.hand_over_name(name, &names, found.previous, (id, &current.name), stopped, &cleared);
        let after: BTreeSet<usize> = needs.into_iter().chain(stopped).chain(named).chain(cleared).collect();
        let started = self.step(Action::Start { instance: name.clone(), container: id.clone() }, after);
        self.discard(name, found.previous, Some(started));
    }

    /// Reverts an update that was interrupted. The desired container was stopped for another one, so it is started again
    /// before the other one is removed: nothing else shows that it did not end by itself.
    fn revert(&mut self, name: &Incarnation, instance: &Instance, (id, current): Known<'a>, found: Found<'a>) {
        let needs = match self.what_it_needs(name, instance) {
            Ok((needs, _)) => needs,
            Err((reason, hopeless)) => return self.wait(name, reason, hopeless),
        };
        let stopped = self.stop(name, found.previous, []);
        let after: BTreeSet<usize> = needs.into_iter().chain(stopped).collect();
        let started = self.step(Action::Start { instance: name.clone(), container: id.clone() }, after);
        let others = found.leftovers.into_iter().chain(found.previous);
        let gone = others.filter_map(|other| self.discard(name, Some(other), Some(started))).collect();
        self.give_name(name, instance, (id, current), gone);
    }

    fn names(&self, name: &Incarnation, instance: &Instance, current: Option<&Container>) -> Names {
        Names::new(self.desired, self.observed, (name, instance), current)
    }

    /// Gives a container the name that it has in the end.
    fn give_name(&mut self, name: &Incarnation, instance: &Instance, (id, found): Known<'a>, after: BTreeSet<usize>) {
        let own = self.names(name, instance, Some(found)).own;
        self.rename(name, (id, &found.name), own, after);
    }

    fn rename(
        &mut self,
        name: &Incarnation,
        (container, its_name): (&str, &str),
        to: String,
        after: BTreeSet<usize>,
    ) -> Option<usize> {
        let is_other = its_name != to;
        let rename = Action::Rename { instance: name.clone(), container: container.to_owned(), name: to };
        is_other.then(|| self.step(rename, after))
    }

    /// Gives a container the name that it has in the end, which the stopped container before it may still have.
    fn hand_over_name(
        &mut self,
        name: &Incarnation,
        names: &Names,
        previous: Option<Known<'a>>,
        current: (&str, &str),
        stopped: Option<usize>,
        cleared: &BTreeSet<usize>,
    ) -> Option<usize> {
        let mut after: BTreeSet<usize> = cleared.iter().copied().chain(stopped).collect();
        if let Some((id, replaced)) = previous.filter(|(_, previous)| previous.name == names.own) {
            let retire = Action::Rename {
                instance: name.clone(),
                container: id.clone(),
                name: names.retired(replaced, current.1),
            };
            after = [self.step(retire, after)].into();
        }
        self.rename(name, current, names.own.clone(), after)
    }

    /// Plans a whole recreate, or the first start.
    fn create(
        &mut self,
        name: &Incarnation,
        instance: &Instance,
        previous: Option<Known<'a>>,
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
        let is_going = |it: &Container| it.state == State::Removing && it.is_of(name, self.desired);
        if self.observed.containers.values().any(is_going) {
            return self.wait(name, "waits until its old container is removed".to_owned(), false);
        }
        after.extend(cleared);
        let names = self.names(name, instance, None);
        let taken = previous.is_some_and(|(_, container)| container.name == names.own);
        let container = if taken { names.temporary.clone() } else { names.own.clone() };
        let create = Action::Create {
            instance: name.clone(),
            name: container.clone(),
            image,
            partners,
            previous: previous.map(|(id, _)| id.clone()),
        };
        let created = self.step(create, after);
        let stopped = self.stop(name, previous, [created]);
        let named = self.hand_over_name(name, &names, previous, (&container, &container), stopped, &[created].into());
        let after: BTreeSet<usize> = [created].into_iter().chain(stopped).chain(named).collect();
        let start = Action::Start { instance: name.clone(), container: names.own };
        let started = self.step(start, after);
        self.discard(name, previous, Some(started));
    }

    /// Returns the steps that must come before the start, and the containers that the new one shares something with; or why
    /// it waits, and whether that is hopeless.
    fn what_it_needs(&self, name: &Incarnation, instance: &Instance) -> Result<Needed, (String, bool)> {
        self.is_at_home(instance)?;
        match self.held_beside(name, instance) {
            Some(reason) => Err((reason, true)),
            None => Ok((self.needs(name)?, self.partners(instance)?)),
        }
    }

    /// Why the container cannot run beside the other incarnations of its instance: one of them holds an address or a port of it.
    /// None of them is stopped for another one, because the state wants both.
    fn held_beside(&self, name: &Incarnation, instance: &Instance) -> Option<String> {
        let of_instance = self.observed.containers.values().filter(|it| it.instance == name.instance);
        of_instance.filter(|it| it.state.is_up()).find_map(|container| {
            let other = container.incarnation_in(self.desired);
            let wanted = self.desired.instances.get(&other).filter(|it| other != *name && !it.stopped)?;
            let stays = match wanted.wanted {
                Wanted::Run => container.is_wanted(&other, wanted),
                Wanted::Drain => true,
                Wanted::Gone => false,
            };
            let is_held = |claim: &&Claim| container.claims.iter().any(|held| held.clashes(claim));
            let claim = instance.claims.iter().find(is_held).filter(|_| stays)?;
            Some(format!("needs {claim}, which its incarnation {} holds", other.number))
        })
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
                return Err((format!("needs {}, which {lack}", partner.instance), hopeless));
            };
            partners.insert(partner.instance.clone(), id.clone());
        }
        Ok(partners)
    }

    /// Returns the desired container of an instance, if it exists.
    fn current(&self, name: &Incarnation) -> Option<Known<'a>> {
        let instance = self.desired.instances.get(name)?;
        let containers = self.observed.containers.iter().filter(|(_, container)| container.is_of(name, self.desired));
        sort(name, instance, containers.collect(), |_| false).current
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
    fn roll_back(&mut self, name: &Incarnation, instance: &Instance, found: Found<'a>) {
        let (Some((new_id, new)), Some((id, previous))) = (found.current, found.previous) else { return };
        let started = (was_stopped_for(previous, new) && self.is_at_home(instance).is_ok())
            .then(|| self.step(Action::Start { instance: name.clone(), container: id.clone() }, []));
        let mut after: BTreeSet<usize> = self.discard(name, Some((new_id, new)), started).into_iter().collect();
        after.extend(self.discard_all(name, found.leftovers));
        self.give_name(name, instance, (id, previous), after);
    }

    /// Gives the old container its name back when no more attempts are made. A leftover may still have that name.
    fn keep_previous(&mut self, name: &Incarnation, instance: &Instance, found: Found<'a>) {
        let cleared = self.discard_all(name, found.leftovers);
        if let Some(previous) = found.previous {
            self.give_name(name, instance, previous, cleared);
        }
    }

    /// Plans an instance that must exist and not run.
    fn keep_stopped(&mut self, name: &Incarnation, found: Found<'a>) {
        self.stop(name, found.current, []);
        if found.current.is_some() {
            self.discard(name, found.previous, None);
        } else {
            self.stop(name, found.previous, []);
        }
        self.discard_all(name, found.leftovers);
    }

    /// Plans an incarnation that is drained: the container that serves is kept, and started again if it ended with the host. It
    /// is neither created nor renamed.
    fn drain(&mut self, name: &Incarnation, instance: &Instance, mut containers: Vec<Known<'a>>) {
        containers.sort_by_key(|(_, it)| {
            (!it.state.is_up(), !it.is_wanted(name, instance), std::cmp::Reverse(it.created_at))
        });
        let is_usable = |(_, it): &Known<'a>| !matches!(it.state, State::Dead | State::Removing);
        let kept = containers.iter().position(is_usable).map(|at| containers.remove(at));
        let cleared = self.discard_all(name, containers);
        let Some((id, container)) = kept else { return };
        let given_up = self.given_up.contains(&Resource::Instance(name.clone()));
        if container.state == State::Created || !should_start(container) || given_up {
            return;
        }
        match self.what_it_needs(name, instance) {
            Ok((needs, _)) => {
                let start = Action::Start { instance: name.clone(), container: id.clone() };
                self.step(start, needs.into_iter().chain(cleared));
            }
            Err((reason, hopeless)) => self.wait(name, reason, hopeless),
        }
    }

    fn stop(
        &mut self,
        name: &Incarnation,
        container: Option<Known<'a>>,
        after: impl IntoIterator<Item = usize>,
    ) -> Option<usize> {
        let (id, container) = container?;
        let action = Action::Stop { instance: name.clone(), container: id.clone(), grace: container.stop_grace };
        container.state.is_up().then(|| self.step(action, after))
    }

    /// Removes a container, and stops it first if no step of the plan does. Returns the position of the removal.
    fn discard(&mut self, name: &Incarnation, container: Option<Known<'a>>, after: Option<usize>) -> Option<usize> {
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

    fn discard_all(&mut self, name: &Incarnation, containers: Vec<Known<'a>>) -> BTreeSet<usize> {
        containers.into_iter().filter_map(|container| self.discard(name, Some(container), None)).collect()
    }
}

/// Sorts containers by their role: first those with the desired digest, then running ones, then those with the instance's
/// name, then the newest. A container of another incarnation is not the desired one, nor is one whose partners have left its
/// namespaces. Of earlier containers that do not run, the one that ran last is the one to return to.
fn sort<'a>(
    name: &Incarnation,
    instance: &Instance,
    mut containers: Vec<Known<'a>>,
    is_in_old_namespace: impl Fn(&Container) -> bool,
) -> Found<'a> {
    let is_usable = |it: &Container| !matches!(it.state, State::Dead | State::Removing);
    let is_desired = |it: &Container| it.is_wanted(name, instance) && !is_in_old_namespace(it);
    let rank = |it: &Container| (!it.state.is_up(), it.name != instance.container, std::cmp::Reverse(it.created_at));
    containers.sort_by_key(|(_, it)| rank(it));
    let current = containers.iter().position(|(_, it)| is_usable(it) && is_desired(it));
    let current = current.map(|at| containers.remove(at));
    let ended = |it: &Container| if it.state.is_up() { 0 } else { -it.finished_at };
    let earlier = containers.iter().enumerate().filter(|(_, (_, it))| {
        let never_ran = it.state == State::Created;
        is_usable(it) && !is_desired(it) && !never_ran
    });
    let previous = earlier.min_by_key(|(_, (_, it))| (!it.state.is_up(), ended(it), rank(it))).map(|(at, _)| at);
    let previous = previous.map(|at| containers.remove(at));
    Found { current, previous, leftovers: containers }
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
