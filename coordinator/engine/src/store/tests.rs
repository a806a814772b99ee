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
        open(&self.path())
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
async fn f14_a_second_process_is_refused() {
    let (folder, store) = filled().await;
    let Err(error) = folder.open() else { panic!("opened twice") };
    assert_eq!(
        error.to_string(),
        format!("another landfast process is using {}: wait until it ends, or stop it", folder.path().display())
    );
    drop(store);
    folder.open().unwrap();
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
