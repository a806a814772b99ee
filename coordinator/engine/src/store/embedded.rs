//! Owns the file of the embedded store (redb). The file is locked while it is open, every commit is durable, and a
//! damaged file is refused.
//!
//! redb checks its pages only after a crash. This module verifies the whole file before opening it, so that a flipped
//! bit is detected before any decision depends on it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend as _, StorageError,
    TableDefinition,
};
use tempfile::NamedTempFile;

use super::{Change, Store, StoreError, Versioned};

/// Version and value of each record, keyed by its key.
const RECORDS: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("records");
/// The numbers `format` and `version`, the last version that was used.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const FORMAT: u64 = 1;

/// Maximum size of redb's cache in bytes; the store is small.
const CACHE: usize = 16 * 1024 * 1024;

pub(super) struct Embedded {
    file: Arc<OpenStore>,
}

struct OpenStore {
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
        let file = Arc::new(OpenStore { path, database });
        Ok(Self { file })
    }

    /// Runs disk operations on a thread that may block.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OpenStore) -> Result<T, StoreError> + Send + 'static,
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

    fn txn(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.on_disk(move |file| file.txn(&changes)))
    }

    fn range<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        let prefix = prefix.to_owned();
        Box::pin(self.on_disk(move |file| file.range(&prefix)))
    }
}

impl OpenStore {
    fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let records = self.database.begin_read()?.open_table(RECORDS)?;
            let record = records.get(key)?;
            Ok(record.map(|record| versioned(record.value())))
        };
        read().map_err(|error| failed(&self.path, error))
    }

    fn txn(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let write = || -> Result<Result<u64, String>, redb::Error> {
            // A transaction that is dropped without a commit has no effect.
            let transaction = self.database.begin_write()?;
            let version;
            {
                let mut records = transaction.open_table(RECORDS)?;
                let mut numbers = transaction.open_table(NUMBERS)?;
                version = numbers.get("version")?.map_or(0, |number| number.value()) + 1;
                numbers.insert("version", version)?;
                for Change { key, expected, value } in changes {
                    if records.get(key.as_str())?.map(|record| record.value().0) != *expected {
                        return Ok(Err(key.clone()));
                    }
                    match value {
                        Some(value) => drop(records.insert(key.as_str(), (version, value.as_slice()))?),
                        None => drop(records.remove(key.as_str())?),
                    }
                }
            }
            transaction.commit()?;
            Ok(Ok(version))
        };
        match write() {
            Ok(Ok(version)) => Ok(version),
            Ok(Err(key)) => Err(StoreError::Conflict { key }),
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

/// Creates a new store as a temporary file and renames it when it is complete, so that a crash never leaves an
/// incomplete store.
fn create(path: &Path) -> Result<Database, StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unusable(folder, error))?;
    // Only its owner can access a temporary file.
    let (file, temporary) = NamedTempFile::new_in(folder).map_err(|error| unusable(folder, error))?.into_parts();
    let file = locked(file, &temporary, path)?;
    let database = builder().create_file(file).map_err(|error| not_opened(&temporary, error))?;
    let format = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(RECORDS)?;
        transaction.open_table(NUMBERS)?.insert("format", FORMAT)?;
        transaction.commit()?;
        Ok(())
    };
    format().map_err(|error| failed(&temporary, error))?;
    // The commit has synced the file.
    temporary.persist_noclobber(path).map_err(|failed| match failed.error.kind() {
        // Another process created the store in the meantime and has it open.
        io::ErrorKind::AlreadyExists => StoreError::Locked { path: path.display().to_string() },
        _ => unusable(path, failed.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unusable(folder, error))?;
    Ok(database)
}

/// Opens an existing file after a copy in memory passed verification. Opening a file modifies it, and a damaged file
/// must stay unmodified.
fn open_existing(path: &Path) -> Result<Database, StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| unusable(path, error))?;
    let mut file = locked(file, path, path)?;
    let mut contents = Vec::new();
    file.read_to_end(&mut contents).map_err(|error| unusable(path, error))?;
    // redb panics on some kinds of damage.
    catch_unwind(AssertUnwindSafe(|| verify(path, &contents)))
        .unwrap_or_else(|_| Err(damaged(path, "it is not a store")))?;
    builder().create_file(file).map_err(|error| not_opened(path, error))
}

fn verify(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let copy = InMemoryBackend::new();
    copy.set_len(contents.len() as u64)
        .and_then(|()| copy.write(0, contents))
        .map_err(|error| unusable(path, error))?;
    let mut database = builder().create_with_backend(copy).map_err(|error| not_opened(path, error))?;
    if !database.check_integrity().map_err(|error| not_opened(path, error))? {
        return Err(damaged(path, "its pages are inconsistent"));
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
        Some(newer) if newer > FORMAT => {
            return Err(unusable(path, io::Error::other("a newer version of landfast created it")));
        }
        _ => return Err(damaged(path, "its format is unknown")),
    }
    let last = number("version").map_err(|error| failed(path, error))?.unwrap_or(0);
    let records = read_range(path, database, "")?;
    match records.iter().find(|(_, record)| record.version > last) {
        Some((key, _)) => Err(damaged(path, &format!("{key} is newer than the store itself"))),
        None => Ok(()),
    }
}

/// Locks the open file for this process. redb's own lock comes too late to read the file undisturbed.
fn locked(opened: File, file: &Path, store: &Path) -> Result<File, StoreError> {
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
