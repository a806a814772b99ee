//! What a run can fail with. Each names the host and the step, and what to do next.

use landfast_core::Diagnostics;

use crate::folder::FolderError;
use crate::project::ProjectError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("{0}")]
    Mistakes(Diagnostics),
}

impl EngineError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        None
    }
}
