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
    #[error("stack {stack}: the folder {} does not exist", .path.display())]
    NoStackFolder { stack: String, path: PathBuf },
    #[error("stack {stack} has no compose file in {}", .folder.display())]
    NoComposeFile { stack: String, folder: PathBuf },
    #[error("stack {stack} has no environments: no path in its env_files has {{env}} in it")]
    NoEnvironments { stack: String },
    #[error("some hosts cannot be reached\n{0}")]
    Unreachable(Failures),
    #[error("{host}: the container engine does not answer ({problem})")]
    NoEngine { host: String, problem: String },
    #[error("resources on the hosts conflict with the plan; nothing was changed{}", list(.0))]
    Conflicts(Vec<Conflict>),
    #[error("{host} has changed since the plan was made (from {planned} to {found})")]
    FleetChanged { host: String, planned: Version, found: Version },
    #[error("{host}: {step} failed: {problem}")]
    Host { host: String, step: &'static str, problem: String },
    #[error("release {release} of {stack} cannot be restored: no host has its bundle {digest}")]
    BundleGone { stack: String, release: u64, digest: String },
    #[error("stack {stack} has no release {number}")]
    NoRelease { stack: String, number: u64 },
    #[error("stack {stack} has no earlier release that succeeded")]
    NoEarlierRelease { stack: String },
    #[error("stack {stack} is not deployed on any host")]
    NotDeployed { stack: String },
    #[error("the record at {key} cannot be read")]
    Record {
        key: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{0}")]
    Stopped(Box<FailureReport>),
    #[error("stopped on request before the rollout began")]
    Interrupted,
    #[error("the operating system provided no random numbers")]
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
            Self::NoStackFolder { .. } => Some(
                "create the folder, or set `path` in landfast.toml: it is relative to the folder of that file"
                    .to_owned(),
            ),
            Self::NoComposeFile { stack, .. } => {
                Some(format!("name the file compose.yaml, or set `files` under [stacks.{stack}]"))
            }
            Self::NoEnvironments { stack } => {
                Some(format!("select no environment, or write {{env}} in a path of env_files under [stacks.{stack}]"))
            }
            Self::NoEngine { .. } => Some("start the engine on that host: `systemctl start docker`".to_owned()),
            Self::FleetChanged { .. } => {
                Some("another operator deployed meanwhile: run `landfast plan` again".to_owned())
            }
            Self::NoRelease { .. } | Self::NoEarlierRelease { .. } => {
                Some("`landfast history` lists the releases".to_owned())
            }
            Self::NotDeployed { stack } => Some(format!("deploy it first: `landfast up {stack}`")),
            Self::BundleGone { stack, .. } => {
                Some(format!("check out the files of that release and run `landfast up {stack}`"))
            }
            Self::Stopped(_) | Self::Interrupted => {
                Some("`landfast status` shows what runs; run the same command again to continue".to_owned())
            }
            Self::Record { .. } => Some(
                "another version of landfast wrote the record: run the unfinished command again with that version"
                    .to_owned(),
            ),
            Self::NoRandomness(_)
            | Self::Store(_)
            | Self::Mistakes(_)
            | Self::Unreachable(_)
            | Self::Conflicts(_)
            | Self::Host { .. } => None,
        }
    }
}
