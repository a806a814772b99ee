//! Names of the containers of one incarnation.
//!
//! The main incarnation has the name of its instance. While a container of another incarnation has that name, and for an
//! incarnation beside the main one, the number is appended: `data-redis-1.3`. A container is renamed only to the name of its
//! instance, when that is free. So incarnations that stand side by side never ask for the same name.

use crate::desired::{Desired, Incarnation, Instance};
use crate::observed::{Container, Observed};

pub(super) struct Names {
    /// Name that the container has in the end.
    pub(super) own: String,
    /// Name of a new container until the one that it replaces has stopped.
    pub(super) temporary: String,
    /// Whether other incarnations may have retired containers of the same name.
    is_shared: bool,
}

impl Names {
    /// Determines the names of an incarnation. `current` is the container that is kept, if there is one.
    pub(super) fn new(
        desired: &Desired,
        observed: &Observed,
        (name, instance): (&Incarnation, &Instance),
        current: Option<&Container>,
    ) -> Self {
        let of_instance = &instance.container;
        let is_side_by_side = desired.is_side_by_side(&name.instance);
        let is_taken = || observed.containers.values().any(|it| it.name == *of_instance && !it.is_of(name, desired));
        let is_main = !is_side_by_side || (desired.main(&name.instance) == Some(name) && !is_taken());
        let numbered = format!("{of_instance}.{}", name.number);
        let own = match current {
            _ if is_main => of_instance.clone(),
            Some(current) => current.name.clone(),
            None => numbered.clone(),
        };
        let is_shared = is_side_by_side && is_main;
        let temporary = if is_shared { numbered } else { format!("{own}.new") };
        Names { own, temporary, is_shared }
    }

    /// Name of a stopped container that was replaced, until the new one runs. If an update is taken back, the container that is
    /// returned to may itself be called so: `current` is its name.
    pub(super) fn retired(&self, replaced: &Container, current: &str) -> String {
        let Names { own, is_shared, .. } = self;
        let stem = if *is_shared { format!("{own}.{}", replaced.incarnation) } else { own.clone() };
        let old = format!("{stem}.old");
        if old == current { format!("{stem}.new") } else { old }
    }
}
