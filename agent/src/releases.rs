//! The history of the stacks that are or were on the host, one file for each stack. It says what runs did to a stack, so that every
//! operator can roll it back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use landfast_agreement::StackName;
use prost::Message as _;

use crate::durable;
use crate::error_text::in_one_line;
use crate::wire::{ReleaseRecord, Releases};

/// Number of records of a stack that are kept.
const KEPT: usize = 20;
/// First line of a file. The digest of the body and the body itself follow.
const HEADER: &[u8] = b"landfast releases 1\n";
/// Length of the longest text in a record, in bytes.
const TEXT_MAX: usize = 4096;
/// Largest number of steps that a record owes.
const OWED_MAX: usize = 1000;

/// Largest number of secrets that a record names.
const SECRETS_MAX: usize = 10_000;

type Records = BTreeMap<String, BTreeMap<u64, ReleaseRecord>>;

/// Why a record is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("the record of release {number} of {stack:?} is not valid")]
    Invalid { stack: String, number: u64 },
    #[error("the deployment {digest} is not on this host: push it first")]
    Missing { digest: String },
    #[error("the record cannot be written")]
    Write(#[from] std::io::Error),
}

/// The records, on the disk and in memory.
pub(crate) struct History {
    folder: PathBuf,
    records: Mutex<Records>,
}

impl History {
    /// Reads the records from the agent's state folder. A file that cannot be used is left where it is until the next record of
    /// its stack.
    pub(crate) fn open(state: &Path) -> std::io::Result<Self> {
        let folder = state.join("releases");
        durable::folder(&folder)?;
        let mut records = Records::new();
        for entry in fs_err::read_dir(&folder)? {
            let path = entry?.path();
            let Some(stack) = path.file_name().and_then(|name| name.to_str()).filter(|name| StackName::is_valid(name))
            else {
                continue;
            };
            match read(&path) {
                Ok(found) => {
                    let found = found.records.into_iter().map(|record| (record.number, record)).collect();
                    records.insert(stack.to_owned(), found);
                }
                Err(error) => tracing::error!(path = %path.display(), error = in_one_line(&error), "history not used"),
            }
        }
        Ok(Self { folder, records: Mutex::new(records) })
    }

    /// All records, by stack and number.
    pub(crate) fn all(&self) -> Vec<ReleaseRecord> {
        self.lock().values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Digests of the deployments and manifests that the records name.
    pub(crate) fn digests(&self) -> Vec<String> {
        let records = self.lock();
        let named =
            records.values().flat_map(BTreeMap::values).flat_map(|record| [&record.deployment, &record.manifest]);
        named.filter(|digest| !digest.is_empty()).cloned().collect()
    }

    /// Digests of the secret blobs that the records name.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let records = self.lock();
        records.values().flat_map(BTreeMap::values).flat_map(|record| &record.secrets).cloned().collect()
    }

    /// Adds records, or replaces those with the same number. They are on the disk when this returns. `has` says whether a blob is
    /// on the host. Blocks.
    pub(crate) fn record(&self, new: Vec<ReleaseRecord>, has: impl Fn(&str) -> bool) -> Result<(), RecordError> {
        for record in &new {
            if !is_valid(record) {
                return Err(RecordError::Invalid { stack: record.stack.clone(), number: record.number });
            }
            if !record.deployment.is_empty() && !has(&record.deployment) {
                return Err(RecordError::Missing { digest: record.deployment.clone() });
            }
        }
        let mut records = self.lock();
        for record in new {
            let mut of_stack = records.get(&record.stack).cloned().unwrap_or_default();
            let stack = record.stack.clone();
            of_stack.insert(record.number, record);
            while of_stack.len() > KEPT {
                of_stack.pop_first();
            }
            let body = Releases { records: of_stack.values().cloned().collect() }.encode_to_vec();
            let digest = blake3::hash(&body).to_hex();
            durable::replace(&self.folder.join(&stack), &[HEADER, digest.as_bytes(), b"\n", &body])?;
            records.insert(stack, of_stack);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_valid(record: &ReleaseRecord) -> bool {
    let is_digest = |text: &str| text.is_empty() || (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    let is_text = |text: &String| text.len() <= TEXT_MAX;
    StackName::is_valid(&record.stack)
        && record.number > 0
        && is_digest(&record.manifest)
        && is_digest(&record.deployment)
        && is_text(&record.time)
        && is_text(&record.env)
        && record.secrets.len() <= SECRETS_MAX
        && record.secrets.iter().all(|digest| !digest.is_empty() && is_digest(digest))
        && record.owed.len() <= OWED_MAX
        && record.owed.iter().all(is_text)
}

fn read(path: &Path) -> std::io::Result<Releases> {
    let damaged = || std::io::Error::other("it is damaged");
    let bytes = fs_err::read(path)?;
    let body = durable::body(&bytes, HEADER).ok_or_else(damaged)?;
    Releases::decode(body).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stack: &str, number: u64) -> ReleaseRecord {
        let (time, deployment) = ("2026-12-01T00:00:00Z".to_owned(), "a".repeat(64));
        ReleaseRecord { stack: stack.to_owned(), number, time, deployment, ..ReleaseRecord::default() }
    }

    fn numbers(history: &History) -> Vec<String> {
        history.all().iter().map(|record| format!("{} {}", record.stack, record.number)).collect()
    }

    #[test]
    fn records_survive_a_restart_and_only_the_last_ones_of_a_stack_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let history = History::open(folder.path()).expect("opens");
        let many = (1..=25).map(|number| record("data", number)).collect();
        history.record(many, |_| true).expect("written");
        history.record(vec![record("web", 3)], |_| true).expect("written");
        let ended = ReleaseRecord { outcome: 2, ..record("web", 3) };
        history.record(vec![ended.clone()], |_| true).expect("written");
        let history = History::open(folder.path()).expect("opens");
        let expected: Vec<String> =
            (6..=25).map(|number| format!("data {number}")).chain(["web 3".to_owned()]).collect();
        assert_eq!(numbers(&history), expected);
        assert_eq!(history.all().last(), Some(&ended));
        assert_eq!(history.digests().len(), 21);
    }

    #[test]
    fn a_damaged_file_loses_the_history_of_its_stack_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let history = History::open(folder.path()).expect("opens");
        history.record(vec![record("data", 1), record("web", 1)], |_| true).expect("written");
        std::fs::write(folder.path().join("releases/data"), "x").expect("written");
        let history = History::open(folder.path()).expect("opens");
        assert_eq!(numbers(&history), ["web 1"]);
        history.record(vec![record("data", 2)], |_| true).expect("written");
        assert_eq!(numbers(&History::open(folder.path()).expect("opens")), ["data 2", "web 1"]);
    }

    #[test]
    fn a_record_that_is_not_valid_or_lacks_its_deployment_is_refused_with_all_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let history = History::open(folder.path()).expect("opens");
        let bad = [
            record("../data", 1),
            record("data", 0),
            ReleaseRecord { manifest: "m".to_owned(), ..record("data", 1) },
            ReleaseRecord { secrets: vec![String::new()], ..record("data", 1) },
            ReleaseRecord { owed: vec!["x".repeat(5000)], ..record("data", 1) },
        ];
        for bad in bad {
            let refused = history.record(vec![record("web", 1), bad], |_| true);
            assert!(matches!(refused, Err(RecordError::Invalid { .. })), "{refused:?}");
        }
        assert!(matches!(history.record(vec![record("web", 1)], |_| false), Err(RecordError::Missing { .. })));
        assert!(numbers(&history).is_empty());
    }
}
