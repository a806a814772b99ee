//! Selects services by profile and by name, with their dependencies, and the resources that they use.
use std::collections::BTreeSet;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::rules::Consistency;
use super::text::node::{Map, Node};

/// Removes the services and resources that are not selected. `checks` says whether the project must be consistent.
pub(super) fn select(
    project: &mut Node,
    profiles: &[String],
    services: &[String],
    checks: bool,
) -> Result<(), Diagnostics> {
    let disabled = disable(project, profiles);
    if checks {
        Consistency { project, disabled: &disabled }.check()?;
    }
    if !services.is_empty() {
        enable(project, disabled, services);
        keep(project, services)?;
    }
    prune(project);
    Ok(())
}

fn services_mut(project: &mut Node) -> Option<&mut Map> {
    project.at_key_mut("services").and_then(Node::as_map_mut)
}

fn profiles_of(service: &Node) -> impl Iterator<Item = &str> {
    service.at_key("profiles").into_iter().flat_map(Node::items).filter_map(Node::as_str)
}

fn is_enabled(service: &Node, profiles: &[String]) -> bool {
    profiles_of(service).next().is_none()
        || profiles.iter().any(|profile| profile == "*" || profiles_of(service).any(|own| own == profile))
}

/// Removes and returns the services that no profile enables.
fn disable(project: &mut Node, profiles: &[String]) -> Map {
    let Some(services) = services_mut(project) else { return Map::new() };
    let (enabled, disabled) =
        std::mem::take(services).into_iter().partition(|(_, service)| is_enabled(service, profiles));
    *services = enabled;
    disabled
}

/// Puts back the disabled services that are selected by name, and the services that share a profile with them.
fn enable(project: &mut Node, disabled: Map, names: &[String]) {
    let selected = names.iter().filter_map(|name| disabled.get(name));
    let profiles: Vec<String> = selected.flat_map(profiles_of).map(str::to_owned).collect();
    if let Some(services) = services_mut(project) {
        services.extend(disabled.into_iter().filter(|(_, service)| is_enabled(service, &profiles)));
    }
}

/// Keeps the services that are selected by name, and their dependencies.
fn keep(project: &mut Node, names: &[String]) -> Result<(), Diagnostics> {
    let Some(services) = services_mut(project) else { return Ok(()) };
    let mut kept: BTreeSet<String> = BTreeSet::new();
    let mut queue: Vec<String> = names.to_vec();
    while let Some(name) = queue.pop() {
        match services.get(&name) {
            Some(service) if kept.insert(name.clone()) => queue.extend(dependencies_of(services, &name, service)?),
            None => {
                let known: Vec<&str> = services.keys().map(String::as_str).collect();
                return Err(Diagnostic::without_location(format!("service `{name}` is not defined"))
                    .hint(format!("the services are {}", known.join(", ")))
                    .into());
            }
            _ => {}
        }
    }
    services.retain(|name, _| kept.contains(name));
    services.values_mut().for_each(|service| retain_dependencies(service, &kept));
    Ok(())
}

/// Returns the dependencies of a service, without optional ones that are not enabled.
fn dependencies_of(services: &Map, name: &str, service: &Node) -> Result<Vec<String>, Diagnostic> {
    let mut dependencies_of = Vec::new();
    for (other, dependency) in service.at_key("depends_on").into_iter().flat_map(Node::entries) {
        if services.contains_key(other) {
            dependencies_of.push(other.clone());
        } else if dependency.at_key("required").and_then(Node::as_bool).unwrap_or(true) {
            let message = format!("service `{other}` is not defined, or its profiles are not enabled");
            return Err(Diagnostic::at(&dependency.at, message).key(format!("services.{name}.depends_on.{other}")));
        }
    }
    Ok(dependencies_of)
}

/// Removes the dependencies of a service on services that are not kept.
fn retain_dependencies(service: &mut Node, kept: &BTreeSet<String>) {
    let Some(dependencies) = service.at_key_mut("depends_on").and_then(Node::as_map_mut) else { return };
    dependencies.retain(|name, _| kept.contains(name));
    if dependencies.is_empty() {
        service.remove_key("depends_on");
    }
}

/// Removes the resources that no service uses.
fn prune(project: &mut Node) {
    let mut used: BTreeSet<(&'static str, String)> = BTreeSet::new();
    for (_, service) in project.at_key("services").into_iter().flat_map(Node::entries) {
        let keys = |key: &str| service.at_key(key).into_iter().flat_map(Node::entries).map(|(name, _)| name.clone());
        used.extend(keys("networks").map(|name| ("networks", name)));
        used.extend(keys("models").map(|name| ("models", name)));
        for mount in service.at_key("volumes").into_iter().flat_map(Node::items) {
            if mount.text_at("type") == Some("volume") {
                used.extend(mount.text_at("source").map(|name| ("volumes", name.to_owned())));
            }
        }
        let build = service.at_key("build");
        let secrets = [Some(service), build].into_iter().flatten().filter_map(|node| node.at_key("secrets"));
        let sources = |node: &Node| node.text_at("source").unwrap_or_default().to_owned();
        used.extend(secrets.flat_map(Node::items).map(|node| ("secrets", sources(node))));
        let configs = service.at_key("configs").into_iter().flat_map(Node::items);
        used.extend(configs.map(|node| ("configs", sources(node))));
    }
    for section in ["networks", "volumes", "secrets", "configs", "models"] {
        if let Some(map) = project.at_key_mut(section).and_then(Node::as_map_mut) {
            map.retain(|name, _| used.contains(&(section, name.clone())));
            if map.is_empty() {
                project.remove_key(section);
            }
        }
    }
}
