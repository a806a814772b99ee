//! What must hold between keys and between services.
use std::net::IpAddr;

use crate::compose::diagnostic::{Diagnostic, Diagnostics};
use crate::compose::text::interpolate::join;
use crate::compose::text::node::{Map, Node, Value};

fn finish(mistakes: Vec<Diagnostic>) -> Result<(), Diagnostics> {
    if mistakes.is_empty() { Ok(()) } else { Err(Diagnostics(mistakes)) }
}

fn section<'a>(project: &'a Node, name: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
    project.at_key(name).into_iter().flat_map(Node::entries)
}

/// What can be said about each resource by itself. Done for each project that is loaded, the included ones too.
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
    finish(mistakes)
}

fn check_external(resource: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    if resource.at_key("external").and_then(Node::as_bool) != Some(true) {
        return;
    }
    for (key, value) in resource.entries() {
        if key != "name" && key != "external" && !key.starts_with("x-") {
            let message = format!("`external` and `{key}` exclude each other");
            mistakes.push(Diagnostic::at(&value.at, message).key(join(path, key)));
        }
    }
}

fn check_file_object(object: &Node, path: &str, origins: &[&str], mistakes: &mut Vec<Diagnostic>) {
    let given = origins.iter().filter(|key| object.at_key(key).is_some()).count();
    let elsewhere = object.at_key("driver").is_some() || object.at_key("external").is_some();
    let names = origins.join(", ");
    if given > 1 {
        mistakes.push(Diagnostic::at(&object.at, format!("only one of {names} can be given")).key(path));
    } else if given == 0 && !elsewhere {
        mistakes.push(Diagnostic::at(&object.at, format!("needs one of {names}, or `external: true`")).key(path));
    }
}

fn check_values(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    for (index, port) in service.at_key("ports").into_iter().flat_map(Node::items).enumerate() {
        if let Some(address) = port.text_at("host_ip")
            && address.parse::<IpAddr>().is_err()
        {
            let message = format!("`{address}` is not an IP address");
            mistakes.push(Diagnostic::at(&port.at, message).key(format!("{path}.ports.{index}.host_ip")));
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
            let message = "`count` and `device_ids` exclude each other";
            mistakes.push(Diagnostic::at(&request.at, message).key(format!("{path}.device_ids")));
        }
    }
}

/// A project with the services that its profiles enable; what they disable is told apart from what never was.
pub(crate) struct Consistency<'a> {
    pub(crate) project: &'a Node,
    pub(crate) disabled: &'a Map,
}

impl Consistency<'_> {
    /// What must hold between the enabled services and the rest.
    pub(crate) fn check(&self) -> Result<(), Diagnostics> {
        let mut mistakes = Vec::new();
        for (name, service) in section(self.project, "services") {
            let path = join("services", name);
            check_image(service, &path, &mut mistakes);
            self.check_build(service, &path, &mut mistakes);
            self.check_networks(service, &path, &mut mistakes);
            check_healthcheck(service, &path, &mut mistakes);
            self.check_dependencies(service, &path, &mut mistakes);
            self.check_references(service, &path, &mut mistakes);
            check_amounts(service, &path, &mut mistakes);
            check_targets(service, &path, &mut mistakes);
        }
        for (name, secret) in section(self.project, "secrets") {
            let external = secret.at_key("external").and_then(Node::as_bool) == Some(true);
            let given =
                ["file", "environment"].iter().any(|key| secret.text_at(key).is_some_and(|text| !text.is_empty()));
            if !external && !given {
                let message = "needs `file` or `environment`";
                mistakes.push(Diagnostic::at(&secret.at, message).key(join("secrets", name)));
            }
        }
        finish(mistakes)?;
        check_cycle(self.project).map_err(Diagnostics::from)
    }

    fn has(&self, section: &str, key: &str) -> bool {
        self.project.at_key(section).is_some_and(|section| section.at_key(key).is_some())
    }

    fn check_build(&self, service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
        let Some(build) = service.at_key("build") else { return };
        let path = join(path, "build");
        let given = |key: &str| build.text_at(key).is_some_and(|text| !text.is_empty());
        if given("dockerfile") && given("dockerfile_inline") {
            let message = "`dockerfile` and `dockerfile_inline` exclude each other";
            mistakes.push(Diagnostic::at(&build.at, message).key(&path));
        }
        for (name, context) in build.at_key("additional_contexts").into_iter().flat_map(Node::entries) {
            let Some(target) = context.as_str().and_then(|context| context.strip_prefix("service:")) else { continue };
            let other = self.project.at_key("services").and_then(|services| services.at_key(target));
            if other.is_none_or(|other| other.at_key("build").is_none()) {
                let message = format!("`{target}` is not a service that is built");
                mistakes.push(Diagnostic::at(&context.at, message).key(format!("{path}.additional_contexts.{name}")));
            }
        }
        let platforms: Vec<&str> =
            build.at_key("platforms").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
        if let Some(platform) = service.text_at("platform")
            && !platforms.is_empty()
            && !platform.is_empty()
            && !platforms.contains(&platform)
        {
            let message = format!("does not contain the service's platform `{platform}`");
            mistakes.push(Diagnostic::at(&build.at, message).key(join(&path, "platforms")));
        }
    }

    fn check_networks(&self, service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
        let networks = service.at_key("networks").and_then(Node::as_map);
        if service.text_at("network_mode").is_some_and(|mode| !mode.is_empty())
            && networks.is_some_and(|networks| !networks.is_empty())
        {
            let message = "`network_mode` and `networks` exclude each other";
            mistakes.push(Diagnostic::at(&service.at, message).key(join(path, "network_mode")));
        }
        for (name, attachment) in networks.into_iter().flatten() {
            if !self.has("networks", name) {
                mistakes.push(undefined("network", "networks", name, attachment, &format!("{path}.networks.{name}")));
            }
        }
    }

    fn check_dependencies(&self, service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
        for (name, dependency) in service.at_key("depends_on").into_iter().flat_map(Node::entries) {
            let required = dependency.at_key("required").and_then(Node::as_bool).unwrap_or(true);
            if self.has("services", name) || (self.disabled.contains_key(name) && !required) {
                continue;
            }
            let path = format!("{path}.depends_on.{name}");
            mistakes.push(match self.disabled.get(name) {
                Some(other) => {
                    let profiles: Vec<&str> =
                        other.at_key("profiles").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
                    Diagnostic::at(&dependency.at, format!("service `{name}` is disabled by its profiles"))
                        .key(path)
                        .hint(format!(
                            "enable one with --profile ({}), or write `required: false`",
                            profiles.join(", ")
                        ))
                }
                None => undefined("service", "services", name, dependency, &path),
            });
        }
        if let Some(shared) = service.text_at("network_mode").and_then(|mode| mode.strip_prefix("service:"))
            && !self.has("services", shared)
        {
            mistakes.push(undefined("service", "services", shared, service, &join(path, "network_mode")));
        }
    }

    fn check_references(&self, service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
        let mut references: Vec<(&str, &str, Option<&Node>)> =
            vec![("config", "configs", service.at_key("configs")), ("secret", "secrets", service.at_key("secrets"))];
        references.push(("secret", "secrets", service.at_key("build").and_then(|build| build.at_key("secrets"))));
        for (what, section, list) in references {
            for reference in list.into_iter().flat_map(Node::items) {
                let source = reference.text_at("source").unwrap_or_default();
                if !self.has(section, source) {
                    mistakes.push(undefined(what, section, source, reference, &join(path, section)));
                }
            }
        }
        for (index, mount) in service.at_key("volumes").into_iter().flat_map(Node::items).enumerate() {
            let source = mount.text_at("source").unwrap_or_default();
            if mount.text_at("type") == Some("volume") && !source.is_empty() && !self.has("volumes", source) {
                mistakes.push(undefined("volume", "volumes", source, mount, &format!("{path}.volumes.{index}")));
            }
        }
        for (name, model) in service.at_key("models").into_iter().flat_map(Node::entries) {
            if !self.has("models", name) {
                mistakes.push(undefined("model", "models", name, model, &format!("{path}.models.{name}")));
            }
        }
    }
}

fn undefined(what: &str, section: &str, name: &str, at: &Node, path: &str) -> Diagnostic {
    Diagnostic::at(&at.at, format!("{what} `{name}` is not defined"))
        .key(path)
        .hint(format!("define it under `{section}:` at the top of the file"))
}

fn check_image(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let has_image = service.text_at("image").is_some_and(|image| !image.is_empty());
    if !has_image && service.at_key("build").is_none() && service.at_key("provider").is_none() {
        mistakes.push(Diagnostic::at(&service.at, "the service has neither `image` nor `build`").key(path));
    }
}

fn check_healthcheck(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let Some(test) = service.at_key("healthcheck").and_then(|healthcheck| healthcheck.at_key("test")) else { return };
    if let Some(first) = test.items().next().and_then(Node::as_str)
        && !matches!(first, "CMD" | "CMD-SHELL" | "NONE")
    {
        let message = format!("a test begins with CMD, CMD-SHELL or NONE, not with `{first}`");
        mistakes.push(Diagnostic::at(&test.at, message).key(format!("{path}.healthcheck.test")));
    }
}

/// Limits that are said twice must be said alike, and several instances cannot have one name.
fn check_amounts(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let deploy = service.at_key("deploy");
    let replicas = deploy.and_then(|deploy| deploy.at_key("replicas")).filter(|replicas| !replicas.is_null());
    let scale = service.at_key("scale").filter(|scale| !scale.is_null());
    if let (Some(scale), Some(replicas)) = (scale, replicas)
        && scale.value != replicas.value
    {
        let message = "`scale` and `deploy.replicas` differ";
        mistakes.push(Diagnostic::at(&scale.at, message).key(join(path, "scale")));
    }
    for (count, key) in [(scale, "scale"), (replicas, "deploy.replicas")] {
        if let Some(Node { value: Value::Int(..0), at, .. }) = count {
            mistakes.push(Diagnostic::at(at, "cannot be negative").key(join(path, key)));
        }
    }
    let count = scale.or(replicas).map_or(1, |count| if let Value::Int(count) = count.value { count } else { 1 });
    if count > 1 && service.text_at("container_name").is_some_and(|name| !name.is_empty()) {
        let message = format!("{count} instances cannot have one `container_name`");
        mistakes.push(Diagnostic::at(&service.at, message).key(join(path, "container_name")));
    }
    let Some(resources) = deploy.and_then(|deploy| deploy.at_key("resources")) else { return };
    let pairs = [
        ("cpus", "limits", "cpus"),
        ("mem_limit", "limits", "memory"),
        ("mem_reservation", "reservations", "memory"),
        ("pids_limit", "limits", "pids"),
    ];
    for (key, set, amount) in pairs {
        let (Some(short), Some(set_node)) = (service.at_key(key), resources.at_key(set)) else { continue };
        let long = set_node.at_key(amount);
        if !is_zero(short) && long.is_none_or(|long| !same_amount(short, long)) {
            let message = format!("`{key}` and `deploy.resources.{set}.{amount}` differ");
            mistakes.push(Diagnostic::at(&short.at, message).key(join(path, key)));
        }
    }
}

fn is_zero(node: &Node) -> bool {
    node.scalar_text().is_none_or(|text| text == "0" || text.is_empty())
}

fn same_amount(a: &Node, b: &Node) -> bool {
    a.scalar_text() == b.scalar_text()
}

/// Two mounts cannot have one target.
fn check_targets(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let mut seen: Vec<(&str, String)> = Vec::new();
    let short = service.at_key("tmpfs").into_iter().flat_map(Node::items).enumerate();
    let short = short
        .filter_map(|(index, item)| Some((item.as_str()?.split(':').next()?, item, format!("{path}.tmpfs.{index}"))));
    let long = service.at_key("volumes").into_iter().flat_map(Node::items).enumerate();
    let long =
        long.filter_map(|(index, item)| Some((item.text_at("target")?, item, format!("{path}.volumes.{index}"))));
    for (target, item, path) in short.chain(long) {
        match seen.iter().find(|(other, _)| *other == target) {
            Some((_, first)) => {
                let message = format!("`{target}` is already mounted by {first}");
                mistakes.push(Diagnostic::at(&item.at, message).key(path));
            }
            None => seen.push((target, path)),
        }
    }
}

/// Dependencies must not come back to where they began.
fn check_cycle(project: &Node) -> Result<(), Diagnostic> {
    let Some(services) = project.at_key("services").and_then(Node::as_map) else { return Ok(()) };
    let mut done: Vec<&str> = Vec::new();
    services.keys().try_for_each(|name| visit(name, services, &mut Vec::new(), &mut done))
}

fn visit<'a>(
    name: &'a str,
    services: &'a Map,
    path: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Result<(), Diagnostic> {
    let Some(service) = services.get(name) else { return Ok(()) };
    if let Some(start) = path.iter().position(|other| *other == name) {
        let circle = format!("{} > {name}", path[start..].join(" > "));
        let from = path.last().copied().unwrap_or(name);
        let dependencies = services.get(from).and_then(|service| service.at_key("depends_on"));
        let at = dependencies.and_then(|dependencies| dependencies.at_key(name)).map_or(&service.at, |node| &node.at);
        return Err(Diagnostic::at(at, format!("services depend on each other in a circle: {circle}"))
            .key(format!("services.{from}.depends_on.{name}"))
            .hint("one of them must start without the other"));
    }
    if done.contains(&name) {
        return Ok(());
    }
    path.push(name);
    for (dependency, _) in service.at_key("depends_on").into_iter().flat_map(Node::entries) {
        visit(dependency, services, path, done)?;
    }
    path.pop();
    done.push(name);
    Ok(())
}

/// Two services cannot have one container name.
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
    finish(mistakes)
}
