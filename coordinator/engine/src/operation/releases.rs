//! What was deployed: one immutable, numbered record for each stack and run.

use landfast_core::deployment::Deployment;
use serde::{Deserialize, Serialize};

use crate::store::Store;

use crate::EngineError;

/// One deployed version of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub stack: String,
    pub number: u64,
    /// RFC 3339, UTC.
    pub time: String,
    pub env: Option<String>,
    /// The bundle.
    pub manifest: String,
    pub deployment: Deployment,
    pub outcome: Ending,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Everything is as it says.
    Done,
    /// A part of it, or nothing.
    Failed,
    /// It was stopped on request.
    Stopped,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        })
    }
}

impl Release {
    /// Of a deployment that begins now.
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

/// All releases of a stack, oldest first.
pub async fn of_stack(store: &dyn Store, stack: &str) -> Result<Vec<Release>, EngineError> {
    let records = store.range(&format!("releases/{stack}/")).await?;
    let read = records.into_iter().map(|(key, record)| {
        serde_json::from_slice(&record.value).map_err(|source| EngineError::Record { key, source })
    });
    read.collect()
}

/// Keeps a release for ever. Recording it again, as after a crash between this and the journal's end, is no conflict:
/// one number is one deployment, and how it went is told last by whoever ended it.
pub async fn record(store: &dyn Store, release: &Release) -> Result<(), EngineError> {
    // Digits enough that the order of keys is that of numbers.
    let key = format!("releases/{}/{:010}", release.stack, release.number);
    let value = serde_json::to_vec(release).map_err(|source| EngineError::Record { key: key.clone(), source })?;
    let recorded = store.get(&key).await?.map(|record| record.version);
    store.compare_and_set(&key, recorded, Some(value)).await?;
    Ok(())
}

/// The release that rollback returns to: the one with this number, else the last one that was carried out before the
/// one that runs.
pub fn earlier(releases: &[Release], stack: &str, number: Option<u64>) -> Result<Release, EngineError> {
    if let Some(number) = number {
        let found = releases.iter().find(|release| release.number == number);
        return found.cloned().ok_or_else(|| EngineError::NoRelease { stack: stack.to_owned(), number });
    }
    // The newest is what is there now, be it done or half-way.
    let before = releases.iter().rev().skip(1).find(|release| release.outcome == Ending::Done);
    before.cloned().ok_or_else(|| EngineError::NoEarlierRelease { stack: stack.to_owned() })
}
