//! Owns the one file of an embedded coordinator (redb): locked while open, durable at every commit, and refused when
//! damaged.
//!
//! redb checks its own pages only after a crash, so the file is verified whole before it is opened: a flipped bit is found
//! before anything is decided by it.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend as _, StorageError,
    TableDefinition,
};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use super::{Change, Lease, Store, StoreError, Versioned};

/// Key > (version, value).
const RECORDS: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("records");
/// `format` and `version`, the last version used.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const FORMAT: u64 = 1;

/// redb reserves this much memory at most; the store is small.
const CACHE: usize = 16 * 1024 * 1024;
/// Changes a watch may lag behind before it is told that it missed some.
const WATCH_LAG: usize = 1024;

pub(super) struct Embedded {
    file: Arc<Opened>,
    changes: broadcast::Sender<Change>,
    leases: Arc<Mutex<BTreeSet<String>>>,
}

struct Opened {
    path: PathBuf,
    database: Database,
}

impl Embedded {
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let database = match std::fs::metadata(&path) {
            Ok(file) if file.len() == 0 => Err(damaged(&path, "it is empty")),
            Ok(_) => open_existing(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path),
            Err(error) => Err(unusable(&path, error)),
        }?;
        let file = Arc::new(Opened { path, database });
        let (changes, _) = broadcast::channel(WATCH_LAG);
        Ok(Self { file, changes, leases: Arc::default() })
    }

    /// Runs work that waits for the disk where it holds up nobody.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = Arc::clone(&self.file);
        match tokio::task::spawn_blocking(move || work(&file)).await {
            Ok(result) => result,
            Err(panic) => Err(damaged(&self.file.path, &panic.to_string())),
        }
    }
}

impl Store for Embedded {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        let key = key.to_owned();
        Box::pin(self.on_disk(move |file| file.get(&key)))
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a str,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let (owned, changes) = (key.to_owned(), self.changes.clone());
        Box::pin(self.on_disk(move |file| {
            let version = file.compare_and_set(&owned, expected, value.as_deref())?;
            let now = value.map(|value| Versioned { value, version });
            // An error means that nobody watches.
            drop(changes.send(Change::Set { key: owned, now }));
            Ok(version)
        }))
    }

    fn range<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        let prefix = prefix.to_owned();
        Box::pin(self.on_disk(move |file| file.range(&prefix)))
    }

    fn watch(&self, prefix: &str) -> BoxStream<'static, Change> {
        let prefix = prefix.to_owned();
        let changes = BroadcastStream::new(self.changes.subscribe());
        let changes = changes.map(|change| change.unwrap_or(Change::Missed));
        Box::pin(changes.filter(move |change| {
            let wanted = match change {
                Change::Set { key, .. } => key.starts_with(&prefix),
                Change::Missed => true,
            };
            std::future::ready(wanted)
        }))
    }

    /// The file is this process's alone, so that a set in memory excludes everybody else.
    fn lease<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Lease, StoreError>> {
        let (name, leases) = (name.to_owned(), Arc::clone(&self.leases));
        Box::pin(std::future::ready(if leases.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
            Ok(Lease::new(name.clone(), move || {
                leases.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            }))
        } else {
            Err(StoreError::Held { name })
        }))
    }
}

impl Opened {
    fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let records = self.database.begin_read()?.open_table(RECORDS)?;
            let record = records.get(key)?;
            Ok(record.map(|record| versioned(record.value())))
        };
        read().map_err(|error| failed(&self.path, error))
    }

    fn compare_and_set(&self, key: &str, expected: Option<u64>, value: Option<&[u8]>) -> Result<u64, StoreError> {
        let write = || -> Result<Option<u64>, redb::Error> {
            // Dropped without a commit, the transaction leaves no trace.
            let transaction = self.database.begin_write()?;
            let version;
            {
                let mut records = transaction.open_table(RECORDS)?;
                let mut numbers = transaction.open_table(NUMBERS)?;
                if records.get(key)?.map(|record| record.value().0) != expected {
                    return Ok(None);
                }
                version = numbers.get("version")?.map_or(0, |number| number.value()) + 1;
                numbers.insert("version", version)?;
                match value {
                    Some(value) => drop(records.insert(key, (version, value))?),
                    None => drop(records.remove(key)?),
                }
            }
            transaction.commit()?;
            Ok(Some(version))
        };
        match write() {
            Ok(Some(version)) => Ok(version),
            Ok(None) => Err(StoreError::Conflict { key: key.to_owned() }),
            Err(error) => Err(failed(&self.path, error)),
        }
    }

    fn range(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        read_range(&self.path, &self.database, prefix)
    }
}

fn read_range(path: &Path, database: &Database, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
    let read = || -> Result<Vec<_>, redb::Error> {
        let records = database.begin_read()?.open_table(RECORDS)?;
        let mut found = Vec::new();
        for record in records.range(prefix..)? {
            let (key, record) = record?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_owned(), versioned(record.value())));
        }
        Ok(found)
    };
    read().map_err(|error| failed(path, error))
}

fn versioned((version, value): (u64, &[u8])) -> Versioned {
    Versioned { value: value.to_vec(), version }
}

/// A new file is made beside its place and moved there when it is whole, so that no crash leaves half of one.
fn create(path: &Path) -> Result<Database, StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unusable(folder, error))?;
    let temporary = path.with_extension("new");
    let file = open_locked(&temporary, path)?;
    let database = builder().create_file(file).map_err(|error| not_opened(&temporary, error))?;
    let format = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(RECORDS)?;
        transaction.open_table(NUMBERS)?.insert("format", FORMAT)?;
        transaction.commit()?;
        Ok(())
    };
    format().map_err(|error| failed(&temporary, error))?;
    match renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // Another process was quicker, and has it open.
        Err(rustix::io::Errno::EXIST) => return Err(StoreError::Locked { path: path.display().to_string() }),
        Err(error) => return Err(unusable(path, io::Error::from(error))),
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unusable(folder, error))?;
    Ok(database)
}

/// Opens a file that is there, once a copy of it in memory has passed: opening changes it, and what is damaged is to stay
/// as it is.
fn open_existing(path: &Path) -> Result<Database, StoreError> {
    let mut file = open_locked(path, path)?;
    let mut contents = Vec::new();
    file.read_to_end(&mut contents).map_err(|error| unusable(path, error))?;
    // redb panics on some damage.
    catch_unwind(AssertUnwindSafe(|| verify(path, &contents)))
        .unwrap_or_else(|_| Err(damaged(path, "it is no store")))?;
    builder().create_file(file).map_err(|error| not_opened(path, error))
}

fn verify(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let copy = InMemoryBackend::new();
    copy.set_len(contents.len() as u64)
        .and_then(|()| copy.write(0, contents))
        .map_err(|error| unusable(path, error))?;
    let mut database = builder().create_with_backend(copy).map_err(|error| not_opened(path, error))?;
    if !database.check_integrity().map_err(|error| not_opened(path, error))? {
        return Err(damaged(path, "its pages do not belong together"));
    }
    check(path, &database)
}

fn check(path: &Path, database: &Database) -> Result<(), StoreError> {
    let number = |name: &str| -> Result<Option<u64>, redb::Error> {
        let numbers = database.begin_read()?.open_table(NUMBERS)?;
        Ok(numbers.get(name)?.map(|number| number.value()))
    };
    match number("format").map_err(|error| failed(path, error))? {
        Some(FORMAT) => {}
        Some(newer) if newer > FORMAT => return Err(unusable(path, io::Error::other("a newer landfast made it"))),
        _ => return Err(damaged(path, "its format is unknown")),
    }
    let last = number("version").map_err(|error| failed(path, error))?.unwrap_or(0);
    let records = read_range(path, database, "")?;
    match records.iter().find(|(_, record)| record.version > last) {
        Some((key, _)) => Err(damaged(path, &format!("{key} is newer than the store itself"))),
        None => Ok(()),
    }
}

/// The file, locked for this process: redb's own lock comes too late to read it undisturbed before redb does. Releases
/// carry environments, so the file is its owner's alone.
fn open_locked(file: &Path, store: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file);
    let opened = opened.map_err(|error| unusable(file, error))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: store.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(unusable(file, error)),
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

fn damaged(path: &Path, problem: &str) -> StoreError {
    StoreError::Damaged { path: path.display().to_string(), problem: problem.to_owned() }
}

fn unusable(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unusable { path: path.display().to_string(), source: Box::new(source) }
}

fn not_opened(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: path.display().to_string() },
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
            damaged(path, &error.to_string())
        }
        other => failed(path, other.into()),
    }
}

fn failed(path: &Path, error: redb::Error) -> StoreError {
    match error {
        redb::Error::Corrupted(problem) => damaged(path, &problem),
        redb::Error::Io(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            damaged(path, &error.to_string())
        }
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::RepairAborted => damaged(path, &error.to_string()),
        other => unusable(path, other),
    }
}
