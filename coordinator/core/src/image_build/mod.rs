//! Selection of the images to build, with their order and options.
//!
//! An image is built if the user requests it, if its service has `pull_policy: build`, or if the image is missing. It is also
//! built if another selected build uses it as a context and the builder does not have it. A changed context alone does not
//! cause a build, as with Docker Compose.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::findings::Findings;
use landfast_compose::Project;
use landfast_compose::model::{Contents, Service, Ulimit};
use landfast_compose::{Diagnostic, Diagnostics, Location};

mod builder;
mod context;
mod credentials;
mod dockerfile;
mod helper;
mod login;
mod read;
mod request;
mod schedule;
mod transcript;

pub use builder::{Builder, Candidate, builder};
pub use context::{ContextPaths, context_paths, parent_folders};
pub use credentials::{Credentials, CredentialsError, LoginSource};
pub use dockerfile::with_stages;
pub use helper::{Helper, HelperError};
pub use login::Login;
pub use request::{CONTEXT, DOCKERFILE, FURTHER_CONTEXTS, Request, request};
pub use schedule::Schedule;
pub use transcript::{FailedStep, Log, Transcript, Vertex};

/// One image to build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Build {
    /// Service that the image is for: the first of the services that share it.
    pub service: String,
    /// Reference of the image in its services.
    pub image: String,
    /// Additional names of the image.
    pub tags: Vec<String>,
    /// Absolute path of the context folder.
    pub context: PathBuf,
    /// Location of the instructions.
    pub dockerfile: Dockerfile,
    /// Additional contexts by name.
    pub contexts: BTreeMap<String, Context>,
    /// Secrets by id, for `RUN --mount=type=secret,id=…`.
    pub secrets: BTreeMap<String, Secret>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Labels of the image, including those by which Compose recognises its images.
    pub labels: BTreeMap<String, String>,
    /// Stage to build.
    pub target: Option<String>,
    /// Network of the build steps, `host` or `none`; absent for the builder's default.
    pub network: Option<String>,
    /// Names and addresses for `/etc/hosts`.
    pub extra_hosts: Vec<(String, String)>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<i64>,
    /// Resource limits by name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Images whose layers may be reused.
    pub cache_from: Vec<String>,
    /// Layers to build without the cache.
    pub no_cache: NoCache,
    /// Whether to check the registries for newer base images.
    pub pull: bool,
    /// Platform such as `linux/amd64`; absent for the builder's own.
    pub platform: Option<String>,
    /// Location of `build:` in the compose file.
    pub at: Option<Location>,
}

/// Location of a build's instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dockerfile {
    /// Absolute path of a file.
    File(PathBuf),
    /// Text in the compose file.
    Inline(String),
}

impl Default for Dockerfile {
    fn default() -> Self {
        Self::Inline(String::new())
    }
}

/// Additional context: what a name in `FROM` or `--from=` refers to, apart from stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// Absolute path of a folder.
    Folder(PathBuf),
    /// An image. If the project builds it, that build comes first.
    Image(String),
}

/// Source of a secret of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// Absolute path of a file.
    File(PathBuf),
    /// The value itself.
    Value(Contents),
}

/// Layers to build without the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NoCache {
    /// No layers.
    #[default]
    None,
    /// The layers of these stages.
    Stages(Vec<String>),
    /// All layers.
    All,
}

/// Input for [`choose`].
#[derive(Debug, Clone, Copy)]
pub struct BuildSelectionInput<'a> {
    /// Services to build even if their images exist.
    pub asked: RequestedBuilds<'a>,
    /// References of images that neither a host nor this machine has.
    pub missing: &'a BTreeSet<String>,
    /// References of images that the builder has.
    pub there: &'a BTreeSet<String>,
}

/// Services whose images are built even if they exist.
#[derive(Debug, Clone, Copy)]
pub enum RequestedBuilds<'a> {
    /// No service.
    None,
    /// Every service that has instances.
    All,
    /// These services.
    Services(&'a BTreeSet<String>),
}

/// Selected builds, ordered so that each one follows the builds that it uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Builds {
    /// Builds in order.
    pub builds: Vec<Build>,
    /// Warnings, which do not prevent the build.
    pub warnings: Vec<Diagnostic>,
}

/// Selects the builds of a project.
///
/// # Errors
/// Returns an error with the location if a selected build uses unsupported options, or if two services build the same image
/// differently.
pub fn choose(project: &Project, input: BuildSelectionInput<'_>) -> Result<Builds, Diagnostics> {
    let mut findings = Findings::new(project);
    let mut order = Selection { project, there: input.there, open: Vec::new(), chosen: Vec::new() };
    for (name, service) in &project.services {
        let (Some(_), Some(image)) = (&service.build, &service.image) else { continue };
        let runs = service.replicas() > 0;
        let asked = match input.asked {
            RequestedBuilds::None => false,
            RequestedBuilds::All => runs,
            RequestedBuilds::Services(names) => names.contains(name),
        };
        if asked || (runs && (input.missing.contains(image) || is_always_built(service))) {
            order.choose(name, &mut findings);
        }
    }
    let read = order.chosen.iter().filter_map(|name| Some(((), read::build(project, name, &mut findings)?)));
    let read = read.collect();
    let (united, mistakes) = merge_equal(read, |(), ()| true);
    let Findings { mut errors, warnings, .. } = findings;
    errors.extend(mistakes);
    Diagnostics::check(errors)?;
    Ok(Builds { builds: united.into_iter().map(|((), build)| build).collect(), warnings })
}

fn is_always_built(service: &Service) -> bool {
    service.pull_policy.as_deref() == Some("build")
}

/// Orders services so that each one follows those whose images it uses as contexts.
struct Selection<'a> {
    project: &'a Project,
    there: &'a BTreeSet<String>,
    /// Services that are being visited, outermost first.
    open: Vec<&'a str>,
    chosen: Vec<&'a str>,
}

impl<'a> Selection<'a> {
    fn choose(&mut self, name: &'a str, findings: &mut Findings<'_>) {
        if self.chosen.contains(&name) {
            return;
        }
        if self.open.contains(&name) {
            let circle = [&self.open[..], &[name]].concat().join(" -> ");
            findings.refuse(
                format!("services.{name}.build.additional_contexts"),
                format!("the builds depend on each other in a circle: {circle}"),
            );
            return;
        }
        self.open.push(name);
        let build = self.project.services.get(name).and_then(|service| service.build.as_ref());
        let contexts = build.into_iter().flat_map(|build| build.additional_contexts.values());
        for source in contexts.filter_map(|context| context.strip_prefix("service:")) {
            let Some(service) = self.project.services.get(source) else { continue };
            let is_there = service.image.as_ref().is_some_and(|image| self.there.contains(image));
            if !is_there || is_always_built(service) {
                self.choose(source, findings);
            }
        }
        self.open.pop();
        self.chosen.push(name);
    }
}

/// Merges equal builds of the same image into the first one; `alike` compares the values next to the builds. Different builds of
/// the same image are errors.
pub fn merge_equal<T>(chosen: Vec<(T, Build)>, alike: impl Fn(&T, &T) -> bool) -> (Vec<(T, Build)>, Vec<Diagnostic>) {
    let mut united: Vec<(T, Build)> = Vec::new();
    let mut mistakes = Vec::new();
    for (source, build) in chosen {
        let Some((first_source, first)) = united.iter().find(|(_, first)| first.image == build.image) else {
            united.push((source, build));
            continue;
        };
        if !first.makes_the_same_as(&build) || !alike(first_source, &source) {
            mistakes.push(Diagnostic {
                location: build.at.clone(),
                path: format!("services.{}.build", build.service),
                message: format!("{} is also built by {}, with other options", build.image, first.service),
                hint: Some("give each service its own `image:`".to_owned()),
                users: Box::default(),
            });
        }
    }
    (united, mistakes)
}

impl Build {
    fn makes_the_same_as(&self, other: &Self) -> bool {
        let without_its_place = |build: &Self| {
            let mut build = Self { service: String::new(), at: None, ..build.clone() };
            build.labels.retain(|label, _| label != read::SERVICE_LABEL && label != read::PROJECT_LABEL);
            build
        };
        without_its_place(self) == without_its_place(other)
    }
}

#[cfg(test)]
mod tests;
