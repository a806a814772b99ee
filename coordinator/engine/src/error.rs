//! The errors of operations. Each names the object that failed, and [`EngineError::hint`] returns the next step for the
//! user.

use std::path::PathBuf;

use landfast_compose::Diagnostics;
use landfast_core::plan::{Conflict, Hindrance};

use crate::Hint;
use crate::connect::Failures;
use crate::deliver::DeliverError;
use crate::folder::FolderError;
use crate::image_build::BuildError;
use crate::images::ImageError;
use crate::project::ProjectError;
use crate::scan::ScanError;
use crate::store::StoreError;

use crate::operation::{FailureReport, OtherClaim};

/// The reason why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The fleet's folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The compose files of a stack cannot be loaded.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The folder of a stack cannot be bundled.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The store of the coordinator's state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An image cannot be pulled or sent to a host.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An image cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A bundle cannot be sent to a host.
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    /// The stacks have mistakes that prevent a deployment.
    #[error("{0}")]
    Mistakes(Diagnostics),
    /// The folder of a stack does not exist.
    #[error("stack {stack}: the folder {} does not exist", .path.display())]
    NoStackFolder { stack: String, path: PathBuf },
    /// The folder of a stack contains no compose file.
    #[error("stack {stack} has no compose file in {}", .folder.display())]
    NoComposeFile { stack: String, folder: PathBuf },
    /// An environment is selected for a stack whose env files are the same in every environment.
    #[error("stack {stack} has no environments: no path in its env_files has {{env}} in it")]
    NoEnvironments { stack: String },
    /// Some hosts cannot be reached, or refused the connection.
    #[error("some hosts cannot be reached\n{0}")]
    Unreachable(Failures),
    /// Hosts are away, and the plan cannot be carried out without them.
    #[error("{hindrance}; nothing was changed{}", list(.reasons))]
    Away { hindrance: Hindrance, reasons: Vec<String> },
    /// A host that was named as away answers.
    #[error("{host} answers, so it is not left out")]
    NotAway { host: String },
    /// A host that was named is not in the fleet.
    #[error("landfast.toml has no host {host}")]
    NoHost { host: String },
    /// The container engine of a host does not answer its agent.
    #[error("{host}: the container engine does not answer ({problem})")]
    NoEngine { host: String, problem: String },
    /// Another run has claimed a host.
    #[error("{host}: {claim}")]
    Claimed { host: String, claim: Box<OtherClaim> },
    /// Another run has deployed to a host since it was observed.
    #[error("{host}: another run has deployed to this host since the plan was made")]
    Overtaken { host: String },
    /// The agent of a host does not accept the units of this version.
    #[error("{host}: the agent (version {version}) is older than this landfast requires")]
    OldAgent { host: String, version: String },
    /// A newer version has assigned units to a host.
    #[error("{host}: a newer version of landfast has deployed to this host ({problem})")]
    NewerUnits { host: String, problem: landfast_proto::Unusable },
    /// Resources on the hosts, such as networks or used ports, conflict with the plan.
    #[error("resources on the hosts conflict with the plan; nothing was changed{}", list(.0))]
    Conflicts(Vec<Conflict>),
    /// Another operator changed a host after the plan was made.
    #[error("{host} has changed since the plan was made (from {planned} to {found})")]
    FleetChanged { host: String, planned: Version, found: Version },
    /// A request to a host failed.
    #[error("{host}: {step} failed: {problem}")]
    Host { host: String, step: &'static str, problem: String },
    /// No host has the bundle of a release any more.
    #[error("release {release} of {stack} cannot be restored: no host has its bundle {digest}")]
    BundleGone { stack: String, release: u64, digest: String },
    /// A host that is said to be lost answers.
    #[error("{host} answers, so it is not lost")]
    NotLost { host: String },
    /// No host has the deployment of a release any more.
    #[error("release {release} of {stack} cannot be restored: no host that answers has its deployment")]
    DeploymentGone { stack: String, release: u64 },
    /// No host has the contents of a secret or config any more.
    #[error("the contents of {file} of {instance} are on no host that answers")]
    SecretGone { stack: String, instance: String, file: String },
    /// The history of a stack has no release with this number.
    #[error("stack {stack} has no release {number}")]
    NoRelease { stack: String, number: u64 },
    /// The history of a stack has no successful release before the current one.
    #[error("stack {stack} has no earlier release that succeeded")]
    NoEarlierRelease { stack: String },
    /// A stack is to be updated, but no host has it.
    #[error("stack {stack} is not deployed on any host")]
    NotDeployed { stack: String },
    /// A record of the store is not in the format of this version.
    #[error("the record at {key} cannot be read")]
    Record {
        key: String,
        #[source]
        source: serde_json::Error,
    },
    /// A rollout failed, or was stopped after it began.
    #[error("{0}")]
    Stopped(Box<FailureReport>),
    /// The operation was stopped on request before it changed a container.
    #[error("stopped on request; no container was changed")]
    Interrupted,
    /// The operating system provided no random bytes.
    #[error("the operating system provided no random numbers")]
    NoRandomness(#[source] getrandom::Error),
}

/// Version of the state that a host holds. A change of the state makes it greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version {
    /// Epoch of the rollout that assigned the state. Each rollout claims a greater one.
    pub epoch: u64,
    /// Generation of the state, which grows with every assignment.
    pub generation: u64,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {}, generation {}", self.epoch, self.generation)
    }
}

fn list<T: std::fmt::Display>(lines: &[T]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

impl Hint for EngineError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Folder(error) => error.hint(),
            Self::Project(error) => error.hint(),
            Self::Scan(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Deliver(error) => error.hint(),
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
            Self::Away { hindrance: Hindrance::Changes { .. }, .. } => Some(
                "start these hosts, name the stacks that have no part on them, or leave the hosts as they are with \
                 --without HOST"
                    .to_owned(),
            ),
            Self::Away { hindrance: Hindrance::SameAddress { .. }, .. } => {
                Some("start the host, or choose another address".to_owned())
            }
            Self::Away { hindrance: Hindrance::Moves { .. }, .. } => {
                Some("start the host, or keep these instances where they are until it answers".to_owned())
            }
            Self::Away { hindrance: Hindrance::NotKnown { .. }, .. } => {
                Some("start the host, or pass --without HOST if the stack certainly does not run there".to_owned())
            }
            Self::Away { hindrance: Hindrance::NoMajority { .. }, .. } => Some(
                "start the other hosts, or name every host that is away with --without HOST if it certainly does not run"
                    .to_owned(),
            ),
            Self::NotLost { .. } => Some("leave out --lost: then what runs on the host is removed too".to_owned()),
            Self::NotAway { .. } => Some("leave out --without for this host".to_owned()),
            Self::NoHost { .. } => Some("`landfast host ls` lists the hosts".to_owned()),
            Self::NoEngine { .. } => Some("start the engine on that host: `systemctl start docker`".to_owned()),
            Self::OldAgent { host, .. } => {
                Some(format!("update the agent with `landfast host add {host} --upgrade --ssh USER@`"))
            }
            Self::NewerUnits { .. } => Some("use that version or a newer one".to_owned()),
            Self::Claimed { .. } => {
                Some("run the command again when the other run has ended, or pass --wait 10m to wait for it".to_owned())
            }
            Self::FleetChanged { .. } | Self::Overtaken { .. } => {
                Some("another operator deployed meanwhile: run `landfast plan` again".to_owned())
            }
            Self::NoRelease { .. } | Self::NoEarlierRelease { .. } => {
                Some("`landfast history` lists the releases".to_owned())
            }
            Self::Store(error) => error.hint(),
            Self::NotDeployed { stack } => Some(format!("deploy it first: `landfast up {stack}`")),
            Self::BundleGone { stack, .. } | Self::DeploymentGone { stack, .. } | Self::SecretGone { stack, .. } => {
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
            | Self::Mistakes(_)
            | Self::Unreachable(_)
            | Self::Conflicts(_)
            | Self::Host { .. } => None,
        }
    }

    fn mistakes(&self) -> Option<&Diagnostics> {
        match self {
            Self::Folder(error) => error.mistakes(),
            Self::Project(error) => error.mistakes(),
            Self::Build(error) => error.mistakes(),
            Self::Mistakes(mistakes) => Some(mistakes),
            _ => None,
        }
    }
}
