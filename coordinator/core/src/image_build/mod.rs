//! Which images are built, from what, under which names, and in which order.
//!
//! A build is wanted when it is asked for, when its service says `pull_policy: build`, or when its image is nowhere; and
//! when another one that is wanted takes its result as a context and the builder has not got it. An edited context alone
//! is no reason, as for the reference.
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
    /// The service it is for; the first of those that share it.
    pub service: String,
    /// The reference that its containers are made from.
    pub image: String,
    /// Further names.
    pub tags: Vec<String>,
    /// The folder that is sent; absolute.
    pub context: PathBuf,
    /// Where the instructions are.
    pub dockerfile: Dockerfile,
    /// Further contexts by name.
    pub contexts: BTreeMap<String, Context>,
    /// By id: what `RUN --mount=type=secret,id=…` asks for.
    pub secrets: BTreeMap<String, Secret>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The image's, with those by which Compose knows its own.
    pub labels: BTreeMap<String, String>,
    /// The stage to stop at.
    pub target: Option<String>,
    /// `host` or `none`; absent: the builder's.
    pub network: Option<String>,
    /// Lines for /etc/hosts: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// Of /dev/shm, in bytes.
    pub shm_size: Option<i64>,
    /// By name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Images whose layers may be used again.
    pub cache_from: Vec<String>,
    /// Which layers are made anew.
    pub no_cache: NoCache,
    /// Base images are asked for at their registries even when they are there.
    pub pull: bool,
    /// `linux/amd64`; absent: the builder's.
    pub platform: Option<String>,
    /// Where `build:` stands.
    pub at: Option<Location>,
}

/// Where a build's instructions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dockerfile {
    /// In this file; absolute.
    File(PathBuf),
    /// In the compose file itself.
    Inline(String),
}

impl Default for Dockerfile {
    fn default() -> Self {
        Self::Inline(String::new())
    }
}

/// What a name in `FROM` or `--from=` may stand for beside the stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// A folder; absolute.
    Folder(PathBuf),
    /// An image; one that is built here comes before.
    Image(String),
}

/// Where a secret of a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file; absolute.
    File(PathBuf),
    /// Here.
    Value(Contents),
}

/// Which layers are made anew although the builder has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NoCache {
    /// None.
    #[default]
    None,
    /// Those of these stages.
    Stages(Vec<String>),
    /// All.
    All,
}

/// What is known when builds are chosen.
#[derive(Debug, Clone, Copy)]
pub struct BuildSelectionInput<'a> {
    /// Build these services, whatever is there.
    pub asked: RequestedBuilds<'a>,
    /// The references that are nowhere: no host has them, nor this machine.
    pub missing: &'a BTreeSet<String>,
    /// The references that the builder has.
    pub there: &'a BTreeSet<String>,
}

/// Whose images are built though they are there.
#[derive(Debug, Clone, Copy)]
pub enum RequestedBuilds<'a> {
    /// Nobody's.
    None,
    /// Those of every service that runs somewhere.
    All,
    /// Those of these services.
    Services(&'a BTreeSet<String>),
}

/// What is built, in an order in which each comes after those that it takes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Builds {
    /// In order.
    pub builds: Vec<Build>,
    /// Not wrong, but to be known.
    pub warnings: Vec<Diagnostic>,
}

/// Chooses the builds of a project.
///
/// # Errors
/// What a wanted build says and no builder here does, with its place; and an image that two services build differently.
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

/// Each service after those whose images it takes as contexts.
struct Selection<'a> {
    project: &'a Project,
    there: &'a BTreeSet<String>,
    /// Those that are being looked into, outermost first.
    open: Vec<&'a str>,
    chosen: Vec<&'a str>,
}

impl<'a> Selection<'a> {
    fn choose(&mut self, name: &'a str, findings: &mut Findings<'_>) {
        if self.chosen.contains(&name) {
            return;
        }
        if self.open.contains(&name) {
            let circle = [&self.open[..], &[name]].concat().join(" > ");
            findings
                .refuse(format!("services.{name}.build.additional_contexts"), format!("builds in a circle: {circle}"));
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

/// Those who build one image in the same way build it once, the first of them; `alike` says whether what comes along may be. Those
/// who build it in different ways are mistakes.
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
                message: format!("{} is also built by {}, and in another way", build.image, first.service),
                hint: Some("give each an `image:` of its own".to_owned()),
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
