//! The store on a real disk: what it accepts, refuses, keeps and repairs.

use std::os::unix::fs::PermissionsExt;

use landfast_proto::v1;
use prost::Message;

use super::*;

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn store() -> (tempfile::TempDir, BlobStore) {
    let state = tempfile::tempdir().expect("a folder");
    let store = BlobStore::open(state.path()).expect("a store");
    (state, store)
}

fn bring(store: &BlobStore, bytes: &[u8]) -> Result<bool, BlobError> {
    let mut incoming = store.receive(&digest(bytes), bytes.len() as u64)?;
    for part in bytes.chunks(3) {
        incoming.write(part)?;
    }
    incoming.finish()
}

fn read(store: &BlobStore, digest: &str) -> Result<Vec<u8>, BlobError> {
    let mut bytes = Vec::new();
    store.copy(&Digest::parse(digest).map_err(Invalid::from)?, 1 << 20, &mut bytes).map(|()| bytes)
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

fn entry(path: &str, content: v1::entry::Content) -> v1::Entry {
    v1::Entry { path: path.to_owned(), mode: 0o644, content: Some(content) }
}

fn file(bytes: &[u8]) -> v1::entry::Content {
    v1::entry::Content::File(v1::File { digest: digest(bytes), size: bytes.len() as u64 })
}

#[test]
fn a_blob_brought_in_parts_is_kept_and_is_root_s_alone() {
    let (state, store) = store();
    assert!(bring(&store, b"hello world").expect("kept"));
    assert!(!bring(&store, b"hello world").expect("kept"), "it is not new the second time");
    let name = digest(b"hello world");
    assert_eq!(read(&store, &name).expect("read"), b"hello world");
    assert_eq!(store.missing_blobs(&[name.clone(), digest(b"other")]).expect("asked"), [digest(b"other")]);

    let path = state.path().join("blobs").join(&name[..2]).join(&name);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
    assert_eq!(mode(&state.path().join("blobs")), 0o700);
}

#[test]
fn an_empty_blob_is_a_blob() {
    let (_state, store) = store();
    assert!(bring(&store, b"").expect("kept"));
    assert_eq!(read(&store, &digest(b"")).expect("read"), b"");
}

#[test]
fn f42_bytes_that_are_not_the_blob_are_refused_and_nothing_is_kept() {
    let (state, store) = store();
    let mut incoming = store.receive(&digest(b"right"), 5).expect("begun");
    incoming.write(b"wrong").expect("taken");
    assert!(matches!(incoming.finish(), Err(BlobError::Mismatch(_))));
    assert_eq!(files_in(&state.path().join("blobs/incoming")), 0);
    assert_eq!(store.missing_blobs(&[digest(b"right")]).expect("asked").len(), 1);
}

#[test]
fn f43_too_few_or_too_many_bytes_are_refused_and_nothing_is_kept() {
    let (state, store) = store();
    let mut short = store.receive(&digest(b"hello"), 5).expect("begun");
    short.write(b"hell").expect("taken");
    assert!(matches!(short.finish(), Err(BlobError::Size { got: 4, .. })));
    let mut long = store.receive(&digest(b"hello"), 5).expect("begun");
    assert!(matches!(long.write(b"hello!"), Err(BlobError::Size { got: 6, .. })));
    drop(long);
    assert_eq!(files_in(&state.path().join("blobs/incoming")), 0);
}

#[test]
fn t19_a_blob_announced_too_large_is_refused_before_a_byte_is_taken() {
    let (_state, store) = store();
    assert!(matches!(store.receive(&digest(b"x"), u64::MAX), Err(BlobError::TooLarge { .. })));
}

#[test]
fn t16_what_is_no_digest_never_becomes_a_path() {
    let (_state, store) = store();
    for name in ["", "..", "../../../etc/passwd", &"/".repeat(64), &"A".repeat(64), &format!("{}\n", &digest(b"")[1..])]
    {
        assert!(matches!(store.receive(name, 1), Err(BlobError::Name(_))), "{name}");
        assert!(store.file(name).is_err(), "{name}");
        assert!(store.missing_blobs(&[name.to_owned()]).is_err(), "{name}");
        assert!(store.missing_manifests(&[name.to_owned()]).is_err(), "{name}");
    }
}

#[test]
fn f42_a_blob_damaged_on_the_disk_is_not_used_and_is_brought_anew() {
    let (state, store) = store();
    bring(&store, b"precious").expect("kept");
    let name = digest(b"precious");
    assert!(store.missing_blobs(std::slice::from_ref(&name)).expect("asked").is_empty());
    fs::write(state.path().join("blobs").join(&name[..2]).join(&name), b"precioux").expect("damaged");
    assert!(matches!(read(&store, &name), Err(BlobError::Damaged(_))));
    assert_eq!(store.missing_blobs(std::slice::from_ref(&name)).expect("asked").len(), 1);
    assert!(bring(&store, b"precious").expect("kept again"));
    assert_eq!(read(&store, &name).expect("read"), b"precious");
}

#[test]
fn f01_what_was_half_received_when_the_agent_died_is_gone_at_its_start() {
    let (state, store) = store();
    let mut incoming = store.receive(&digest(b"hello"), 5).expect("begun");
    incoming.write(b"he").expect("taken");
    std::mem::forget(incoming);
    assert_eq!(files_in(&state.path().join("blobs/incoming")), 1);
    BlobStore::open(state.path()).expect("a store");
    assert_eq!(files_in(&state.path().join("blobs/incoming")), 0);
}

#[test]
fn f01_what_had_arrived_when_the_agent_was_killed_need_not_come_again() {
    let (state, store) = store();
    bring(&store, b"arrived").expect("kept");
    bring(&store, b"torn by a power cut").expect("kept");
    let verified = state.path().join("blobs/verified");
    assert_eq!(files_in(&verified), 2, "neither is synced yet");
    fs::write(verified.join(digest(b"torn by a power cut")), b"").expect("torn");
    let store = BlobStore::open(state.path()).expect("a store");
    let all = [digest(b"arrived"), digest(b"torn by a power cut")];
    assert_eq!(store.missing_blobs(&all).expect("asked"), [digest(b"torn by a power cut")]);
    assert_eq!(files_in(&verified), 0);
}

#[test]
fn f22_what_is_said_to_be_here_is_in_the_store_itself_however_much_came_at_once() {
    let (state, store) = store();
    let contents: Vec<String> = (0..40).map(|n| format!("blob {n}")).collect();
    for content in &contents {
        bring(&store, content.as_bytes()).expect("kept");
    }
    assert!(!bring(&store, contents[0].as_bytes()).expect("known"), "although it still waits");
    let digests: Vec<String> = contents.iter().map(|content| digest(content.as_bytes())).collect();
    assert!(store.missing_blobs(&digests).expect("asked").is_empty());
    assert_eq!(files_in(&state.path().join("blobs/verified")), 0);
    for (content, name) in contents.iter().zip(&digests) {
        assert_eq!(read(&store, name).expect("read"), content.as_bytes());
    }
}

#[test]
fn a_manifest_is_here_only_with_every_blob_it_names() {
    let (_state, store) = store();
    let link = v1::entry::Content::Link("a".to_owned());
    let manifest = v1::Manifest { entries: vec![entry("a", file(b"one")), entry("b", file(b"two")), entry("c", link)] };
    let bytes = manifest.encode_to_vec();
    let name = digest(&bytes);
    let missing = || store.missing_manifests(std::slice::from_ref(&name)).expect("asked").len();
    bring(&store, b"one").expect("kept");
    assert_eq!(missing(), 1, "the manifest itself");
    bring(&store, &bytes).expect("kept");
    assert_eq!(missing(), 1, "one of its blobs");
    bring(&store, b"two").expect("kept");
    assert_eq!(missing(), 0);
    assert_eq!(store.manifest(&Digest::parse(&name).expect("a digest")).expect("read").entries().count(), 3);
}

/// Every bundle that must not reach the disk, and a word that its refusal must contain.
#[test]
fn t16_a_manifest_that_could_do_harm_is_refused_and_names_the_path() {
    let (_state, store) = store();
    let link = |target: &str| v1::entry::Content::Link(target.to_owned());
    let with_mode = |mode| v1::Entry { mode, ..entry("bin/su", file(b"x")) };
    for (entries, word) in [
        (vec![entry("/etc/passwd", file(b"x"))], "/etc/passwd"),
        (vec![entry("a/../../x", file(b"x"))], "a/../../x"),
        (vec![entry("", file(b"x"))], "empty"),
        (vec![entry("a\0b", file(b"x"))], "control"),
        (vec![entry("l", link("/etc"))], "absolute"),
        (vec![entry("a/l", link("../../x"))], "leads out"),
        (vec![entry("l", link("x")), entry("l/y", file(b"x"))], "l/y"),
        (vec![entry("a", file(b"x")), entry("a", file(b"y"))], "two entries"),
        (vec![with_mode(0o4755)], "bin/su"),
        (vec![with_mode(0o100_644)], "bin/su"),
        (vec![v1::Entry { path: "a".to_owned(), mode: 0o644, content: None }], "no content"),
    ] {
        let bytes = v1::Manifest { entries }.encode_to_vec();
        bring(&store, &bytes).expect("kept");
        let error = store.manifest(&Digest::parse(&digest(&bytes)).expect("a digest")).expect_err(word);
        let BlobError::Manifest { source, .. } = &error else { panic!("{error}") };
        assert!(source.to_string().contains(word), "{source}");
        assert!(
            store.missing_manifests(&[digest(&bytes)]).is_err(),
            "{word}: not called missing, as nothing would help"
        );
    }
}

#[test]
fn t19_a_small_manifest_of_very_many_entries_is_refused() {
    let bytes = [10, 0].repeat(300_000);
    assert!(matches!(manifest::decode(&bytes), Err(manifest::ManifestError::Invalid(_))));
    let one = v1::Manifest { entries: vec![entry("a", v1::entry::Content::Folder(true))] }.encode_to_vec();
    assert!(matches!(manifest::decode(&one.repeat(250_001)), Err(manifest::ManifestError::TooMany)));
    assert!(matches!(manifest::decode(&[18, 0]), Err(manifest::ManifestError::Unknown)));
    assert!(matches!(manifest::decode(&one[..one.len() - 1]), Err(manifest::ManifestError::Encoding(_))));
}
