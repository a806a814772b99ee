//! Request for a build to BuildKit's Dockerfile frontend, which defines the names of the options.
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::read::HOST_NETWORK;
use super::{Build, Context, Dockerfile, NoCache, dockerfile};
use landfast_compose::Diagnostic;
use landfast_compose::cases;
use landfast_compose::model::Ulimit;

/// Oldest API version whose builder supports additional contexts, limits and the size of `/dev/shm`: Docker 23.
pub const FURTHER_CONTEXTS: (u32, u32) = (1, 42);

/// Request to a builder, and the folders that the builder will read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Options for the frontend.
    pub options: BTreeMap<String, String>,
    /// Names of the resulting image.
    pub names: Vec<String>,
    /// Images whose layers may be reused.
    pub cache_from: Vec<String>,
    /// Entitlements of the build steps.
    pub entitlements: Vec<String>,
    /// Folders by the names under which the builder requests them.
    pub folders: BTreeMap<String, PathBuf>,
    /// Name of the Dockerfile.
    pub dockerfile_name: String,
    /// Instructions to insert before the first stage: images that replace additional contexts.
    pub stages: String,
    /// Folders to build as images first, by image name, for a builder that does not support additional contexts.
    pub folder_images: BTreeMap<String, PathBuf>,
    /// Warnings, which do not prevent the build.
    pub warnings: Vec<Diagnostic>,
}

/// Name of the folder that `COPY` copies from.
pub const CONTEXT: &str = "context";
/// Name of the folder with the instructions.
pub const DOCKERFILE: &str = "dockerfile";

/// Creates the request for a build with these instructions, to an engine with this API version.
///
/// # Errors
/// Returns an error if the engine is too old for an additional context.
pub fn request(build: &Build, text: &str, api: (u32, u32)) -> Result<Request, Diagnostic> {
    let mut request = Request {
        names: std::iter::once(&build.image).chain(&build.tags).cloned().collect(),
        cache_from: build.cache_from.clone(),
        dockerfile_name: dockerfile_name(&build.dockerfile),
        ..Request::default()
    };
    request.folders.insert(CONTEXT.to_owned(), build.context.clone());
    request.set("filename", request.dockerfile_name.clone());
    // The builder uses the base images that it has, unless `pull` is set.
    request.set("image-resolve-mode", if build.pull { "pull" } else { "local" });
    request.options.extend(build.args.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone())));
    request.options.extend(build.labels.iter().map(|(name, value)| (format!("label:{name}"), value.clone())));
    match &build.no_cache {
        NoCache::None => {}
        NoCache::Stages(stages) => request.set("no-cache", stages.join(",")),
        NoCache::All => request.set("no-cache", ""),
    }
    for (name, value) in [("target", &build.target), ("platform", &build.platform)] {
        if let Some(value) = value {
            request.set(name, value.clone());
        }
    }
    if let Some(mode) = &build.network {
        request.set("force-network-mode", mode.clone());
        if mode == "host" {
            request.entitlements.push(HOST_NETWORK.to_owned());
        }
    }
    if !build.extra_hosts.is_empty() {
        let lines = build.extra_hosts.iter().map(|(name, address)| format!("{name}={address}"));
        request.set("add-hosts", lines.collect::<Vec<_>>().join(","));
    }
    request.limits(build, api);
    request.contexts(build, text, api)?;
    Ok(request)
}

fn dockerfile_name(dockerfile: &Dockerfile) -> String {
    let Dockerfile::File(path) = dockerfile else { return "Dockerfile".to_owned() };
    path.file_name().map_or_else(|| "Dockerfile".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl Request {
    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.options.insert(name.to_owned(), value.into());
    }

    fn limits(&mut self, build: &Build, api: (u32, u32)) {
        let known = api >= FURTHER_CONTEXTS;
        let size = build.shm_size.filter(|size| *size > 0);
        let limits = build.ulimits.iter().map(|(name, Ulimit { soft, hard })| format!("{name}={soft}:{hard}"));
        let limits = limits.collect::<Vec<_>>().join(",");
        for (option, key, value) in [
            ("shm-size", "shm_size", size.map(|size| size.to_string())),
            ("ulimit", "ulimits", (!limits.is_empty()).then_some(limits)),
        ] {
            match value {
                Some(value) if known => self.set(option, value),
                Some(_) => self.warnings.push(about(build, key, cases::OLD_BUILDER.why())),
                None => {}
            }
        }
    }

    /// Adds the additional contexts. Images become stages, because the builder does not ask a registry for the image of a stage
    /// that it has. Folders become stages too if the builder does not support additional contexts.
    fn contexts(&mut self, build: &Build, text: &str, api: (u32, u32)) -> Result<(), Diagnostic> {
        let knows_contexts = api >= FURTHER_CONTEXTS;
        for (at, (name, context)) in build.contexts.iter().enumerate() {
            let can_be_stage = dockerfile::is_stage_name(name) && !dockerfile::has_stage(text, name);
            if !can_be_stage && !knows_contexts {
                let message = "Docker Engine 23 or newer is needed for this context, because the name is not a valid stage name or is already a stage";
                let hint = "build with a newer engine, or choose another name from a-z, 0-9, `-`, `_` and `.`";
                return Err(about(build, &format!("additional_contexts.{name}"), message).hint(hint));
            }
            match context {
                Context::Image(image) if can_be_stage => self.stages += &dockerfile::stage(name, image),
                Context::Image(image) => self.add_context(name, format!("docker-image://{image}")),
                Context::Folder(folder) if knows_contexts => {
                    let local = format!("{CONTEXT}-{at}");
                    self.add_context(name, format!("local:{local}"));
                    self.folders.insert(local, folder.clone());
                }
                Context::Folder(folder) => {
                    let key = blake3::hash(format!("{}\0{name}", build.image).as_bytes()).to_hex();
                    let image = format!("landfast-context:{}", &key[..16]);
                    self.stages += &dockerfile::stage(name, &image);
                    self.folder_images.insert(image, folder.clone());
                }
            }
        }
        Ok(())
    }

    fn add_context(&mut self, name: &str, value: String) {
        self.set("frontend.caps", "moby.buildkit.frontend.contexts+forward");
        self.set(&format!("context:{name}"), value);
    }
}

fn about(build: &Build, key: &str, message: &str) -> Diagnostic {
    Diagnostic {
        location: build.at.clone(),
        path: format!("services.{}.build.{key}", build.service),
        message: message.to_owned(),
        hint: None,
        users: Box::default(),
    }
}
