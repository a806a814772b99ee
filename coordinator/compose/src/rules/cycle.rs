//! Checks that the dependencies of services have no cycle.
use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::text::node::{Map, Node};

/// Returns an error if services depend on each other in a cycle.
pub(super) fn check_cycle(project: &Node) -> Option<Diagnostic> {
    let services = project.at_key("services")?.as_map()?;
    let waiting = blocked(services);
    let first = waiting.keys().next()?;
    Some(error(services, &cycle(services, &waiting, first)))
}

/// The dependencies of a service that are services of the project.
fn dependencies<'a>(services: &'a Map, name: &str) -> impl Iterator<Item = &'a str> {
    let depends_on = services.get(name).and_then(|service| service.at_key("depends_on"));
    depends_on
        .into_iter()
        .flat_map(Node::entries)
        .map(|(name, _)| name.as_str())
        .filter(|name| services.contains_key(*name))
}

/// Returns the services that can never start, with the number of their dependencies that cannot start either.
fn blocked(services: &Map) -> BTreeMap<&str, usize> {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    for name in services.keys() {
        for dependency in dependencies(services, name) {
            dependents.entry(dependency).or_default().push(name);
            *waiting.entry(name).or_default() += 1;
        }
    }
    let mut started: Vec<&str> =
        services.keys().map(String::as_str).filter(|name| !waiting.contains_key(name)).collect();
    while let Some(name) = started.pop() {
        for dependent in dependents.get(name).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    waiting.remove(dependent);
                    started.push(dependent);
                }
            }
        }
    }
    waiting
}

/// Follows the dependencies of a blocked service, and returns the first cycle.
fn cycle<'a>(services: &'a Map, waiting: &BTreeMap<&str, usize>, first: &'a str) -> Vec<&'a str> {
    let mut path = vec![first];
    let mut places = BTreeMap::from([(first, 0)]);
    loop {
        let last = path.last().copied().unwrap_or(first);
        let Some(next) = dependencies(services, last).find(|name| waiting.contains_key(name)) else { return path };
        path.push(next);
        if let Some(start) = places.insert(next, path.len() - 1) {
            return path.split_off(start);
        }
    }
}

fn error(services: &Map, cycle: &[&str]) -> Diagnostic {
    let [.., from, to] = cycle else { return Diagnostic::without_location("services depend on each other in a cycle") };
    let path = format!("services.{from}.depends_on.{to}");
    let depends_on = services.get(*from).and_then(|service| service.at_key("depends_on"));
    let message = format!("services depend on each other in a cycle: {}", cycle.join(" -> "));
    let diagnostic = match depends_on.and_then(|depends_on| depends_on.at_key(to)) {
        Some(dependency) => Diagnostic::at(&dependency.at, message),
        None => Diagnostic::without_location(message),
    };
    diagnostic.key(path).hint("remove one of these dependencies")
}
