//! Live trees on a real disk.

mod crash;
mod hostile;
mod random;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use landfast_proto::v1;
use prost::Message;

use super::*;

const STACK: &str = "data";

struct Host {
    state: tempfile::TempDir,
    blobs: BlobStore,
    trees: Trees,
}

impl Host {
    fn new() -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let blobs = BlobStore::open(state.path()).expect("a store");
        let trees = Trees::open(state.path(), blobs.clone()).expect("trees");
        Self { state, blobs, trees }
    }

    fn restarted(self) -> Self {
        let blobs = BlobStore::open(self.state.path()).expect("a store");
        let trees = Trees::open(self.state.path(), blobs.clone()).expect("trees");
        Self { state: self.state, blobs, trees }
    }

    fn live(&self) -> PathBuf {
        self.trees.path(STACK).expect("a path")
    }

    /// Stores a bundle: its blobs and its manifest. `"-> x"` is a link, `"/"` a folder, `"text +x"` a file of mode 755.
    fn bundle(&self, entries: &[(&str, &str)]) -> String {
        bundle(&self.blobs, entries)
    }

    fn up(&self, entries: &[(&str, &str)]) -> Result<Left, TreeError> {
        self.trees.apply(STACK, &self.bundle(entries))
    }

    /// Lists every file and link of the tree, as `path=contents` or `path>target`.
    fn print(&self) -> String {
        let mut lines = Vec::new();
        print(&self.live(), "", &mut lines);
        lines.sort();
        lines.join(" ")
    }

    fn drift(&self) -> Vec<String> {
        seen(&self.trees).1
    }
}

/// The bundle and the drift of a tree that is not being changed.
fn seen(trees: &Trees) -> (Option<String>, Vec<String>) {
    let Seen { manifest, drift, .. } = trees.observe(STACK).expect("observed");
    (manifest, drift.expect("not being changed"))
}

fn bundle(blobs: &BlobStore, entries: &[(&str, &str)]) -> String {
    let entry = |(path, what): &(&str, &str)| {
        let (what, mode) = what.strip_suffix(" +x").map_or((*what, 0o644), |what| (what, 0o755));
        let content = match what.strip_prefix("-> ") {
            Some(target) => v1::entry::Content::Link(target.to_owned()),
            None if what == "/" => v1::entry::Content::Folder(true),
            None => {
                let digest = bring(blobs, what.as_bytes());
                v1::entry::Content::File(v1::File { digest, size: what.len() as u64 })
            }
        };
        v1::Entry { path: (*path).to_owned(), mode, content: Some(content) }
    };
    bring(blobs, &v1::Manifest { entries: entries.iter().map(entry).collect() }.encode_to_vec())
}

fn bring(blobs: &BlobStore, bytes: &[u8]) -> String {
    let digest = blake3::hash(bytes).to_hex().to_string();
    let mut incoming = blobs.receive(&digest, bytes.len() as u64).expect("begun");
    incoming.write(bytes).expect("taken");
    incoming.finish().expect("kept");
    digest
}

fn print(folder: &Path, prefix: &str, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            print(&entry.path(), &format!("{name}/"), lines);
        } else if kind.is_symlink() {
            lines.push(format!("{name}>{}", fs::read_link(entry.path()).expect("a link").display()));
        } else {
            lines.push(format!("{name}={}", fs::read_to_string(entry.path()).expect("a file")));
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("there").permissions().mode() & 0o7777
}

#[test]
fn a_bundle_becomes_a_tree_with_its_modes_and_data_beside_it_survives_every_bundle() {
    let host = Host::new();
    host.up(&[("a/run.sh", "go +x"), ("b", "two"), ("l", "-> a/run.sh"), ("empty", "/")]).expect("applied");
    assert_eq!(host.print(), "a/run.sh=go b=two l>a/run.sh");
    assert_eq!(mode(&host.live().join("a/run.sh")), 0o755);
    assert_eq!(mode(&host.live().join("b")), 0o644);
    assert_eq!(mode(&host.live().join("a")), 0o755);
    assert!(host.live().join("empty").is_dir());
    assert_eq!(fs::metadata(host.live().join("b")).expect("there").uid(), 0, "files are root's");

    fs::create_dir(host.live().join("a/postgres")).expect("made");
    fs::write(host.live().join("a/postgres/base"), "rows").expect("written");
    host.up(&[("b", "three +x")]).expect("applied");
    assert_eq!(host.print(), "a/postgres/base=rows b=three");
    assert_eq!(mode(&host.live().join("b")), 0o755);
    host.trees.remove(STACK).expect("removed");
    assert_eq!(host.print(), "a/postgres/base=rows");
    assert_eq!(host.trees.stacks().expect("listed"), [""; 0]);
}

/// Time after which a wait of a test has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs work on a thread, and returns its result if it ends in time.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(limit).ok()
}

#[test]
fn a_sync_that_hangs_keeps_no_other_stack_and_no_observation_waiting() {
    let Host { state, blobs, trees } = Host::new();
    let trees = Arc::new(trees);
    let (first, next) = (bundle(&blobs, &[("a", "one")]), bundle(&blobs, &[("a", "slow"), ("b", "two")]));
    let other = bundle(&blobs, &[("c", "three")]);
    trees.apply(STACK, &first).expect("applied");
    // A pipe takes the place of a blob: whoever reads the blob waits for its contents.
    let slow = blake3::hash(b"slow").to_hex().to_string();
    assert!(blobs.missing_blobs(std::slice::from_ref(&slow)).expect("asked").is_empty());
    let pipe = state.path().join("blobs").join(&slow[..2]).join(&slow);
    fs::remove_file(&pipe).expect("removed");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo ran").success());
    let (syncing, target) = (trees.clone(), next.clone());
    let sync = std::thread::spawn(move || syncing.apply(STACK, &target));
    // The pipe can be opened to write once the sync has opened it to read.
    let open = move || fs::OpenOptions::new().write(true).open(&pipe).expect("opened");
    let mut contents = within(DEADLINE, open).expect("the sync reads the blob");

    let observing = trees.clone();
    let observe = move || {
        let observing = observing.clone();
        within(DEADLINE, move || observing.observe(STACK)).expect("does not wait").expect("observed")
    };
    let before = observe();
    let expected = Seen { manifest: Some(first), drift: None, progress: before.progress };
    assert_eq!(before, expected, "no file of the tree is changed yet");
    let (syncing, target) = (trees.clone(), other.clone());
    let other_done = within(DEADLINE, move || syncing.apply("web", &target)).expect("does not wait");
    other_done.expect("applied");
    assert_eq!(trees.observe("web").expect("observed").manifest, Some(other));

    // A part of a file is progress too.
    contents.write_all(b"sl").expect("written");
    let until = Instant::now() + DEADLINE;
    while observe().progress < before.progress + 2 {
        assert!(Instant::now() < until, "the sync writes what it reads");
        std::thread::yield_now();
    }
    assert_eq!(observe().progress, before.progress + 2);
    contents.write_all(b"ow").expect("written");
    drop(contents);
    sync.join().expect("no panic").expect("applied");
    assert_eq!(seen(&trees), (Some(next), vec![]));
}

#[test]
fn a_tree_knows_which_bundle_it_is_and_applying_it_again_changes_nothing() {
    let host = Host::new();
    assert_eq!(seen(&host.trees), (None, vec![]));
    let digest = host.bundle(&[("a/b", "one")]);
    host.trees.apply(STACK, &digest).expect("applied");
    let before = fs::metadata(host.live().join("a/b")).expect("there").ino();
    assert_eq!(host.trees.apply(STACK, &digest).expect("applied"), Left::default());
    assert_eq!(fs::metadata(host.live().join("a/b")).expect("there").ino(), before);
    assert_eq!(seen(&host.trees), (Some(digest.clone()), vec![]));
    let host = host.restarted();
    assert_eq!(seen(&host.trees), (Some(digest), vec![]));
    assert_eq!(host.trees.stacks().expect("listed"), [STACK]);
}

#[test]
fn an_unchanged_file_keeps_its_inode_so_that_a_container_that_mounts_it_is_left_alone() {
    let host = Host::new();
    host.up(&[("a", "same"), ("b", "old")]).expect("applied");
    let before = fs::metadata(host.live().join("a")).expect("there").ino();
    host.up(&[("a", "same"), ("b", "new")]).expect("applied");
    assert_eq!(fs::metadata(host.live().join("a")).expect("there").ino(), before);
}

#[test]
fn a_tree_without_data_beside_it_goes_away_whole() {
    let host = Host::new();
    host.up(&[("a/b", "one")]).expect("applied");
    host.trees.remove(STACK).expect("removed");
    assert!(!host.state.path().join("stacks").join(STACK).exists());
    host.trees.remove(STACK).expect("removing it again is no error");
}

#[test]
fn a_file_changed_on_the_host_is_reported_and_not_overwritten() {
    let host = Host::new();
    host.up(&[("a", "one"), ("b", "two"), ("c", "three"), ("d", "four")]).expect("applied");
    fs::write(host.live().join("a"), "edited").expect("written");
    fs::write(host.live().join("c"), "EDITED").expect("written");
    fs::remove_file(host.live().join("d")).expect("removed");
    assert_eq!(host.drift(), ["a", "c", "d"]);

    let left = host.up(&[("a", "one"), ("b", "TWO"), ("d", "four")]).expect("applied");
    assert_eq!((left.drift, left.kept), (vec!["a".to_owned()], vec!["c".to_owned()]));
    assert_eq!(host.print(), "a=edited b=TWO c=EDITED d=four");
    assert_eq!(host.drift(), ["a"]);

    let error = host.up(&[("a", "uno"), ("b", "due")]).expect_err("refused").to_string();
    assert!(error.contains("a was changed on the host"), "{error}");
    assert_eq!(host.print(), "a=edited b=TWO c=EDITED d=four", "nothing was changed");
    fs::write(host.live().join("a"), "uno").expect("written");
    host.up(&[("a", "uno"), ("b", "due")]).expect("applied, now that both agree");
    assert_eq!((host.print().as_str(), host.drift().len()), ("a=uno b=due c=EDITED", 0));
}

#[test]
fn a_same_sized_edit_is_seen_although_digests_are_remembered() {
    let host = Host::new();
    host.up(&[("a", "one")]).expect("applied");
    assert!(host.drift().is_empty());
    fs::write(host.live().join("a"), "two").expect("written");
    assert_eq!(host.drift(), ["a"]);
}
