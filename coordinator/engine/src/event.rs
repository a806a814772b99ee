//! Events that a run reports while it goes on. They are values: the command line turns them into words, a daemon can send
//! them on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use landfast_compose::Diagnostic;
use landfast_core::plan::Step;

use crate::images::Origin;
use crate::operation::PlannedBuild;

/// Receives the events of a run, and decides whether and how each is shown.
pub trait Listener: Send + Sync {
    /// Takes one event. It is called from the tasks of the run, so it must not block for long.
    fn report(&self, event: Event);
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A rollout that was interrupted earlier continues.
    Resumed {
        /// The releases that it deploys.
        releases: Vec<NumberedRelease>,
    },
    /// A step of the plan began.
    StepStarted(Step),
    /// A step has been waiting for a while.
    StepWaiting {
        /// The step.
        step: Step,
        /// What was observed of it last, such as `not healthy yet`.
        observed: String,
    },
    /// A step of the plan is done.
    StepDone(Step),
    /// A step of the plan failed.
    StepFailed {
        /// The step.
        step: Step,
        /// First line of the reason. The error of the run has all of it.
        problem: String,
    },
    /// An image is going to be built.
    BuildPlanned(PlannedBuild),
    /// The build of an image began.
    BuildStarted {
        /// Reference of the image.
        image: String,
    },
    /// A further build context is built into an image first, because the builder takes no further contexts.
    BuildFolderStarted {
        /// Reference of the image whose build needs it; `None` if it is the only one of the run.
        build: Option<String>,
        /// Reference of the temporary image.
        image: String,
    },
    /// A builder wrote a line.
    BuildLine {
        /// Reference of the image; `None` if it is the only one of the run.
        build: Option<String>,
        /// The line, with secrets masked.
        line: String,
    },
    /// Images are not built, because the build of another one failed.
    BuildsAbandoned {
        /// References of the images.
        images: Vec<String>,
    },
    /// A transfer began.
    TransferStarted {
        /// Number of the transfer in this process.
        id: u64,
        /// What is transferred.
        content: Content,
        /// Size in bytes; `None` if it is not known.
        bytes: Option<u64>,
    },
    /// A part of a transfer was sent.
    TransferAdvanced {
        /// Number of the transfer.
        id: u64,
        /// Size of the part in bytes.
        bytes: u64,
    },
    /// A transfer ended, successfully or not.
    TransferEnded {
        /// Number of the transfer.
        id: u64,
    },
    /// Something that does not stop the run, but that the user should know.
    Warning(Warning),
}

/// A release of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedRelease {
    /// Name of the stack.
    pub stack: String,
    /// Number of the release.
    pub number: u64,
}

/// Content of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Files of a bundle that a host lacks.
    Files {
        /// Name of the host.
        host: String,
        /// Name of the stack.
        stack: String,
        /// Number of files.
        count: usize,
    },
    /// An image that a host lacks.
    Image {
        /// Name of the host.
        host: String,
        /// Reference of the image.
        reference: String,
        /// Where the image comes from.
        origin: Origin,
    },
}

/// A problem that does not stop the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Warning {
    /// A rollout that was interrupted earlier is replaced by this one.
    Superseded {
        /// The releases that it was to deploy.
        releases: Vec<NumberedRelease>,
    },
    /// The run was asked to stop, and waits for the steps under way.
    Stopping,
    /// A key of a build has no effect.
    BuildKeyIgnored(Diagnostic),
    /// A registry did not deliver an image that can also be built or is there already.
    PullFailed {
        /// Reference of the image.
        reference: String,
        /// What each host that was asked reported.
        refusals: Vec<String>,
    },
    /// The temporary image of a build was not removed.
    ImageNotRemoved {
        /// Name of the host.
        host: String,
        /// Reference of the image.
        image: String,
        /// What the host reported.
        problem: String,
    },
    /// The end of the run is not recorded in the history that a host keeps.
    NotRecorded {
        /// Name of the host.
        host: String,
        /// What the host reported.
        problem: String,
    },
    /// A host did not tell what it knows of the history.
    HistoryIncomplete {
        /// Why the host could not be asked.
        problem: String,
    },
    /// The file with logins at registries is damaged, so that no login is used.
    LoginsUnreadable {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Warning {
    /// Returns the code of the warning, which stays the same when its wording changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Superseded { .. } => "rollout_superseded",
            Self::Stopping => "rollout_stopping",
            Self::BuildKeyIgnored(_) => "build_key_ignored",
            Self::PullFailed { .. } => "pull_failed",
            Self::ImageNotRemoved { .. } => "image_not_removed",
            Self::NotRecorded { .. } => "not_recorded",
            Self::HistoryIncomplete { .. } => "history_incomplete",
            Self::LoginsUnreadable { .. } => "logins_unreadable",
        }
    }
}

/// A transfer under way. It reports its end when it is dropped.
pub(crate) struct Transfer {
    id: u64,
    listener: Arc<dyn Listener>,
}

impl Transfer {
    /// Reports the beginning of a transfer. A size of 0 means that it is not known.
    pub(crate) fn start(listener: &Arc<dyn Listener>, content: Content, bytes: u64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        listener.report(Event::TransferStarted { id, content, bytes: (bytes > 0).then_some(bytes) });
        Self { id, listener: Arc::clone(listener) }
    }

    /// Reports that a part was sent.
    pub(crate) fn advance(&self, bytes: usize) {
        self.listener.report(Event::TransferAdvanced { id: self.id, bytes: bytes as u64 });
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.listener.report(Event::TransferEnded { id: self.id });
    }
}
