//! What happens to the containers of one instance.
//!
//! A recreate is: create the new one beside the old under a temporary name, stop the old, give the name to the new one,
//! start the new, remove the old. Both rest while the name changes hands, because an engine does not rename a container that
//! keeps ending. What has been done of this is seen in the containers that are there, so each stage is planned from them
//! alone. When the new one cannot be started, the old one comes back.

use std::collections::{BTreeMap, BTreeSet};

use super::Action;
use super::build::Builder;
use crate::attempts::Resource;
use crate::desired::{Instance, InstanceName, Restart};
use crate::observed::{Container, State};

/// The name of a container that is to replace another, until that one has stopped.
fn temporary(name: &str) -> String {
    format!("{name}.new")
}

/// The name of a container that has been replaced and has stopped, until the new one runs.
fn retired(name: &str) -> String {
    format!("{name}.old")
}

/// Steps that come first, and containers of other instances.
type Needed = (BTreeSet<usize>, BTreeMap<InstanceName, String>);

/// An instance's containers, sorted by what they are to it.
#[derive(Default)]
struct Found<'a> {
    /// What must be: it runs, or could.
    current: Option<(&'a String, &'a Container)>,
    /// What was, and what to go back to.
    previous: Option<(&'a String, &'a Container)>,
    /// Remains of broken-off attempts.
    remains: Vec<(&'a String, &'a Container)>,
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
            match desired.instances.get(name) {
                None => {
                    self.discard_all(name, containers);
                }
                Some(instance) if instance.stopped => self.rest(name, sort(instance, containers, |_| false)),
                Some(instance) => {
                    let found = sort(instance, containers, |container| self.is_left_behind(instance, container));
                    let given_up = self.given_up.contains(&Resource::Instance(name.clone()));
                    match (given_up, found.current) {
                        (true, Some((_, new))) if !new.state.is_up() => self.go_back(name, instance, found),
                        (true, None) => self.stay(name, instance, found.previous),
                        _ => self.advance(name, instance, found),
                    }
                }
            }
        }
    }

    /// Towards the desired container.
    fn advance(&mut self, name: &InstanceName, instance: &Instance, found: Found<'a>) {
        if let Some(current) = found.current.filter(|(_, current)| {
            let others = found.remains.iter().chain(&found.previous);
            !should_start(current) && others.into_iter().any(|(_, other)| was_stopped_for(current, other))
        }) {
            return self.take_back(name, instance, current, found);
        }
        let cleared = self.discard_all(name, found.remains);
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

    /// An update was taken back halfway: the container that is desired again was stopped for another one. It is started before
    /// that one goes, as nothing else says that it was not its own end.
    fn take_back(
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
        let others = found.remains.into_iter().chain(found.previous);
        let gone = others.filter_map(|other| self.discard(name, Some(other), Some(started))).collect();
        self.give_name(name, instance, (id, &current.name), gone);
    }

    /// Gives a container its instance's name.
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

    /// The same while the container before may still have the name. That one has been stopped.
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

    /// All of a recreate, or of the first start.
    fn create(
        &mut self,
        name: &InstanceName,
        instance: &Instance,
        previous: Option<(&'a String, &'a Container)>,
        cleared: BTreeSet<usize>,
    ) {
        let Some(image) = self.observed.images.resolve(&instance.image, &instance.fingerprint) else {
            let reason = format!("needs image {}, which this host does not have as it was planned", instance.image);
            return self.wait(name, reason, true);
        };
        let (mut after, partners) = match self.what_it_needs(name, instance) {
            Ok(needed) => needed,
            Err((reason, hopeless)) => return self.wait(name, reason, hopeless),
        };
        // Its name is free only when it is gone.
        let is_going = |it: &Container| it.instance == *name && it.state == State::Removing;
        if self.observed.containers.values().any(is_going) {
            return self.wait(name, "waits until its old container is gone".to_owned(), false);
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

    /// The steps before it can start and the containers that it shares something with; or why it waits, and whether that is
    /// hopeless.
    fn what_it_needs(&self, name: &InstanceName, instance: &Instance) -> Result<Needed, (String, bool)> {
        Ok((self.needs(name)?, self.partners(instance)?))
    }

    /// The containers of those that it shares something with: running, where it joins their namespaces.
    fn partners(&self, instance: &Instance) -> Result<BTreeMap<InstanceName, String>, (String, bool)> {
        let mut partners = BTreeMap::new();
        for partner in instance.joins.union(&instance.volumes_from) {
            let must_run = instance.joins.contains(partner);
            let (lack, found) = match self.current(partner) {
                None => ("is not there", None),
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

    /// The container that an instance must be, if it is there.
    fn current(&self, name: &InstanceName) -> Option<(&'a String, &'a Container)> {
        let instance = self.desired.instances.get(name)?;
        let containers = self.observed.containers.iter().filter(|(_, container)| container.instance == *name);
        sort(instance, containers.collect(), |_| false).current
    }

    /// Whether the namespaces it is in are not its partners' any more: another container has taken the place, or the same
    /// one has started again since. As long as that one does not run there is nothing to go to.
    fn is_left_behind(&self, instance: &Instance, container: &Container) -> bool {
        let running = instance.joins.iter().filter_map(|partner| self.current(partner));
        let mut running = running.filter(|(_, partner)| partner.state.is_up());
        running.any(|(id, partner)| {
            // Stopped since, it is still one to be replaced; what had ended before has done what it had to.
            let began_before = (1..partner.started_at).contains(&container.started_at);
            let outlived = container.state.is_up() || container.finished_at >= partner.started_at;
            !container.joined.contains(id) || (began_before && outlived)
        })
    }

    /// The new container could not be started: the old one again, if it was this that stopped it.
    fn go_back(&mut self, name: &InstanceName, instance: &Instance, found: Found<'a>) {
        let (Some((new_id, new)), Some((id, previous))) = (found.current, found.previous) else { return };
        let started = was_stopped_for(previous, new)
            .then(|| self.step(Action::Start { instance: name.clone(), container: id.clone() }, []));
        let mut after: BTreeSet<usize> = self.discard(name, Some((new_id, new)), started).into_iter().collect();
        after.extend(self.discard_all(name, found.remains));
        self.give_name(name, instance, (id, &previous.name), after);
    }

    /// Nothing is to be tried any more, and the old container is back: under its own name.
    fn stay(&mut self, name: &InstanceName, instance: &Instance, previous: Option<(&'a String, &'a Container)>) {
        if let Some((id, previous)) = previous {
            self.give_name(name, instance, (id, &previous.name), BTreeSet::new());
        }
    }

    /// Not to run, but to stay.
    fn rest(&mut self, name: &InstanceName, found: Found<'a>) {
        self.stop(name, found.current, []);
        if found.current.is_some() {
            self.discard(name, found.previous, None);
        } else {
            self.stop(name, found.previous, []);
        }
        self.discard_all(name, found.remains);
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

    /// Removes a container; stops it first if no step of the plan does. Gives the removal.
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

/// Who is what: the desired digest wins, running before not, the proper name before another, the newest first.
/// One that was left behind is not the desired one any more, whatever its digest.
fn sort<'a>(
    instance: &Instance,
    mut containers: Vec<(&'a String, &'a Container)>,
    is_left_behind: impl Fn(&Container) -> bool,
) -> Found<'a> {
    containers.sort_by_key(|(_, container)| {
        (!container.state.is_up(), container.name != instance.container, std::cmp::Reverse(container.created_at))
    });
    let mut found = Found::default();
    for (id, container) in containers {
        let usable = !matches!(container.state, State::Dead | State::Removing);
        let never_ran = container.state == State::Created;
        let desired = container.digest == instance.digest && !is_left_behind(container);
        if usable && desired && found.current.is_none() {
            found.current = Some((id, container));
        } else if usable && !desired && !never_ran && found.previous.is_none() {
            found.previous = Some((id, container));
        } else {
            found.remains.push((id, container));
        }
    }
    found
}

/// Whether a container ran when another one was made for its place, and has not run since. One that has been started after that
/// is back already, even if it has ended again.
fn was_stopped_for(container: &Container, other: &Container) -> bool {
    let ran = container.started_at < other.created_at && container.finished_at >= other.created_at;
    container.state == State::Exited && ran
}

/// Whether a container that must be has to be started. What has ended by its own policy has ended.
fn should_start(container: &Container) -> bool {
    match container.state {
        State::Created => true,
        State::Exited => container.restart == Restart::Always,
        State::Running | State::Restarting | State::Paused | State::Dead | State::Removing => false,
    }
}
