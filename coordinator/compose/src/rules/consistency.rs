//! Checks rules between the services of a project, and between services and resources.
use super::amounts::{check_amounts, check_targets};
use super::cycle::check_cycle;
use super::section;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::spelling::nearest;
use crate::text::interpolate::join;
use crate::text::node::{Map, Node};

/// A project with the services that its profiles enable, and the services that they disable.
pub(crate) struct Consistency<'a> {
    pub(crate) project: &'a Node,
    pub(crate) disabled: &'a Map,
}

impl Consistency<'_> {
    /// Checks the enabled services and their references.
    pub(crate) fn check(&self) -> Result<(), Diagnostics> {
        let mut mistakes = Vec::new();
        for (name, service) in section(self.project, "services") {
            let path = join("services", name);
            check_image(service, &path, &mut mistakes);
            self.check_build(service, &path, &mut mistakes);
            self.check_networks(service, &path, &mut mistakes);
            check_healthcheck(service, &path, &mut mistakes);
            check_watches(service, &path, &mut mistakes);
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
                let message = "`file` or `environment` is required";
                mistakes.push(Diagnostic::at(&secret.at, message).key(join("secrets", name)));
            }
        }
        mistakes.extend(check_cycle(self.project));
        Diagnostics::check(mistakes)
    }

    fn undefined(&self, what: &str, section: &str, name: &str, at: &Node, path: &str, user: &str) -> Diagnostic {
        let known = self.project.at_key(section).into_iter().flat_map(Node::entries).map(|(name, _)| name.as_str());
        let mistake = Diagnostic::at(&at.at, format!("{what} `{name}` is not defined")).key(path).used_by(user);
        match nearest(name, known) {
            Some(near) => mistake.hint(format!("did you mean `{near}`?")),
            None => mistake.hint(format!("define it under `{section}:` at the top level of the file")),
        }
    }

    fn has(&self, section: &str, key: &str) -> bool {
        self.project.at_key(section).is_some_and(|section| section.at_key(key).is_some())
    }

    fn check_build(&self, service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
        let Some(build) = service.at_key("build") else { return };
        let path = join(path, "build");
        let given = |key: &str| build.text_at(key).is_some_and(|text| !text.is_empty());
        if given("dockerfile") && given("dockerfile_inline") {
            let message = "`dockerfile` and `dockerfile_inline` cannot be combined";
            mistakes.push(Diagnostic::at(&build.at, message).key(&path));
        }
        for (name, context) in build.at_key("additional_contexts").into_iter().flat_map(Node::entries) {
            let Some(target) = context.as_str().and_then(|context| context.strip_prefix("service:")) else { continue };
            let enabled = self.project.at_key("services").and_then(|services| services.at_key(target));
            let other = enabled.or_else(|| self.disabled.get(target));
            if other.is_none_or(|other| other.at_key("build").is_none()) {
                let message = format!("`{target}` is not a service with `build`");
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
            let message = format!("the platform `{platform}` of the service is missing");
            mistakes.push(Diagnostic::at(&build.at, message).key(join(&path, "platforms")));
        }
    }

    fn check_networks(&self, service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
        let networks = service.at_key("networks").and_then(Node::as_map);
        if service.text_at("network_mode").is_some_and(|mode| !mode.is_empty())
            && networks.is_some_and(|networks| !networks.is_empty())
        {
            let message = "`network_mode` and `networks` cannot be combined";
            mistakes.push(Diagnostic::at(&service.at, message).key(join(path, "network_mode")));
        }
        for (name, attachment) in networks.into_iter().flatten() {
            if name.starts_with("x-") {
                let message =
                    format!("`{name}` cannot be a network, because names that start with `x-` are extensions");
                let path = format!("{path}.networks.{name}");
                mistakes.push(Diagnostic::at(&attachment.at, message).key(path).hint("choose another name"));
            } else if !self.has("networks", name) {
                mistakes.push(self.undefined(
                    "network",
                    "networks",
                    name,
                    attachment,
                    &format!("{path}.networks.{name}"),
                    name_of(path),
                ));
            }
        }
    }

    fn check_dependencies(&self, service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
        for (name, dependency) in service.at_key("depends_on").into_iter().flat_map(Node::entries) {
            let required = dependency.at_key("required").and_then(Node::as_bool).unwrap_or(true);
            if self.has("services", name) || (self.disabled.contains_key(name) && !required) {
                continue;
            }
            let user = name_of(path);
            let path = format!("{path}.depends_on.{name}");
            mistakes.push(match self.disabled.get(name) {
                Some(other) => {
                    let profiles: Vec<&str> =
                        other.at_key("profiles").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
                    Diagnostic::at(&dependency.at, format!("service `{name}` is disabled by its profiles"))
                        .key(path)
                        .hint(format!(
                            "enable a profile with --profile ({}), or write `required: false`",
                            profiles.join(", ")
                        ))
                }
                None => self.undefined("service", "services", name, dependency, &path, user),
            });
        }
        if let Some(shared) = service.text_at("network_mode").and_then(|mode| mode.strip_prefix("service:"))
            && !self.has("services", shared)
        {
            mistakes.push(self.undefined(
                "service",
                "services",
                shared,
                service,
                &join(path, "network_mode"),
                name_of(path),
            ));
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
                    mistakes.push(self.undefined(
                        what,
                        section,
                        source,
                        reference,
                        &join(path, section),
                        name_of(path),
                    ));
                }
            }
        }
        for (index, mount) in service.at_key("volumes").into_iter().flat_map(Node::items).enumerate() {
            let source = mount.text_at("source").unwrap_or_default();
            if mount.text_at("type") == Some("volume") && !source.is_empty() && !self.has("volumes", source) {
                mistakes.push(self.undefined(
                    "volume",
                    "volumes",
                    source,
                    mount,
                    &format!("{path}.volumes[{index}]"),
                    name_of(path),
                ));
            }
        }
        for (name, model) in service.at_key("models").into_iter().flat_map(Node::entries) {
            if !self.has("models", name) {
                mistakes.push(self.undefined(
                    "model",
                    "models",
                    name,
                    model,
                    &format!("{path}.models.{name}"),
                    name_of(path),
                ));
            }
        }
    }
}

/// The service in a path such as `services.web`.
fn name_of(path: &str) -> &str {
    path.strip_prefix("services.").unwrap_or(path)
}

fn check_image(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let has_image = service.text_at("image").is_some_and(|image| !image.is_empty());
    if !has_image && service.at_key("build").is_none() && service.at_key("provider").is_none() {
        mistakes.push(Diagnostic::at(&service.at, "the service has neither `image` nor `build`").key(path));
    }
}

/// Checks that a watch that copies files has a target.
fn check_watches(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let watches = service.at_key("develop").and_then(|develop| develop.at_key("watch"));
    for watch in watches.into_iter().flat_map(Node::items) {
        let copies = !matches!(watch.text_at("action"), Some("rebuild" | "restart"));
        if copies && watch.text_at("target").is_none_or(str::is_empty) {
            let message = "key `target` is missing: this action copies files";
            mistakes.push(Diagnostic::at(&watch.at, message).key(format!("{path}.develop.watch")));
        }
    }
}

fn check_healthcheck(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let Some(test) = service.at_key("healthcheck").and_then(|healthcheck| healthcheck.at_key("test")) else { return };
    if let Some(first) = test.items().next().and_then(Node::as_str)
        && !matches!(first, "CMD" | "CMD-SHELL" | "NONE")
    {
        let message = format!("a test must start with CMD, CMD-SHELL or NONE, not with `{first}`");
        mistakes.push(Diagnostic::at(&test.at, message).key(format!("{path}.healthcheck.test")));
    }
}
