//! Adds implied values to a project: defaults, dependencies, the default network and names.
use std::collections::BTreeMap;

use super::text::node::{Map, Node, Value};

/// Adds the defaults of written values. Runs once for each project, including included ones.
pub(super) fn complete(project: &mut Node) {
    for (_, service) in project.at_key_mut("services").into_iter().flat_map(Node::entries_mut) {
        complete_service(service);
    }
}

fn complete_service(service: &mut Node) {
    if let Some(build) = service.at_key_mut("build") {
        build.default_key("context", Value::Text(".".to_owned()));
    }
    for secret in service.at_key_mut("secrets").into_iter().flat_map(Node::items_mut) {
        let target = format!("/run/secrets/{}", secret.text_at("source").unwrap_or_default());
        secret.default_key("target", Value::Text(target));
    }
    for port in service.at_key_mut("ports").into_iter().flat_map(Node::items_mut) {
        port.default_key("protocol", Value::Text("tcp".to_owned()));
        port.default_key("mode", Value::Text("ingress".to_owned()));
    }
    for mount in service.at_key_mut("volumes").into_iter().flat_map(Node::items_mut) {
        if let Some(bind) = mount.at_key_mut("bind") {
            bind.default_key("create_host_path", Value::Bool(true));
        }
    }
    service.at_key_mut("gpus").into_iter().flat_map(Node::items_mut).for_each(complete_request);
    let reservations = ["deploy", "resources", "reservations", "devices"];
    let devices = reservations.into_iter().try_fold(service, |node, key| node.at_key_mut(key));
    devices.into_iter().flat_map(Node::items_mut).for_each(complete_request);
}

/// Requests all devices if neither a count nor ids are given.
fn complete_request(request: &mut Node) {
    if request.at_key("device_ids").is_none() {
        request.default_key("count", Value::Text("all".to_owned()));
    }
}

/// Sets variables without a value in `environment` lists, and the contents of configs, from the environment. An included
/// project uses its own environment.
pub(super) fn resolve_environment(project: &mut Node, environment: &BTreeMap<String, String>) {
    for (_, service) in project.at_key_mut("services").into_iter().flat_map(Node::entries_mut) {
        for item in service.at_key_mut("environment").into_iter().flat_map(Node::items_mut) {
            if let Value::Text(text) = &mut item.value
                && let Some(value) = environment.get(text)
            {
                *text = format!("{text}={value}");
            }
        }
    }
    for (_, config) in project.at_key_mut("configs").into_iter().flat_map(Node::entries_mut) {
        if let Some(value) = config.text_at("environment").and_then(|name| environment.get(name)) {
            config.set_key("content", Node::text(&config.at.clone(), value));
        }
    }
}

/// Adds the values that the whole project implies.
pub(super) fn normalise(project: &mut Node, name: &str, environment: &BTreeMap<String, String>) {
    let default_network = attach_to_default(project);
    if default_network {
        project.default_key("networks", Value::Map(Map::new()));
        if let Some(networks) = project.at_key_mut("networks") {
            networks.default_key("default", Value::Null);
        }
    }
    for (_, service) in project.at_key_mut("services").into_iter().flat_map(Node::entries_mut) {
        normalise_service(service, environment);
    }
    set_name(project, name);
    name_resources(project, name);
}

/// Sets the name of the project, and converts null networks and volumes to empty mappings.
pub(super) fn set_name(project: &mut Node, name: &str) {
    for section in ["networks", "volumes"] {
        for (_, resource) in project.at_key_mut(section).into_iter().flat_map(Node::entries_mut) {
            if resource.is_null() {
                resource.value = Value::Map(Map::new());
            }
        }
    }
    let at = project.at.clone();
    project.set_key("name", Node::text(&at, name));
}

/// Attaches services without networks to the default network. Returns whether any service is attached to it.
fn attach_to_default(project: &mut Node) -> bool {
    let mut used = false;
    for (_, service) in project.at_key_mut("services").into_iter().flat_map(Node::entries_mut) {
        if service.at_key("provider").is_some() || service.at_key("network_mode").is_some() {
            continue;
        }
        if service.at_key("networks").and_then(Node::as_map).is_none_or(Map::is_empty) {
            let at = service.at.clone();
            let default = Map::from([("default".to_owned(), Node::new(&at, Value::Null))]);
            service.set_key("networks", Node::new(&at, Value::Map(default)));
        }
        used |= service.at_key("networks").is_some_and(|networks| networks.at_key("default").is_some());
    }
    used
}

fn normalise_service(service: &mut Node, environment: &BTreeMap<String, String>) {
    if service.text_at("pull_policy") == Some("if_not_present") {
        service.set_key("pull_policy", Node::text(&service.at.clone(), "missing"));
    }
    if let Some(build) = service.at_key_mut("build") {
        if build.at_key("dockerfile_inline").is_none() {
            build.default_key("dockerfile", Value::Text("Dockerfile".to_owned()));
        }
        if let Some(args) = build.at_key_mut("args") {
            fill(args, environment);
            drop_unset(args);
        }
    }
    if let Some(variables) = service.at_key_mut("environment") {
        fill(variables, environment);
    }
    for mount in service.at_key_mut("volumes").into_iter().flat_map(Node::items_mut) {
        if let Some(Node { value: Value::Text(target), .. }) = mount.at_key_mut("target") {
            *target = super::paths::clean(target);
        }
    }
    imply_dependencies(service);
    complete_hooks(service);
}

/// Gives `pre_start` hooks the image of the service and the default network.
fn complete_hooks(service: &mut Node) {
    let image = service.at_key("image").cloned();
    for hook in service.at_key_mut("pre_start").into_iter().flat_map(Node::items_mut) {
        if let Some(image) = &image {
            hook.default_key("image", image.value.clone());
        }
        let default = Map::from([("default".to_owned(), Node::new(&hook.at, Value::Null))]);
        hook.default_key("networks", Value::Map(default));
    }
}

/// Copies `scale` to `deploy.replicas` where that is not set.
pub(super) fn unite_scales(project: &mut Node) {
    for (_, service) in project.at_key_mut("services").into_iter().flat_map(Node::entries_mut) {
        let scale = service.at_key("scale").filter(|scale| !scale.is_null()).cloned();
        if let (Some(scale), Some(deploy)) = (scale, service.at_key_mut("deploy")) {
            deploy.default_key("replicas", scale.value);
        }
    }
}

/// Sets variables without a value from the environment.
pub(super) fn fill(pairs: &mut Node, environment: &BTreeMap<String, String>) {
    for (name, value) in pairs.entries_mut() {
        if let (true, Some(found)) = (value.is_null(), environment.get(name)) {
            value.value = Value::Text(found.clone());
        }
    }
    for item in pairs.items_mut() {
        if let Value::Text(text) = &mut item.value
            && let Some(found) = environment.get(text)
        {
            *text = format!("{text}={found}");
        }
    }
}

fn drop_unset(pairs: &mut Node) {
    match &mut pairs.value {
        Value::Map(map) => map.retain(|_, value| !value.is_null()),
        Value::List(list) => list.retain(|item| item.as_str().is_some_and(|text| text.contains('='))),
        _ => {}
    }
    if pairs.as_list().is_some_and(<[Node]>::is_empty) {
        pairs.value = Value::Null;
    }
}

/// Adds dependencies for links, shared namespaces and shared volumes.
fn imply_dependencies(service: &mut Node) {
    let mut implied: Vec<(String, bool)> = Vec::new();
    for link in service.at_key("links").into_iter().flat_map(Node::items).filter_map(Node::as_str) {
        let service =
            link.split_once(':').filter(|(_, alias)| !alias.contains(':')).map_or(link, |(service, _)| service);
        implied.push((service.to_owned(), true));
    }
    for namespace in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let shared = service.text_at(namespace).and_then(|shared| shared.strip_prefix("service:"));
        implied.extend(shared.map(|shared| (shared.to_owned(), true)));
    }
    for from in service.at_key("volumes_from").into_iter().flat_map(Node::items).filter_map(Node::as_str) {
        if !from.starts_with("container:") {
            implied.push((from.split(':').next().unwrap_or_default().to_owned(), false));
        }
    }
    if implied.is_empty() {
        return;
    }
    let at = service.at.clone();
    service.default_key("depends_on", Value::Map(Map::new()));
    let Some(dependencies) = service.at_key_mut("depends_on") else { return };
    for (name, restart) in implied {
        let condition = Map::from([
            ("condition".to_owned(), Node::text(&at, "service_started")),
            ("required".to_owned(), Node::flag(&at, true)),
            ("restart".to_owned(), Node::flag(&at, restart)),
        ]);
        dependencies.default_key(&name, Value::Map(condition));
    }
}

/// Names resources without a name after the project and their key.
fn name_resources(project: &mut Node, name: &str) {
    for section in ["networks", "volumes", "configs", "secrets"] {
        for (key, resource) in project.at_key_mut(section).into_iter().flat_map(Node::entries_mut) {
            let external = resource.at_key("external").and_then(Node::as_bool).unwrap_or(false);
            let full = if external { key.clone() } else { format!("{name}_{key}") };
            if resource.at_key("name").is_some_and(Node::is_null) {
                resource.remove_key("name");
            }
            resource.default_key("name", Value::Text(full));
        }
    }
}
