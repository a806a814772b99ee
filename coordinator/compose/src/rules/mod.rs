//! Checks rules between keys and between services.
use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::text::interpolate::join;
use crate::text::node::Node;

mod amounts;
mod consistency;
mod cycle;

pub(crate) use consistency::Consistency;

fn section<'a>(project: &'a Node, name: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
    project.at_key(name).into_iter().flat_map(Node::entries)
}

/// Checks each resource and service by itself. Runs for each project, including included ones.
pub(crate) fn check_resources(project: &Node) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    for (name, volume) in section(project, "volumes") {
        check_external(volume, &join("volumes", name), &mut mistakes);
    }
    for (name, config) in section(project, "configs") {
        check_file_object(config, &join("configs", name), &["file", "environment", "content"], &mut mistakes);
    }
    for (name, secret) in section(project, "secrets") {
        check_file_object(secret, &join("secrets", name), &["file", "environment"], &mut mistakes);
    }
    for (name, service) in section(project, "services") {
        check_values(service, &join("services", name), &mut mistakes);
    }
    Diagnostics::check(mistakes)
}

fn check_external(resource: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    if resource.at_key("external").and_then(Node::as_bool) != Some(true) {
        return;
    }
    for (key, value) in resource.entries() {
        if key != "name" && key != "external" && !key.starts_with("x-") {
            let message = format!("`external` and `{key}` cannot be combined");
            mistakes.push(Diagnostic::at(&value.at, message).key(join(path, key)));
        }
    }
}

fn check_file_object(object: &Node, path: &str, origins: &[&str], mistakes: &mut Vec<Diagnostic>) {
    let given = origins.iter().filter(|key| object.at_key(key).is_some()).count();
    let elsewhere = object.at_key("driver").is_some() || object.at_key("external").is_some();
    let names = origins.join(", ");
    if given > 1 {
        mistakes.push(Diagnostic::at(&object.at, format!("only one of {names} is allowed")).key(path));
    } else if given == 0 && !elsewhere {
        mistakes.push(Diagnostic::at(&object.at, format!("one of {names} or `external: true` is required")).key(path));
    }
}

fn check_values(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    for (index, port) in service.at_key("ports").into_iter().flat_map(Node::items).enumerate() {
        if let Some(address) = port.text_at("host_ip")
            && address.parse::<IpAddr>().is_err()
        {
            let message = format!("`{address}` is not an IP address");
            mistakes.push(Diagnostic::at(&port.at, message).key(format!("{path}.ports[{index}].host_ip")));
        }
    }
    let watches = service.at_key("develop").and_then(|develop| develop.at_key("watch"));
    for watch in watches.into_iter().flat_map(Node::items) {
        if watch.text_at("path") == Some("") {
            let message = "cannot be empty";
            mistakes.push(Diagnostic::at(&watch.at, message).key(format!("{path}.develop.watch.path")));
        }
    }
    let reserved = ["deploy", "resources", "reservations", "devices"];
    let reserved = reserved.into_iter().try_fold(service, |node, key| node.at_key(key));
    for request in service.at_key("gpus").into_iter().chain(reserved).flat_map(Node::items) {
        if request.at_key("count").is_some() && request.at_key("device_ids").is_some() {
            let message = "`count` and `device_ids` cannot be combined";
            mistakes.push(Diagnostic::at(&request.at, message).key(format!("{path}.device_ids")));
        }
    }
}

/// Checks that no two services have the same container name.
pub(crate) fn check_container_names(project: &Node) -> Result<(), Diagnostics> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let mut mistakes = Vec::new();
    for (name, service) in section(project, "services") {
        let Some(container) = service.text_at("container_name").filter(|container| !container.is_empty()) else {
            continue;
        };
        match seen.iter().find(|(other, _)| *other == container) {
            Some((_, first)) => {
                let message = format!("`{container}` is already the container name of service `{first}`");
                let path = format!("services.{name}.container_name");
                let at = service.at_key("container_name").map_or(&service.at, |node| &node.at);
                mistakes.push(Diagnostic::at(at, message).key(path));
            }
            None => seen.push((container, name)),
        }
    }
    Diagnostics::check(mistakes)
}
