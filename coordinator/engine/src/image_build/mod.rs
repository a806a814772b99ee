//! Building images: what a build needs is looked at on this machine, then a builder is asked for it. What is built, and
//! how it is asked for, is decided by [`landfast_core::image_build`].
//!
//! The builder is the BuildKit inside an engine, spoken to as the reference does. Contexts are sent file by file, only
//! what it asks for; secrets are answered when a step asks for them, and are in no argument, log, plan or layer.

mod batch;
mod door;
mod folder;
mod logins;
mod prepare;
mod session;
mod solve;
mod sync;

use std::sync::Arc;

use landfast_compose::Diagnostics;
use landfast_core::image_build::FailedStep;
use landfast_proto::v1::DiscardRequest;

use crate::event::{Event, Listener, Warning};
use crate::images::LocalEngine;
use crate::wire::problem;

pub use batch::build;
pub use door::Door;
pub use logins::Logins;
pub use prepare::{Prepared, env_files_in, prepare};

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{}", .0)]
    Mistakes(Diagnostics),
    #[error("{}", .0.problem)]
    FailedStep(Failure),
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
            Self::Mistakes(_) | Self::FailedStep(_) | Self::Gone { .. } => None,
        }
    }
}

/// How a build failed.
#[derive(Debug)]
pub struct Failure {
    /// The step, when it was one.
    pub failed: Option<FailedStep>,
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

impl Builder {
    /// Takes the name from an image that was only made for a build. It may be gone already.
    async fn discard(&self, image: &str, listener: &Arc<dyn Listener>) {
        if let Some(engine) = &self.engine {
            engine.remove(image).await;
        }
        let Door::Host(agent) = &self.door else { return };
        let discarded = agent.builder().discard(DiscardRequest { image: image.to_owned() }).await;
        if let Err(status) = discarded {
            let (host, image) = (agent.host().to_owned(), image.to_owned());
            listener.report(Event::Warning(Warning::ImageNotRemoved { host, image, problem: problem(&status) }));
        }
    }
}

#[cfg(test)]
mod tests;
