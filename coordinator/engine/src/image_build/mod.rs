//! Builds images: checks on this machine what a build requires, then requests the build from a builder.
//! [`landfast_core::image_build`] decides what is built and how it is requested.
//!
//! The builder is the BuildKit of an engine, with the protocol that the docker command uses. Context files are sent one
//! by one, and only those that the builder requests. Secrets are sent when a step requests them; they are never part of
//! arguments, logs, plans or layers.

mod address;
mod batch;
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

use crate::Hint;
use crate::event::{Event, Listener, Warning};
use crate::images::LocalEngine;
use crate::wire::problem;

pub use address::BuilderAddress;
pub use batch::build;
pub use logins::Logins;
pub use prepare::{Prepared, env_files_in, prepare};

/// A failure to build images.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{}", .0)]
    Mistakes(Diagnostics),
    #[error("{}", .0.problem)]
    FailedStep(Failure),
    #[error("the engine cannot build images: {problem}")]
    Engine { problem: String },
    #[error("image {image} was built but is missing from the engine")]
    NotInEngine { image: String },
    #[error("{} cannot be built: neither this machine nor any host has an engine with BuildKit", .images.join(", "))]
    NoBuilder { images: Vec<String> },
}

impl Hint for BuildError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoBuilder { .. } => {
                Some("start Docker 20.10 or newer on this machine, or set DOCKER_HOST".to_owned())
            }
            Self::Engine { .. } => Some("builds require Docker 20.10 or newer, with BuildKit".to_owned()),
            Self::Mistakes(_) | Self::FailedStep(_) | Self::NotInEngine { .. } => None,
        }
    }

    fn mistakes(&self) -> Option<&Diagnostics> {
        match self {
            Self::Mistakes(mistakes) => Some(mistakes),
            _ => None,
        }
    }
}

/// The reason why a build failed.
#[derive(Debug)]
pub struct Failure {
    /// The failed step, if the failure belongs to one.
    pub failed: Option<FailedStep>,
    /// The builder's error message.
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

/// An engine that can build images.
#[derive(Clone)]
pub struct Builder {
    pub address: BuilderAddress,
    /// API version of the engine.
    pub api: (u32, u32),
    /// The engine of this machine; `None` for a host's engine.
    pub engine: Option<LocalEngine>,
    /// The user's logins at registries.
    pub logins: Arc<Logins>,
}

// Logins and sockets must not be printed.
impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("api", &self.api).finish_non_exhaustive()
    }
}

impl Builder {
    /// Removes the tag of an image that was only needed for a build. The image may not exist any more.
    async fn discard(&self, image: &str, listener: &Arc<dyn Listener>) {
        if let Some(engine) = &self.engine {
            engine.remove(image).await;
        }
        let BuilderAddress::Host(agent) = &self.address else { return };
        let discarded = agent.builder().discard(DiscardRequest { image: image.to_owned() }).await;
        if let Err(status) = discarded {
            let (host, image) = (agent.host().to_owned(), image.to_owned());
            listener.report(Event::Warning(Warning::ImageNotRemoved { host, image, problem: problem(&status) }));
        }
    }
}

#[cfg(test)]
mod tests;
