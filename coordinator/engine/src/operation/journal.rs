//! The journal of the current rollout. It is written before every step, so that a rollout can be continued after the
//! coordinator was killed (F7).

use landfast_core::rollout;
use serde::{Deserialize, Serialize};

use crate::store::{Change, Store};

use super::releases::Release;
use crate::EngineError;

const KEY: &str = "rollout/current";

/// State of a rollout, and the releases that it deploys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) state: rollout::State,
    /// Releases to record when the rollout ends.
    pub(super) releases: Vec<Release>,
    /// Steps that are left out because their host is away.
    #[serde(default)]
    pub(super) owed: Vec<String>,
}

/// A rollout that did not come to its end.
pub(super) enum Unfinished {
    /// One that can be resumed.
    Entry(Box<Entry>),
    /// One that another version of landfast wrote. Only its releases can be read.
    OtherVersion(Vec<Release>),
}

impl Unfinished {
    /// Returns the releases that the rollout deploys.
    pub(super) fn releases(self) -> Vec<Release> {
        match self {
            Self::Entry(entry) => entry.releases,
            Self::OtherVersion(releases) => releases,
        }
    }
}

/// The journal of one folder, which has at most one rollout at a time.
pub(super) struct Journal<'a> {
    store: &'a dyn Store,
    version: Option<u64>,
}

impl<'a> Journal<'a> {
    /// Opens the journal. Returns it with the unfinished rollout, if there is one.
    ///
    /// # Errors
    /// [`EngineError::Record`] if the entry has no releases: it is damaged.
    pub(super) async fn open(store: &'a dyn Store) -> Result<(Self, Option<Unfinished>), EngineError> {
        /// What every version writes.
        #[derive(Deserialize)]
        struct OfAnyVersion {
            releases: Vec<Release>,
        }
        let Some(found) = store.get(KEY).await? else { return Ok((Self { store, version: None }, None)) };
        let unfinished = match serde_json::from_slice(&found.value) {
            Ok(entry) => Unfinished::Entry(Box::new(entry)),
            Err(source) => match serde_json::from_slice(&found.value) {
                Ok(OfAnyVersion { releases }) => Unfinished::OtherVersion(releases),
                Err(_) => return Err(EngineError::Record { key: KEY.to_owned(), source }),
            },
        };
        Ok((Self { store, version: Some(found.version) }, Some(unfinished)))
    }

    /// Returns the release number that the unfinished rollout uses for this stack.
    pub(super) async fn number(store: &'a dyn Store, stack: &str) -> Result<Option<u64>, EngineError> {
        let (_, unfinished) = Self::open(store).await?;
        let releases = unfinished.map(Unfinished::releases).unwrap_or_default();
        Ok(releases.into_iter().find(|release| release.stack == stack).map(|release| release.number))
    }

    /// Writes the entry with other changes. They are durable when the future completes.
    pub(super) async fn write(
        &mut self,
        entry: &Entry,
        others: impl Iterator<Item = Change>,
    ) -> Result<(), EngineError> {
        let value = serde_json::to_vec(entry).map_err(|source| EngineError::Record { key: KEY.to_owned(), source })?;
        let own = Change { key: KEY.to_owned(), expected: self.version, value: Some(value) };
        self.version = Some(self.store.txn(others.chain([own]).collect()).await?);
        Ok(())
    }

    /// Deletes the entry of a rollout that has ended, in one transaction with the other changes that its end makes (F66).
    pub(super) async fn close(self, mut changes: Vec<Change>) -> Result<(), EngineError> {
        if self.version.is_some() {
            changes.push(Change { key: KEY.to_owned(), expected: self.version, value: None });
        }
        if !changes.is_empty() {
            self.store.txn(changes).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Journal, KEY, Unfinished};
    use crate::EngineError;
    use crate::store::{self, Store};
    use landfast_core::rollout;

    /// An unfinished rollout of an earlier version, whose steps have the same fields for every action.
    const OLD: &str = r#"{"state": {"plan": {"steps": [{"action": "sync", "stack": "web", "service": "", "instance": "",
        "host": "alpha", "reasons": ["the stack is new here"], "interrupts": false}], "warnings": []}, "epoch": 1,
        "target": {}, "before": {}, "steps": [], "hosts": {}, "failures": [], "failing_since": null,
        "stalled_since": null, "ended": false}, "releases": []}"#;

    async fn opened(value: Vec<u8>) -> Result<Option<Unfinished>, EngineError> {
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(&folder.path().join("state.redb")).unwrap();
        store.compare_and_set(KEY, None, Some(value)).await.unwrap();
        let store: &dyn Store = &*store;
        Journal::open(store).await.map(|(_, unfinished)| unfinished)
    }

    #[tokio::test]
    async fn an_unfinished_rollout_of_this_version_can_be_resumed() {
        let state = rollout::State::new(Default::default(), Default::default(), Default::default(), 1);
        let entry = Entry { state: state.clone(), releases: Vec::new(), owed: Vec::new() };
        let read = opened(serde_json::to_vec(&entry).unwrap()).await.unwrap();
        assert!(matches!(read, Some(Unfinished::Entry(read)) if read.state == state));
    }

    #[tokio::test]
    async fn an_unfinished_rollout_of_an_older_version_is_known_by_its_releases() {
        let read = opened(OLD.as_bytes().to_vec()).await.unwrap();
        assert!(matches!(read, Some(Unfinished::OtherVersion(releases)) if releases.is_empty()));
    }

    #[tokio::test]
    async fn a_damaged_entry_is_an_error_that_names_the_record() {
        let refused = opened(b"{\"state\": 1}".to_vec()).await.err().unwrap();
        assert_eq!(refused.to_string(), "the record at rollout/current cannot be read");
    }
}
