//! A build as BuildKit's Dockerfile frontend is asked for it. The names of options are the frontend's.
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::read::HOST_NETWORK;
use super::{Build, Context, Dockerfile, NoCache, dockerfile};
use landfast_compose::Diagnostic;
use landfast_compose::cases;
use landfast_compose::model::Ulimit;

/// The engine's API from which its builder knows further contexts, limits and the size of /dev/shm: Docker 23.
pub const FURTHER_CONTEXTS: (u32, u32) = (1, 42);

/// What the builder is asked, and the folders that it will then ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Options of the frontend.
    pub options: BTreeMap<String, String>,
    /// The names that the image gets.
    pub names: Vec<String>,
    /// Images whose layers may be used again.
    pub cache_from: Vec<String>,
    /// What steps are granted.
    pub entitlements: Vec<String>,
    /// By the name by which it asks for them.
    pub folders: BTreeMap<String, PathBuf>,
    /// What the instructions' own file is called.
    pub dockerfile_name: String,
    /// Written before the first stage: images that stand for further contexts.
    pub stages: String,
    /// Built before: folders that become images of these names for a builder that knows no further contexts.
    pub folder_images: BTreeMap<String, PathBuf>,
    /// Not wrong, but to be known.
    pub warnings: Vec<Diagnostic>,
}

/// The folder that `COPY` copies from.
pub const CONTEXT: &str = "context";
/// The folder with the instructions.
pub const DOCKERFILE: &str = "dockerfile";

/// The request for a build of these instructions, to an engine of this API version.
///
/// # Errors
/// What an engine that is too old cannot be brought to do.
pub fn request(build: &Build, text: &str, api: (u32, u32)) -> Result<Request, Diagnostic> {
    let mut request = Request {
        names: std::iter::once(&build.image).chain(&build.tags).cloned().collect(),
        cache_from: build.cache_from.clone(),
        dockerfile_name: dockerfile_name(&build.dockerfile),
        ..Request::default()
    };
    request.folders.insert(CONTEXT.to_owned(), build.context.clone());
    request.set("filename", request.dockerfile_name.clone());
    // Base images that the builder has are what they are, unless it is told to ask for them.
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

    /// Images are stages, since the builder asks no registry for the image of a stage that it has; and so are folders, where
    /// the builder knows no further contexts.
    fn contexts(&mut self, build: &Build, text: &str, api: (u32, u32)) -> Result<(), Diagnostic> {
        let knows_contexts = api >= FURTHER_CONTEXTS;
        for (at, (name, context)) in build.contexts.iter().enumerate() {
            let can_be_stage = dockerfile::is_stage_name(name) && !dockerfile::has_stage(text, name);
            if !can_be_stage && !knows_contexts {
                let message =
                    "an engine before 23 has no context of this name: it is no name for a stage, or there is one";
                let hint = "build with a newer engine, or give it another name, of a-z, 0-9, `-`, `_` and `.`";
                return Err(about(build, &format!("additional_contexts.{name}"), message).hint(hint));
            }
            match context {
                Context::Image(image) if can_be_stage => self.stages += &dockerfile::stage(name, image),
                Context::Image(image) => self.further(name, format!("docker-image://{image}")),
                Context::Folder(folder) if knows_contexts => {
                    let local = format!("{CONTEXT}-{at}");
                    self.further(name, format!("local:{local}"));
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

    fn further(&mut self, name: &str, value: String) {
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
