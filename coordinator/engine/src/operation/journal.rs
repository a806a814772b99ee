//! The journal of rollouts. It is written before every assignment, so that a rollout can be continued after the coordinator was
//! killed (F7).
//!
//! A rollout has a record, which is written once, and one entry for each step, which is written when the step progresses. So an
//! assignment costs what it changes.

use std::collections::BTreeMap;

use landfast_core::rollout::{Record, State, StepState};
use serde::{Deserialize, Serialize};

use crate::store::{Change, Store};

use super::releases::Release;
use crate::EngineError;

/// Prefix of all rollouts: `rollouts/0000000007/record`.
const PREFIX: &str = "rollouts/";
/// Key of the rollout of an earlier version, whose releases are read.
const OLD_KEY: &str = "rollout/current";

/// What the journal says of a rollout that did not come to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The plan and its aim.
    pub(super) rollout: Record,
    /// Releases to record when the rollout ends.
    pub(super) releases: Vec<Release>,
    /// Steps that are left out because their host is away.
    pub(super) owed: Vec<String>,
}

/// A rollout that did not come to its end.
pub(super) struct Unfinished {
    /// The entry, the progress of its steps, and the epoch of the last run that carried it out. `None` if another version of
    /// landfast wrote it, of which only the releases can be read.
    pub(super) entry: Option<(Entry, Vec<StepState>, u64)>,
    /// Releases that the rollout deploys.
    pub(super) releases: Vec<Release>,
    journal: Written,
}

/// The keys of a rollout, each with its version.
#[derive(Debug, Clone, Default)]
struct Written {
    /// Prefix of the keys.
    prefix: String,
    versions: BTreeMap<String, u64>,
}

/// The journal of one rollout.
pub(super) struct Journal<'a> {
    store: &'a dyn Store,
    written: Written,
    /// Whether the epoch of this run is written.
    has_epoch: bool,
    /// Steps as they were written last.
    steps: Vec<StepState>,
}

/// Returns all rollouts that did not come to their end.
///
/// # Errors
/// [`EngineError::Record`] if an entry has no releases: it is damaged.
pub(super) async fn unfinished(store: &dyn Store) -> Result<Vec<Unfinished>, EngineError> {
    /// What every version writes.
    #[derive(Deserialize)]
    struct OfAnyVersion {
        releases: Vec<Release>,
    }
    let mut rollouts: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    let mut journals: BTreeMap<String, Written> = BTreeMap::new();
    let mut records = store.range(PREFIX).await?;
    if let Some(old) = store.get(OLD_KEY).await? {
        records.push((OLD_KEY.to_owned(), old));
    }
    for (key, found) in records {
        let (prefix, part) = match key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')) {
            Some((id, part)) => (format!("{PREFIX}{id}/"), part.to_owned()),
            None => (key.clone(), RECORD.to_owned()),
        };
        rollouts.entry(prefix.clone()).or_default().insert(part, found.value);
        let journal = journals.entry(prefix.clone()).or_insert_with(|| Written { prefix, ..Written::default() });
        journal.versions.insert(key, found.version);
    }
    let read = rollouts.into_iter().map(|(prefix, parts)| {
        let journal = journals.remove(&prefix).unwrap_or_default();
        let record = parts.get(RECORD).map(Vec::as_slice).unwrap_or_default();
        let entry = serde_json::from_slice::<Entry>(record).ok().and_then(|entry| {
            let epoch = serde_json::from_slice(parts.get(EPOCH)?).ok()?;
            let steps = parts.iter().filter(|(part, _)| part.starts_with(STEP));
            let steps = steps.map(|(_, value)| serde_json::from_slice(value)).collect::<Result<Vec<_>, _>>().ok()?;
            (steps.len() == entry.rollout.plan.steps.len()).then_some((entry, steps, epoch))
        });
        let releases = match &entry {
            Some((entry, ..)) => entry.releases.clone(),
            None => match serde_json::from_slice(record) {
                Ok(OfAnyVersion { releases }) => releases,
                Err(source) => return Err(EngineError::Record { key: format!("{prefix}{RECORD}"), source }),
            },
        };
        Ok(Unfinished { entry, releases, journal })
    });
    read.collect()
}

/// Returns the release number that an unfinished rollout uses for this stack.
pub(super) async fn number(store: &dyn Store, stack: &str) -> Result<Option<u64>, EngineError> {
    let releases = unfinished(store).await?.into_iter().flat_map(|rollout| rollout.releases);
    Ok(releases.filter(|release| release.stack == stack).map(|release| release.number).max())
}

const RECORD: &str = "record";
const EPOCH: &str = "epoch";
const STEP: &str = "steps/";

impl Unfinished {
    /// Returns the changes that remove the rollout from the journal.
    pub(super) fn removal(self) -> Vec<Change> {
        self.journal.removal()
    }
}

impl Written {
    fn removal(self) -> Vec<Change> {
        let versions = self.versions.into_iter();
        versions.map(|(key, version)| Change { key, expected: Some(version), value: None }).collect()
    }

    fn change(&self, part: &str, value: &impl Serialize) -> Result<Change, EngineError> {
        let key = format!("{}{part}", self.prefix);
        let value = serde_json::to_vec(value).map_err(|source| EngineError::Record { key: key.clone(), source })?;
        Ok(Change { expected: self.versions.get(&key).copied(), key, value: Some(value) })
    }
}

impl<'a> Journal<'a> {
    /// Begins the journal of a rollout. Nothing is written before the first assignment.
    pub(super) fn new(store: &'a dyn Store, epoch: u64) -> Self {
        let written = Written { prefix: format!("{PREFIX}{epoch:010}/"), ..Written::default() };
        Self { store, written, has_epoch: false, steps: Vec::new() }
    }

    /// Continues the journal of a rollout.
    pub(super) fn resume(store: &'a dyn Store, unfinished: &Unfinished) -> Self {
        let steps = unfinished.entry.as_ref().map(|(_, steps, _)| steps.clone()).unwrap_or_default();
        Self { store, written: unfinished.journal.clone(), has_epoch: false, steps }
    }

    /// Writes what has changed of a rollout with other changes. They are durable when the future completes.
    pub(super) async fn write(&mut self, entry: &Entry, state: &State, others: Vec<Change>) -> Result<(), EngineError> {
        let mut changes = Vec::new();
        if self.written.versions.is_empty() {
            changes.push(self.written.change(RECORD, entry)?);
        }
        if !self.has_epoch {
            changes.push(self.written.change(EPOCH, &state.epoch)?);
        }
        for (at, step) in state.steps().iter().enumerate().filter(|(at, step)| self.steps.get(*at) != Some(*step)) {
            changes.push(self.written.change(&format!("{STEP}{at:06}"), step)?);
        }
        let own: Vec<String> = changes.iter().map(|change| change.key.clone()).collect();
        changes.extend(others);
        if changes.is_empty() {
            return Ok(());
        }
        let version = self.store.txn(changes).await?;
        self.written.versions.extend(own.into_iter().map(|key| (key, version)));
        self.has_epoch = true;
        self.steps = state.steps().to_vec();
        Ok(())
    }

    /// Deletes the journal of a rollout that has ended, in one transaction with the other changes that its end makes (F66).
    pub(super) async fn close(self, mut changes: Vec<Change>) -> Result<(), EngineError> {
        changes.extend(self.written.removal());
        if !changes.is_empty() {
            self.store.txn(changes).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;
    use landfast_core::plan::{Action, Plan, Step};
    use landfast_core::rollout::{Event, step};

    /// An unfinished rollout of an earlier version, whose steps have the same fields for every action.
    const OLD: &str = r#"{"state": {"plan": {"steps": [{"action": "sync", "stack": "web", "service": "", "instance": "",
        "host": "alpha", "reasons": ["the stack is new here"], "interrupts": false}], "warnings": []}, "epoch": 1,
        "target": {}, "before": {}, "steps": [], "hosts": {}, "failures": [], "failing_since": null,
        "stalled_since": null, "ended": false}, "releases": []}"#;

    fn opened() -> (tempfile::TempDir, Box<dyn Store>) {
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(&folder.path().join("state.redb"), None).unwrap();
        (folder, store)
    }

    fn removal(stack: &str) -> Step {
        let action = Action::RemoveTree { stack: stack.to_owned() };
        Step { host: "alpha".to_owned(), action, reasons: Vec::new(), after: Vec::new() }
    }

    fn begun() -> (Entry, State) {
        let plan = Plan { steps: vec![removal("data"), removal("web")], warnings: Vec::new() };
        let state = State::new(plan, BTreeMap::new(), BTreeMap::new(), 7);
        (Entry { rollout: Record::of(&state), releases: Vec::new(), owed: Vec::new() }, state)
    }

    async fn keys(store: &dyn Store) -> Vec<String> {
        store.range("").await.unwrap().into_iter().map(|(key, _)| key).collect()
    }

    #[tokio::test]
    async fn an_unfinished_rollout_can_be_resumed_until_it_is_closed() {
        let (_folder, store) = opened();
        let (entry, state) = begun();
        let mut journal = Journal::new(&*store, 7);
        journal.write(&entry, &state, Vec::new()).await.unwrap();
        assert_eq!(keys(&*store).await.len(), 4);
        // A step that progresses is written, and nothing else.
        let before = store.range("").await.unwrap();
        let (state, _) = step(state, Event::Start { epoch: 7, owner: String::new() }, 1000);
        journal.write(&entry, &state, Vec::new()).await.unwrap();
        let changed = store.range("").await.unwrap().into_iter().filter(|record| !before.contains(record));
        assert_eq!(
            changed.map(|(key, _)| key).collect::<Vec<_>>(),
            ["rollouts/0000000007/steps/000000", "rollouts/0000000007/steps/000001"]
        );
        let mut found = unfinished(&*store).await.unwrap();
        let (read, steps, epoch) = found[0].entry.clone().unwrap();
        assert_eq!((read, steps.as_slice(), epoch), (entry.clone(), state.steps(), 7));
        // The run that continues it records its own epoch, so that nobody else's is taken for it.
        let mut journal = Journal::resume(&*store, &found.remove(0));
        let (state, _) = step(state, Event::Start { epoch: 9, owner: String::new() }, 2000);
        journal.write(&entry, &state, Vec::new()).await.unwrap();
        assert_eq!(unfinished(&*store).await.unwrap()[0].entry.as_ref().unwrap().2, 9);
        journal.close(Vec::new()).await.unwrap();
        assert!(keys(&*store).await.is_empty());
    }

    #[tokio::test]
    async fn an_unfinished_rollout_of_an_older_version_is_known_by_its_releases() {
        let (_folder, store) = opened();
        store.compare_and_set(OLD_KEY, None, Some(OLD.as_bytes().to_vec())).await.unwrap();
        let found = unfinished(&*store).await.unwrap().remove(0);
        assert!(found.entry.is_none() && found.releases.is_empty());
        store.txn(found.removal()).await.unwrap();
        assert!(unfinished(&*store).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_damaged_entry_is_an_error_that_names_the_record() {
        let (_folder, store) = opened();
        let key = "rollouts/0000000007/record";
        store.compare_and_set(key, None, Some(b"{\"rollout\": 1}".to_vec())).await.unwrap();
        let refused = unfinished(&*store).await.err().unwrap();
        assert_eq!(refused.to_string(), "the record at rollouts/0000000007/record cannot be read");
    }
}
