//! What a run can fail with. Each names the host and the step, and [`EngineError::hint`] says what to do next.

use std::path::PathBuf;

use landfast_compose::Diagnostics;
use landfast_core::plan::Conflict;

use crate::connect::Failures;
use crate::deliver::DeliverError;
use crate::folder::FolderError;
use crate::image_build::BuildError;
use crate::images::ImageError;
use crate::project::ProjectError;
use crate::scan::ScanError;
use crate::store::StoreError;

use crate::operation::FailureReport;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("{0}")]
    Mistakes(Diagnostics),
    #[error("stack {stack} has no folder {}", .path.display())]
    NoStackFolder { stack: String, path: PathBuf },
    #[error("stack {stack} has no compose file in {}", .folder.display())]
    NoComposeFile { stack: String, folder: PathBuf },
    #[error("stack {stack} has no environments: no path in its env_files has {{env}} in it")]
    NoEnvironments { stack: String },
    #[error("not all hosts can be reached\n{0}")]
    Unreachable(Failures),
    #[error("{host}: its engine does not answer ({problem})")]
    NoEngine { host: String, problem: String },
    #[error("something on the hosts is in the way, nothing was touched{}", list(.0))]
    Conflicts(Vec<Conflict>),
    #[error("{host} has changed since the plan was made (from {planned} to {found})")]
    FleetChanged { host: String, planned: Version, found: Version },
    #[error("{host}: {step} failed: {problem}")]
    Host { host: String, step: &'static str, problem: String },
    #[error("{digest} is on no host any more, so release {release} of {stack} cannot be brought back")]
    BundleGone { stack: String, release: u64, digest: String },
    #[error("stack {stack} has no release {number}")]
    NoRelease { stack: String, number: u64 },
    #[error("stack {stack} has no release before this one")]
    NoEarlierRelease { stack: String },
    #[error("stack {stack} is on no host")]
    NotDeployed { stack: String },
    #[error("the record at {key} cannot be read")]
    Record {
        key: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{0}")]
    Stopped(Box<FailureReport>),
    #[error("stopped as asked")]
    Interrupted,
    #[error("this machine gives no random numbers")]
    NoRandomness(#[source] std::io::Error),
}

/// What a host holds, as two numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version {
    pub epoch: u64,
    pub generation: u64,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {}, generation {}", self.epoch, self.generation)
    }
}

fn list(conflicts: &[Conflict]) -> String {
    conflicts.iter().map(|conflict| format!("\n  {conflict}")).collect()
}

impl EngineError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Folder(error) => error.hint(),
            Self::Project(error) => error.hint(),
            Self::Scan(error) => Some(error.hint().to_owned()),
            Self::Image(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Deliver(error) => error.hint().map(str::to_owned),
            Self::NoStackFolder { .. } => Some("set `path` in landfast.toml, relative to its own folder".to_owned()),
            Self::NoComposeFile { stack, .. } => {
                Some(format!("name it compose.yaml, or set `files` under [stacks.{stack}]"))
            }
            Self::NoEnvironments { stack } => {
                Some(format!("leave the environment out, or write {{env}} into a path under [stacks.{stack}]"))
            }
            Self::NoEngine { .. } => Some("start the engine on that host: `systemctl start docker`".to_owned()),
            Self::FleetChanged { .. } => Some("somebody else deploys too: run `landfast plan` again".to_owned()),
            Self::NoRelease { .. } | Self::NoEarlierRelease { .. } => {
                Some("`landfast history` lists what there is".to_owned())
            }
            Self::NotDeployed { stack } => Some(format!("deploy it first: `landfast up {stack}`")),
            Self::BundleGone { stack, .. } => {
                Some(format!("check the files out as they were and `landfast up {stack}`"))
            }
            Self::Stopped(_) | Self::Interrupted => {
                Some("`landfast status` shows what runs; the same command again goes on from here".to_owned())
            }
            Self::Record { .. } => {
                Some("another version of landfast wrote it: finish what it began with that version".to_owned())
            }
            Self::NoRandomness(_)
            | Self::Store(_)
            | Self::Mistakes(_)
            | Self::Unreachable(_)
            | Self::Conflicts(_)
            | Self::Host { .. } => None,
        }
    }
}
