//! Reads the `build:` section of a service, and reports options that are not supported.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Build, Context, Dockerfile, NoCache, Secret};
use crate::findings::Findings;
use landfast_compose::cases;
use landfast_compose::model::{self, Origin, Service};
use landfast_compose::{Case, Project};

/// Labels by which Docker Compose, and other tools that list images by project, recognise an image.
pub(super) const PROJECT_LABEL: &str = "com.docker.compose.project";
pub(super) const SERVICE_LABEL: &str = "com.docker.compose.service";

/// Entitlement that `network: host` needs.
pub(super) const HOST_NETWORK: &str = "network.host";

/// Returns the build of a service, or `None` if it has no `build:`. Problems are added to `findings`.
pub(super) fn build(project: &Project, name: &str, findings: &mut Findings<'_>) -> Option<Build> {
    let service = project.services.get(name)?;
    let written = service.build.as_ref()?;
    let mut reader = Reader { project, name, written, findings };
    reader.refuse_unsupported_options();
    let context = reader.folder("context", &written.context).unwrap_or_default();
    Some(Build {
        service: name.to_owned(),
        image: service.image.clone()?,
        tags: written.tags.clone(),
        dockerfile: dockerfile(written, &context),
        contexts: reader.contexts(),
        secrets: reader.secrets(),
        args: written.args.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect(),
        labels: labels(project, name, written),
        target: written.target.clone().filter(|target| !target.is_empty()),
        network: reader.network(),
        extra_hosts: reader.extra_hosts(),
        shm_size: written.shm_size.map(|size| size.0),
        ulimits: written.ulimits.clone(),
        cache_from: reader.cache_from(),
        no_cache: match (written.no_cache, written.no_cache_filter.is_empty()) {
            (true, _) => NoCache::All,
            (false, false) => NoCache::Stages(written.no_cache_filter.clone()),
            (false, true) => NoCache::None,
        },
        pull: written.pull,
        platform: reader.platform(service),
        at: project.locate(&format!("services.{name}.build")).cloned(),
        context,
    })
}

fn dockerfile(written: &model::Build, context: &Path) -> Dockerfile {
    match written.dockerfile_inline.as_ref().filter(|text| !text.is_empty()) {
        Some(text) => Dockerfile::Inline(text.clone()),
        // An absolute path replaces the context's.
        None => Dockerfile::File(context.join(written.dockerfile.as_deref().unwrap_or("Dockerfile"))),
    }
}

fn labels(project: &Project, name: &str, written: &model::Build) -> BTreeMap<String, String> {
    let mut labels = written.labels.clone();
    labels.insert(PROJECT_LABEL.to_owned(), project.name.clone());
    labels.insert(SERVICE_LABEL.to_owned(), name.to_owned());
    labels
}

struct Reader<'a, 'f, 'p> {
    project: &'a Project,
    name: &'a str,
    written: &'a model::Build,
    findings: &'f mut Findings<'p>,
}

impl Reader<'_, '_, '_> {
    fn case(&mut self, key: &str, text: &str, case: &Case, hint: &str) {
        let diagnostic = self.findings.case(format!("services.{}.build.{key}", self.name), text, case);
        diagnostic.hint = (!hint.is_empty()).then(|| hint.to_owned());
    }

    fn refuse_unsupported_options(&mut self) {
        if !self.written.ssh.is_empty() {
            self.case("ssh", "", &cases::SSH, "pass a secret to the build, or fetch the files before the build");
        }
        if self.written.privileged {
            self.case("privileged", "", &cases::PRIVILEGED_BUILD, "");
        }
        for (at, other) in self.written.entitlements.iter().enumerate().filter(|(_, one)| *one != HOST_NETWORK) {
            self.case(&format!("entitlements[{at}]"), other, &cases::ENTITLEMENTS, "");
        }
    }

    /// Folder on this machine; remote contexts are refused.
    fn folder(&mut self, key: &str, written: &str) -> Option<PathBuf> {
        if written.starts_with('/') {
            return Some(PathBuf::from(written));
        }
        let hint = "clone or unpack it next to the compose file, and write the path of that folder";
        self.case(key, written, &cases::REMOTE_CONTEXT, hint);
        None
    }

    fn contexts(&mut self) -> BTreeMap<String, Context> {
        let mut contexts = BTreeMap::new();
        for (name, written) in &self.written.additional_contexts {
            let context = if let Some(service) = written.strip_prefix("service:") {
                self.image_of(service, name).map(Context::Image)
            } else if let Some(image) = written.strip_prefix("docker-image://") {
                Some(Context::Image(image.to_owned()))
            } else {
                self.folder(&format!("additional_contexts.{name}"), written).map(Context::Folder)
            };
            contexts.extend(context.map(|context| (name.clone(), context)));
        }
        contexts
    }

    fn image_of(&mut self, service: &str, context: &str) -> Option<String> {
        let image = self.project.services.get(service).and_then(|service| service.image.clone());
        if image.is_none() {
            let key = format!("services.{}.build.additional_contexts.{context}", self.name);
            let message = format!("the project has no service {service} whose image could be the context");
            self.findings.refuse(key, message).hint = Some("check whether its profile is enabled".to_owned());
        }
        image
    }

    fn secrets(&mut self) -> BTreeMap<String, Secret> {
        let mut secrets = BTreeMap::new();
        for (at, reference) in self.written.secrets.iter().enumerate() {
            let written = ["uid", "gid", "mode"];
            let there = [reference.uid.is_some(), reference.gid.is_some(), reference.mode.is_some()];
            for (key, _) in written.iter().zip(there).filter(|(_, there)| *there) {
                self.case(&format!("secrets[{at}].{key}"), "", &cases::SECRET_MODE, "");
            }
            let id = reference.target.clone().filter(|target| !target.is_empty());
            let id = id.unwrap_or_else(|| reference.source.clone());
            match self.project.secrets.get(&reference.source).map(|secret| &secret.origin) {
                Some(Origin::File(path)) => drop(secrets.insert(id, Secret::File(path.clone()))),
                Some(Origin::Environment { value: Some(value), .. }) => {
                    drop(secrets.insert(id, Secret::Value(value.clone())))
                }
                Some(Origin::Environment { variable, value: None }) => {
                    let message = format!("{} comes from the variable {variable}, which is not set", reference.source);
                    let hint = format!("set it in the shell or in the env file: {variable}=…");
                    let key = format!("services.{}.build.secrets[{at}]", self.name);
                    self.findings.refuse(key, message).hint = Some(hint);
                }
                // The loader refuses undefined secrets, and no secret has inline contents.
                Some(Origin::External | Origin::Inline(_)) | None => {
                    self.case(&format!("secrets[{at}]"), &reference.source, &cases::SECRET_OF_A_BUILD, "");
                }
            }
        }
        secrets
    }

    fn network(&mut self) -> Option<String> {
        match self.written.network.as_deref() {
            None | Some("" | "default") => None,
            Some(mode @ ("host" | "none")) => Some(mode.to_owned()),
            Some(other) => {
                self.case("network", other, &cases::BUILD_NETWORK, "");
                None
            }
        }
    }

    fn extra_hosts(&mut self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (at, host) in self.written.extra_hosts.iter().enumerate() {
            if host.address == "host-gateway" {
                self.case(&format!("extra_hosts[{at}]"), &host.name, &cases::BUILD_GATEWAY, "write an IP address");
            }
            lines.push((host.name.clone(), host.address.clone()));
        }
        lines
    }

    /// Returns cache images in registries; other kinds of cache are not supported.
    fn cache_from(&mut self) -> Vec<String> {
        let mut images = Vec::new();
        for (at, written) in self.written.cache_from.iter().enumerate() {
            let fields: BTreeMap<_, _> = written.split(',').filter_map(|field| field.split_once('=')).collect();
            let image = match (fields.get("type"), fields.get("ref")) {
                (None, None) => Some(written.clone()),
                (None | Some(&"registry"), Some(reference)) => Some((*reference).to_owned()),
                _ => None,
            };
            if image.is_none() {
                self.case(&format!("cache_from[{at}]"), written, &cases::CACHE_KINDS, "");
            }
            images.extend(image);
        }
        images
    }

    /// Returns the platform to build for. An engine stores an image for only one platform.
    fn platform(&mut self, service: &Service) -> Option<String> {
        let own = service.platform.clone().filter(|platform| !platform.is_empty());
        match (own, self.written.platforms.as_slice()) {
            (None, [one]) => Some(one.clone()),
            (own, platforms) => {
                if platforms.len() > 1 {
                    self.case("platforms", "", &cases::PLATFORMS, "");
                }
                own
            }
        }
    }
}
