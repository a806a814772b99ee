//! Owns the file of the embedded store (redb). The file is locked while it is open, every commit is durable, and a
//! damaged file is refused.
//!
//! redb checks its pages only after a crash. This module verifies the whole file before opening it, so that a flipped
//! bit is detected before any decision depends on it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::ops::Bound;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend, StorageError,
    TableDefinition,
};
use tempfile::NamedTempFile;

use super::overlay::Overlay;
use super::user::Record;
use super::{Change, Page, Store, StoreError, User, Versioned};

/// Version and value of each record, keyed by its key.
const RECORDS: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("records");
/// The numbers `format` and `version`, the last version that was used.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const FORMAT: u64 = 1;
/// Number of times that a copy is tried again if the file changes meanwhile.
const COPY_ATTEMPTS: u32 = 20;

/// Maximum size of redb's cache in bytes; the store is small.
const CACHE: usize = 16 * 1024 * 1024;

pub(super) struct Embedded {
    file: Arc<OpenStore>,
}

struct OpenStore {
    /// It is dropped before the database, so that it cannot be that of the next process.
    _record: Option<Record>,
    path: PathBuf,
    database: Database,
}

impl Embedded {
    pub(super) fn open(path: PathBuf, user: Option<&User>) -> Result<Self, StoreError> {
        let database = match std::fs::metadata(&path) {
            Ok(file) if file.len() == 0 => Err(damaged(&path, "it is empty")),
            Ok(_) => open_existing(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path),
            Err(error) => Err(unusable(&path, error)),
        }?;
        let record = user.and_then(|user| user.record(&path));
        Ok(Self { file: Arc::new(OpenStore { _record: record, path, database }) })
    }

    /// Copies the file into memory, if there is one. A file that another process writes to while it is read is read again.
    pub(super) fn copy(path: PathBuf) -> Result<Self, StoreError> {
        let mut attempts = 0..COPY_ATTEMPTS;
        let database = loop {
            let copy = match File::open(&path).and_then(in_memory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break empty_copy(&path)?,
                copy => copy.map_err(|error| unusable(&path, error))?,
            };
            match verified(&path, copy) {
                Err(StoreError::Damaged { .. }) if attempts.next().is_some() => {}
                copied => break copied?,
            }
        };
        Ok(Self { file: Arc::new(OpenStore { _record: None, path, database }) })
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

    fn page<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(self.on_disk(move |file| file.page(&prefix, after.as_deref(), limit)))
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

    fn page(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        read_page(&self.path, &self.database, prefix, after, limit)
    }
}

fn read_page(
    path: &Path,
    database: &Database,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page, StoreError> {
    let read = || -> Result<Page, redb::Error> {
        let transaction = database.begin_read()?;
        let revision = transaction.open_table(NUMBERS)?.get("version")?.map_or(0, |number| number.value());
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut page = Page { records: Vec::new(), revision, has_more: false };
        for record in transaction.open_table(RECORDS)?.range::<&str>((start, Bound::Unbounded))? {
            let (key, record) = record?;
            if !key.value().starts_with(prefix) {
                break;
            }
            if page.records.len() == limit {
                page.has_more = true;
                break;
            }
            page.records.push((key.value().to_owned(), versioned(record.value())));
        }
        Ok(page)
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
    format(&database).map_err(|error| failed(&temporary, error))?;
    // The commit has synced the file.
    temporary.persist_noclobber(path).map_err(|failed| match failed.error.kind() {
        // Another process created the store in the meantime and has it open.
        io::ErrorKind::AlreadyExists => StoreError::Locked { path: path.display().to_string(), user: None },
        _ => unusable(path, failed.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unusable(folder, error))?;
    Ok(database)
}

/// Creates a store in memory.
fn empty_copy(path: &Path) -> Result<Database, StoreError> {
    let created = builder().create_with_backend(InMemoryBackend::new());
    let database = created.map_err(|error| not_opened(path, error))?;
    format(&database).map_err(|error| failed(path, error))?;
    Ok(database)
}

/// Writes the format into a new database.
fn format(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(NUMBERS)?.insert("format", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

/// Opens an existing file after it passed verification. Opening a file modifies it, and a damaged file must stay unmodified, so
/// it is verified in a form whose changes stay in memory.
fn open_existing(path: &Path) -> Result<Database, StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| unusable(path, error))?;
    let file = locked(file, path, path)?;
    let overlay = file.try_clone().and_then(Overlay::new).map_err(|error| unusable(path, error))?;
    drop(verified(path, overlay)?);
    builder().create_file(file).map_err(|error| not_opened(path, error))
}

/// Reads a file into memory.
fn in_memory(mut file: File) -> io::Result<InMemoryBackend> {
    let copy = InMemoryBackend::new();
    let mut buffer = vec![0; 256 << 10];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(copy);
        }
        copy.set_len(length + read as u64)?;
        copy.write(length, &buffer[..read])?;
        length += read as u64;
    }
}

/// Opens a store that may be modified, if it is not damaged.
fn verified(path: &Path, backend: impl StorageBackend) -> Result<Database, StoreError> {
    let verify = || {
        let mut database = builder().create_with_backend(backend).map_err(|error| not_opened(path, error))?;
        if !database.check_integrity().map_err(|error| not_opened(path, error))? {
            return Err(damaged(path, "its pages are inconsistent"));
        }
        check(path, &database)?;
        Ok(database)
    };
    // redb panics on some kinds of damage.
    catch_unwind(AssertUnwindSafe(verify)).unwrap_or_else(|_| Err(damaged(path, "it is not a store")))
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
    let newer = || -> Result<Option<String>, redb::Error> {
        for record in database.begin_read()?.open_table(RECORDS)?.iter()? {
            let (key, record) = record?;
            if record.value().0 > last {
                return Ok(Some(key.value().to_owned()));
            }
        }
        Ok(None)
    };
    match newer().map_err(|error| failed(path, error))? {
        Some(key) => Err(damaged(path, &format!("{key} is newer than the store itself"))),
        None => Ok(()),
    }
}

/// Locks the open file for this process. redb's own lock comes too late to read the file undisturbed.
fn locked(opened: File, file: &Path, store: &Path) -> Result<File, StoreError> {
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: store.display().to_string(), user: None }),
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
        DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: path.display().to_string(), user: None },
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
