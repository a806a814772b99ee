//! Tests of the embedded store, with intact and damaged files.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state/state.redb")
    }

    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        open(&self.path(), None)
    }
}

async fn filled() -> (Folder, Box<dyn Store>) {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    for number in 1..=20_u8 {
        let key = format!("releases/data/{number:010}");
        store.compare_and_set(&key, None, Some(vec![number; 500])).await.unwrap();
    }
    (folder, store)
}

#[tokio::test]
async fn records_are_there_when_the_store_is_opened_again() {
    let (folder, store) = filled().await;
    let version = store.compare_and_set("epochs/home", None, Some(b"7".to_vec())).await.unwrap();
    drop(store);
    let store = folder.open().unwrap();
    let found = store.get("epochs/home").await.unwrap();
    assert_eq!(found, Some(Versioned { value: b"7".to_vec(), version }));
    assert_eq!(store.range("releases/data/").await.unwrap().len(), 20);
    let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = std::fs::read_dir(folder.path().parent().unwrap()).unwrap();
    assert_eq!(files.count(), 1, "no temporary file is left");
}

#[tokio::test]
async fn f66_a_transaction_makes_all_of_its_changes_or_none() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    let first = store.compare_and_set("a", None, Some(b"1".to_vec())).await.unwrap();
    let change = |key: &str, expected, value: Option<&str>| Change {
        key: key.to_owned(),
        expected,
        value: value.map(|value| value.as_bytes().to_vec()),
    };
    let stale = vec![change("b", None, Some("2")), change("a", Some(first + 1), None)];
    assert!(matches!(store.txn(stale).await, Err(StoreError::Conflict { key }) if key == "a"));
    assert_eq!(store.get("b").await.unwrap(), None);
    let version = store.txn(vec![change("b", None, Some("2")), change("a", Some(first), None)]).await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(store.get("b").await.unwrap(), Some(Versioned { value: b"2".to_vec(), version }));
}

#[tokio::test]
async fn a_write_requires_the_current_version() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    let first = store.compare_and_set("a", None, Some(b"1".to_vec())).await.unwrap();
    for stale in [None, Some(first + 1), Some(0)] {
        let refused = store.compare_and_set("a", stale, Some(b"2".to_vec())).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    }
    let second = store.compare_and_set("a", Some(first), Some(b"2".to_vec())).await.unwrap();
    store.compare_and_set("a", Some(second), None).await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    let refused = store.compare_and_set("a", Some(second), None).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    let again = store.compare_and_set("a", None, Some(b"1".to_vec())).await.unwrap();
    assert!(again > second, "version {again} was used before");
}

#[tokio::test]
async fn a_range_contains_the_keys_with_its_prefix_in_order() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    for key in ["b/2", "b/10", "a", "c", "b/1", "b"] {
        store.compare_and_set(key, None, Some(key.as_bytes().to_vec())).await.unwrap();
    }
    let keys = store.range("b/").await.unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys, ["b/1", "b/10", "b/2"]);
}

#[tokio::test]
async fn f14_a_second_process_is_refused_and_told_who_uses_the_store() {
    let (folder, store) = filled().await;
    let path = folder.path().display().to_string();
    let refused = || folder.open().err().expect("opened twice").to_string();
    assert_eq!(refused(), format!("{path} is in use by another landfast process"));
    drop(store);
    let user = User::new("anna@laptop, process 4711".to_owned(), "up data");
    let store = open(&folder.path(), Some(&user)).unwrap();
    assert_eq!(
        refused(),
        format!("{path} is in use by anna@laptop, process 4711 (`landfast up data`, since {})", user.since)
    );
    drop(store);
    folder.open().unwrap();
    assert_eq!(std::fs::read_dir(folder.path().parent().unwrap()).unwrap().count(), 1, "the user is not left");
}

#[tokio::test]
async fn a_copy_reads_what_another_process_has_written_and_changes_nothing() {
    let (folder, store) = filled().await;
    let expected = store.range("").await.unwrap();
    let copy = open_copy(&folder.path()).unwrap();
    assert_eq!(copy.range("").await.unwrap(), expected);
    copy.compare_and_set("a", None, Some(b"1".to_vec())).await.unwrap();
    assert_eq!(copy.range("a").await.unwrap().len(), 1);
    assert_eq!(store.range("").await.unwrap(), expected);
    let nothing = open_copy(Path::new("/nonexistent/state.redb")).unwrap();
    nothing.compare_and_set("a", None, Some(b"1".to_vec())).await.unwrap();
    assert_eq!(nothing.range("").await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_whole_while_another_process_writes() {
    let (folder, store) = filled().await;
    let writes = tokio::spawn(async move {
        for number in 0..300_u64 {
            let changes = ["left", "right"].map(|key| store.overwrite(key.to_owned(), number.to_string().into_bytes()));
            let changes = futures::future::try_join_all(changes).await.unwrap();
            store.txn(changes).await.unwrap();
        }
    });
    while !writes.is_finished() {
        let copy = open_copy(&folder.path()).unwrap();
        let value = async |key: &str| copy.get(key).await.unwrap().map(|found| found.value);
        assert_eq!(value("left").await, value("right").await);
    }
    writes.await.unwrap();
}

#[tokio::test]
async fn a_range_is_read_in_pages_of_one_revision() {
    let (_folder, store) = filled().await;
    let first = store.page("releases/", None, 12).await.unwrap();
    assert!(first.has_more && first.records.len() == 12);
    let after = Some(first.records[11].0.as_str());
    let second = store.page("releases/", after, 12).await.unwrap();
    assert!(!second.has_more && second.records.len() == 8);
    assert_eq!(first.revision, second.revision);
    let all: Vec<_> = first.records.iter().chain(&second.records).cloned().collect();
    assert_eq!(all, store.range("releases/").await.unwrap());
    let changed = store.compare_and_set("z", None, Some(Vec::new())).await.unwrap();
    assert_eq!(store.page("releases/", after, 12).await.unwrap().revision, changed);
    assert!(!store.page("releases/", None, 20).await.unwrap().has_more, "there are no more than these");
}

/// A store whose first page is followed by a change.
struct Changing(Box<dyn Store>, std::sync::atomic::AtomicBool);

impl Store for Changing {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        self.0.get(key)
    }

    fn txn(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.0.txn(changes)
    }

    fn page<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let page = self.0.page(prefix, after, limit.min(7)).await?;
            if !self.1.swap(true, std::sync::atomic::Ordering::Relaxed) {
                let key = "releases/data/0000000001";
                let first = self.0.get(key).await?.map(|found| found.version);
                self.0.compare_and_set(key, first, None).await?;
            }
            Ok(page)
        })
    }
}

#[tokio::test]
async fn a_change_between_two_pages_is_not_seen_in_part() {
    let (_folder, store) = filled().await;
    let store: Box<dyn Store> = Box::new(Changing(store, false.into()));
    let keys: Vec<_> = store.range("releases/").await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!((keys.len(), keys[0].as_str()), (19, "releases/data/0000000002"));
}

#[tokio::test]
async fn f12_an_empty_a_short_and_a_foreign_file_are_refused_and_not_modified() {
    let (folder, store) = filled().await;
    drop(store);
    let whole = std::fs::read(folder.path()).unwrap();
    let cases = [Vec::new(), b"not a store".to_vec(), whole[..whole.len() / 2].to_vec(), vec![0; 8192]];
    for contents in cases {
        std::fs::write(folder.path(), &contents).unwrap();
        let Err(error) = folder.open() else { panic!("{} bytes were taken for a store", contents.len()) };
        assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert_eq!(error.to_string().contains("it is empty"), contents.is_empty(), "{error}");
        assert_eq!(std::fs::read(folder.path()).unwrap(), contents, "a refused file was changed");
    }
    std::fs::write(folder.path(), &whole).unwrap();
    folder.open().unwrap();
}

/// A copy of the file of an open store is the same as the file after a crash.
#[tokio::test]
async fn f13_acknowledged_writes_survive_two_crashes() {
    let (folder, store) = filled().await;
    let crashed = Folder::new();
    std::fs::create_dir(crashed.path().parent().unwrap()).unwrap();
    std::fs::copy(folder.path(), crashed.path()).unwrap();
    let expected = store.range("").await.unwrap();
    for _ in 0..2 {
        let again = crashed.open().unwrap();
        assert_eq!(again.range("").await.unwrap(), expected);
        let bytes = std::fs::read(crashed.path()).unwrap();
        drop(again);
        std::fs::write(crashed.path(), bytes).unwrap();
    }
}

/// If a flipped bit is not refused, it is in an unused part of the file, and all records read as they were written.
#[tokio::test]
async fn f12_a_flipped_bit_never_changes_what_is_read() {
    let (folder, store) = filled().await;
    let expected = store.range("").await.unwrap();
    drop(store);
    let whole = std::fs::read(folder.path()).unwrap();
    let mut refused = 0;
    let places = (0..512).step_by(5).chain((512..whole.len()).step_by(1009));
    for place in places {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        std::fs::write(folder.path(), flipped).unwrap();
        match folder.open() {
            Ok(store) => {
                assert_eq!(store.range("").await.unwrap(), expected, "a flipped bit at {place} was not detected")
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("state.redb"), "{error}");
            }
        }
    }
    assert!(refused > 0);
}
