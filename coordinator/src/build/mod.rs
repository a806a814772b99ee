//! Building images: what a build needs is looked at on this machine, then a builder is asked for it. What is built, and
//! how it is asked for, is decided by [`landfast_core::build`].
//!
//! The builder is the BuildKit inside an engine, spoken to as the reference does. Contexts are sent file by file, only
//! what it asks for; secrets are answered when a step asks for them, and are in no argument, log, plan or layer.

mod door;
mod folder;
mod logins;
mod prepare;
mod session;
mod solve;
mod sync;

use std::path::Path;
use std::sync::Arc;

use landfast_core::build::{self, Build, Dockerfile, Failed};
use landfast_core::{Diagnostic, Diagnostics};

use crate::images::LocalEngine;
use crate::output::progress::Listener;

pub use door::Door;
pub use logins::Logins;
pub use prepare::{Prepared, prepare};

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{}", .0)]
    Mistakes(Diagnostics),
    #[error("{}", .0.problem)]
    Failed(Failure),
    #[error("the engine does not build: {problem}")]
    Engine { problem: String },
    #[error("image {image} was built, and is not there")]
    Gone { image: String },
    #[error("{} cannot be built: neither this machine nor a host has an engine that builds", .images.join(", "))]
    Nowhere { images: Vec<String> },
}

impl BuildError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nowhere { .. } => {
                Some("builds need Docker 20.10 or newer: start it here, or set DOCKER_HOST".to_owned())
            }
            Self::Engine { .. } => Some("builds need Docker 20.10 or newer, with BuildKit".to_owned()),
            Self::Mistakes(_) | Self::Failed(_) | Self::Gone { .. } => None,
        }
    }
}

/// How a build failed.
#[derive(Debug)]
pub struct Failure {
    /// The step, when it was one.
    pub failed: Option<Failed>,
    /// In the builder's words.
    pub problem: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(failed) = &self.failed {
            writeln!(f, "  step {}", failed.step)?;
        }
        write!(f, "  {}", self.problem)?;
        let mut output = self.failed.iter().flat_map(|failed| &failed.output);
        output.try_for_each(|line| write!(f, "\n    | {line}"))
    }
}

/// An engine that builds.
#[derive(Clone)]
pub struct Builder {
    pub door: Door,
    /// The version of its API.
    pub api: (u32, u32),
    /// This machine's.
    pub engine: Option<LocalEngine>,
    /// Logins of whoever builds.
    pub logins: Arc<Logins>,
}

// Neither logins nor sockets are for printing.
impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("api", &self.api).finish_non_exhaustive()
    }
}

/// Builds one after another.
pub async fn build(builder: &Builder, prepared: Vec<Prepared>, listener: &dyn Listener) -> Result<(), BuildError> {
    // All that is wrong is said before the first is built.
    let mut requests = Vec::new();
    let mut mistakes = Vec::new();
    for one in &prepared {
        match build::request(&one.build, one.instructions(), builder.api) {
            Ok(request) => requests.push(request),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if !mistakes.is_empty() {
        return Err(BuildError::Mistakes(Diagnostics(mistakes)));
    }
    for (one, request) in prepared.into_iter().zip(requests) {
        request.warnings.iter().for_each(|warning| listener.warn(&warning.to_string()));
        let built = build_one(builder, &one, &request, listener).await;
        for image in request.folder_images.keys() {
            // On a host they stay, under names that the next such build takes again.
            if let Some(engine) = &builder.engine {
                engine.remove(image).await;
            }
        }
        built.map_err(|error| about(error, &one.build))?;
    }
    Ok(())
}

async fn build_one(
    builder: &Builder,
    one: &Prepared,
    request: &build::Request,
    listener: &dyn Listener,
) -> Result<(), BuildError> {
    for (image, folder) in &request.folder_images {
        listener.say(&format!("build image {image}: a folder, for {}", one.build.image));
        let build = folder_image(image, folder);
        let request = build::request(&build, prepare::FOLDER_IMAGE, builder.api)
            .map_err(|mistake| BuildError::Mistakes(mistake.into()))?;
        solve::solve(&builder.door, &request, one.offer_folder(&request, builder), listener).await?;
    }
    listener.say(&format!("build image {}", one.build.image));
    solve::solve(&builder.door, request, one.offer(request, builder), listener).await
}

/// A folder as an image: what a builder without further contexts can copy from.
fn folder_image(image: &str, folder: &Path) -> Build {
    Build {
        image: image.to_owned(),
        context: folder.to_owned(),
        dockerfile: Dockerfile::Inline(prepare::FOLDER_IMAGE.to_owned()),
        ..Build::default()
    }
}

/// A build that failed is a mistake at its `build:`.
fn about(error: BuildError, build: &Build) -> BuildError {
    let BuildError::Failed(failure) = error else { return error };
    let message = format!("image {} could not be built, nothing was changed on any host\n{failure}", build.image);
    let location = build.at.clone();
    BuildError::Mistakes(Diagnostic { location, path: String::new(), message, hint: None }.into())
}

#[cfg(test)]
mod tests;
