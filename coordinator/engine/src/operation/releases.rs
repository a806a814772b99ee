//! The history of deployments: one numbered record for each stack and rollout.

use landfast_core::deployment::Deployment;
use serde::{Deserialize, Serialize};

use crate::store::{Change, Store};

use crate::EngineError;

/// One deployment of a stack, as it is recorded in the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Name of the stack.
    pub stack: String,
    /// Number of the release, which grows with every deployment of the stack.
    pub number: u64,
    /// Time at which the deployment began, in RFC 3339 and UTC.
    pub time: String,
    /// Name of the selected environment, if any.
    pub env: Option<String>,
    /// Digest of the bundle's manifest.
    pub manifest: String,
    /// The compiled deployment.
    pub deployment: Deployment,
    /// Outcome of the rollout.
    pub outcome: Ending,
}

/// Outcome of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The release was deployed completely.
    Done,
    /// The release was deployed except on hosts that were away.
    Partial,
    /// The rollout failed, so that the release was deployed in part or not at all.
    Failed,
    /// The rollout was stopped on request.
    Stopped,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        })
    }
}

impl Release {
    /// Creates the release of a deployment that begins now.
    pub fn of(deployment: Deployment, outcome: Ending) -> Self {
        Self {
            stack: deployment.stack.clone(),
            number: deployment.release,
            time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            env: deployment.env.clone(),
            manifest: deployment.manifest_digest.clone(),
            deployment,
            outcome,
        }
    }
}

/// Returns all releases of a stack, oldest first.
pub async fn of_stack(store: &dyn Store, stack: &str) -> Result<Vec<Release>, EngineError> {
    let records = store.range(&format!("releases/{stack}/")).await?;
    let read = records.into_iter().map(|(key, record)| {
        serde_json::from_slice(&record.value).map_err(|source| EngineError::Record { key, source })
    });
    read.collect()
}

/// Returns the change that records a release. A release can be recorded again: the number identifies the deployment, and
/// the last recorded outcome counts.
pub async fn recording(store: &dyn Store, release: &Release) -> Result<Change, EngineError> {
    // The number is padded, so that the order of the keys is the order of the numbers.
    let key = format!("releases/{}/{:010}", release.stack, release.number);
    let value = serde_json::to_vec(release).map_err(|source| EngineError::Record { key: key.clone(), source })?;
    Ok(store.overwrite(key, value).await?)
}

/// Returns the release that a rollback deploys: the one with this number, or else the last successful one before the
/// current one.
pub fn earlier(releases: &[Release], stack: &str, number: Option<u64>) -> Result<Release, EngineError> {
    if let Some(number) = number {
        let found = releases.iter().find(|release| release.number == number);
        return found.cloned().ok_or_else(|| EngineError::NoRelease { stack: stack.to_owned(), number });
    }
    // The newest release is the current one, even if it was deployed only in part.
    let before = releases.iter().rev().skip(1).find(|release| release.outcome == Ending::Done);
    before.cloned().ok_or_else(|| EngineError::NoEarlierRelease { stack: stack.to_owned() })
}
