//! Live trees on a real disk: what is brought and left, attacks from inside a container, full disks and kills.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
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

    /// Brings a bundle: its blobs and its manifest. `"-> x"` is a link, `"/"` a folder, `"text +x"` has mode 755.
    fn bundle(&self, entries: &[(&str, &str)]) -> String {
        bundle(&self.blobs, entries)
    }

    fn up(&self, entries: &[(&str, &str)]) -> Result<Left, TreeError> {
        self.trees.apply(STACK, &self.bundle(entries))
    }

    /// Every file and link of the tree, as `path=contents` or `path>target`.
    fn print(&self) -> String {
        let mut lines = Vec::new();
        print(&self.live(), "", &mut lines);
        lines.sort();
        lines.join(" ")
    }

    fn drift(&self) -> Vec<String> {
        self.trees.observe(STACK).expect("observed").1
    }
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

#[test]
fn a_tree_knows_which_bundle_it_is_and_applying_it_again_changes_nothing() {
    let host = Host::new();
    assert_eq!(host.trees.observe(STACK).expect("observed"), (None, vec![]));
    let digest = host.bundle(&[("a/b", "one")]);
    host.trees.apply(STACK, &digest).expect("applied");
    let before = fs::metadata(host.live().join("a/b")).expect("there").ino();
    assert_eq!(host.trees.apply(STACK, &digest).expect("applied"), Left::default());
    assert_eq!(fs::metadata(host.live().join("a/b")).expect("there").ino(), before);
    assert_eq!(host.trees.observe(STACK).expect("observed"), (Some(digest.clone()), vec![]));
    let host = host.restarted();
    assert_eq!(host.trees.observe(STACK).expect("observed"), (Some(digest), vec![]));
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

#[test]
fn t18_a_link_in_the_place_of_a_folder_leads_nothing_outside() {
    let host = Host::new();
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("f"), "one").expect("written");
    host.up(&[("conf/f", "one"), ("conf/g", "two"), ("x", "1")]).expect("applied");
    fs::remove_dir_all(host.live().join("conf")).expect("removed");
    symlink(outside.path(), host.live().join("conf")).expect("swapped");

    assert_eq!(host.drift(), ["conf/f", "conf/g"], "what is behind the link is not looked at");
    let error = host.up(&[("conf/f", "new"), ("x", "2")]).expect_err("refused").to_string();
    assert!(error.contains("conf was changed on the host"), "{error}");
    host.trees.remove(STACK).expect("removed");
    assert_eq!(fs::read_to_string(outside.path().join("f")).expect("still there"), "one");
    assert!(!outside.path().join("g").exists());
}

#[test]
fn t18_steps_planned_before_a_folder_was_swapped_do_not_go_through_the_link() {
    let host = Host::new();
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("f"), "precious").expect("written");
    fs::set_permissions(outside.path().join("f"), fs::Permissions::from_mode(0o600)).expect("set");
    host.up(&[("conf/f", "one")]).expect("applied");
    fs::remove_dir_all(host.live().join("conf")).expect("removed");
    symlink(outside.path(), host.live().join("conf")).expect("swapped");
    symlink(outside.path().join("f"), host.live().join("link")).expect("made");
    fs::hard_link(outside.path().join("f"), host.live().join("hard")).expect("made");

    let path = |path: &str| TreePath::parse(path).expect("a path");
    let digest = Digest::parse(&bring(&host.blobs, b"evil")).expect("a digest");
    let mode_of = |bits| landfast_agent_core::tree::Mode::parse("", bits).expect("a mode");
    let write = |at: &str| Step::Write {
        path: path(at),
        digest: digest.clone(),
        size: 4,
        mode: mode_of(0o666),
        replaces: true,
    };
    for step in [
        write("conf/f"),
        write("conf/new"),
        Step::MakeFolder(path("conf/folder"), mode_of(0o777)),
        Step::Remove(path("conf/f")),
        Step::RemoveFolder(path("conf/f")),
        Step::SetMode(path("conf/f"), mode_of(0o666)),
        Step::SetMode(path("link"), mode_of(0o666)),
        Step::SetMode(path("hard"), mode_of(0o666)),
    ] {
        let steps = [step];
        let staging = Staging::fill(host.state.path(), &host.blobs, &steps).expect("staged");
        let live = LiveTree::open(&host.live()).expect("opened");
        let error = live.carry_out(&steps[0], &staging, 0).expect_err(&steps[0].to_string());
        assert!(matches!(error, TreeError::Swapped { .. }), "{}: {error}", steps[0]);
    }
    assert_eq!(fs::read_to_string(outside.path().join("f")).expect("still there"), "precious");
    assert_eq!(mode(&outside.path().join("f")), 0o600);
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 1);
}

/// A container that swaps a folder of the tree for a link, as fast as it can, while bundles come and go.
#[test]
fn t18_a_symlink_swapper_never_gets_a_file_outside_the_tree() {
    let host = Host::new();
    let outside = tempfile::tempdir().expect("a folder");
    let digests = [[("conf/f", "one"), ("conf/g", "1")], [("conf/f", "two"), ("conf/g", "2")]].map(|e| host.bundle(&e));
    let live = host.live();
    let done = AtomicBool::new(false);
    let applied = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // Each may fail: the tree changes under it as well.
                drop(fs::rename(live.join("conf"), live.join("aside")));
                drop(symlink(outside.path(), live.join("conf")));
                drop(fs::remove_file(live.join("conf")));
                drop(fs::rename(live.join("aside"), live.join("conf")));
                drop(fs::remove_dir_all(live.join("aside")));
            }
        });
        let until = Instant::now() + Duration::from_secs(3);
        let mut applied = 0;
        while Instant::now() < until {
            applied += digests.iter().filter(|digest| host.trees.apply(STACK, digest).is_ok()).count();
        }
        done.store(true, Ordering::Relaxed);
        applied
    });
    assert!(applied > 0, "the swapper was never outrun, so nothing was tried");
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 0);
}

#[test]
fn t18_what_a_container_mounts_lies_in_the_tree() {
    let host = Host::new();
    host.up(&[("conf/f", "one"), ("l", "-> conf/f")]).expect("applied");
    symlink("/etc", host.live().join("out")).expect("made");
    let source = |path: &str, create| host.trees.source(STACK, path, create);
    assert_eq!(source("conf/f", false).expect("there"), host.live().join("conf/f"));
    assert_eq!(source("l", false).expect("there"), host.live().join("l"), "a link of the bundle may be mounted");
    assert_eq!(source("", false).expect("there"), host.live());
    assert!(source("data/x", false).expect_err("refused").is_not_found());
    assert_eq!(source("data/x", true).expect("made"), host.live().join("data/x"));
    assert!(host.live().join("data/x").is_dir());
    for path in ["out", "out/passwd", "../..", "/etc"] {
        assert!(source(path, true).is_err(), "{path}");
    }
    assert!(host.trees.source("../x", "", false).is_err());
}

#[test]
fn t16_a_pipe_or_a_device_in_the_place_of_a_file_is_neither_read_nor_replaced() {
    let host = Host::new();
    host.up(&[("a", "one"), ("b", "two")]).expect("applied");
    fs::remove_file(host.live().join("a")).expect("removed");
    let made = Command::new("mkfifo").arg(host.live().join("a")).status().expect("mkfifo ran");
    assert!(made.success());
    assert_eq!(host.drift(), ["a"], "and it did not hang on the pipe");
    assert!(host.up(&[("a", "new"), ("b", "two")]).is_err());
    host.up(&[("b", "new")]).expect("applied");
    assert!(host.live().join("a").exists());
}

#[test]
fn f42_a_bundle_with_a_damaged_or_a_missing_blob_changes_nothing() {
    let host = Host::new();
    host.up(&[("a", "one"), ("b", "two")]).expect("applied");
    let next = host.bundle(&[("a", "three"), ("b", "four")]);
    let four = blake3::hash(b"four").to_hex().to_string();
    assert!(host.blobs.missing_blobs(std::slice::from_ref(&four)).expect("asked").is_empty());
    let path = host.state.path().join("blobs").join(&four[..2]).join(&four);
    fs::write(&path, "f0ur").expect("damaged");
    let error = host.trees.apply(STACK, &next).expect_err("refused").to_string();
    assert!(error.contains(&four), "{error}");
    assert_eq!(host.print(), "a=one b=two");
    assert!(host.trees.apply(STACK, &next).is_err(), "now it is missing");
    bring(&host.blobs, b"four");
    host.trees.apply(STACK, &next).expect("applied");
    assert_eq!(host.print(), "a=three b=four");
}

#[test]
fn f02_a_tree_left_underway_is_finished_at_the_start() {
    let host = Host::new();
    host.up(&[("a", "one"), ("b", "two"), ("gone/x", "3")]).expect("applied");
    let next = host.bundle(&[("a", "uno"), ("b", "due"), ("new/y", "4")]);
    let folder = host.state.path().join("stacks").join(STACK);
    // As after a crash between the renames: the journal says where to, one file is there already.
    let target = Digest::parse(&next).expect("a digest");
    host.trees.journal(STACK).expect("read").towards(Some(target)).save(&folder).expect("saved");
    fs::write(folder.join("live/a"), "uno").expect("written");
    fs::create_dir(folder.join("staging")).expect("made");
    fs::write(folder.join("staging/7"), "left over").expect("written");
    assert_eq!(host.trees.observe(STACK).expect("observed"), (None, vec![]), "not taken for whole");

    let host = host.restarted();
    assert_eq!(host.print(), "a=uno b=due new/y=4");
    assert_eq!(host.trees.observe(STACK).expect("observed"), (Some(next), vec![]));
    assert!(!folder.join("staging").exists());
}

#[test]
fn f12_a_damaged_journal_stops_that_stack_alone() {
    let host = Host::new();
    host.up(&[("a", "one")]).expect("applied");
    fs::write(host.state.path().join("stacks").join(STACK).join("journal"), "is ").expect("damaged");
    let host = host.restarted();
    assert_eq!(host.trees.observe(STACK).expect("observed"), (None, vec![]), "not taken for whole");
    assert!(matches!(host.up(&[("a", "two")]), Err(TreeError::Journal { .. })));
    let other = host.bundle(&[("a", "one")]);
    host.trees.apply("other", &other).expect("another stack goes on");
    assert_eq!(host.trees.stacks().expect("listed"), [STACK, "other"]);
}

#[test]
fn t10_what_is_no_stack_s_name_never_becomes_a_path() {
    let host = Host::new();
    let digest = host.bundle(&[("a", "one")]);
    for name in ["", ".", "..", "../x", "a/b", "/etc", "-rf", "_x", "A", "a b", "a\0", &"a".repeat(129)] {
        assert!(matches!(host.trees.apply(name, &digest), Err(TreeError::Name(_))), "{name:?}");
        assert!(matches!(host.trees.remove(name), Err(TreeError::Name(_))), "{name:?}");
    }
}

/// A disk of its own, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).status();
        assert!(mounted.expect("mount ran").success(), "this test needs root, to mount a small tmpfs");
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "{} is still mounted", self.0.path().display());
    }
}

#[test]
fn f33_a_full_disk_fails_before_the_tree_is_touched_and_later_it_goes_through() {
    let disk = SmallDisk::new("4m");
    let blobs = BlobStore::open(disk.0.path()).expect("a store");
    let trees = Trees::open(disk.0.path(), blobs.clone()).expect("trees");
    let big = "x".repeat(1 << 20);
    let old = bundle(&blobs, &[("a", "one"), ("b", "two")]);
    trees.apply(STACK, &old).expect("applied");
    let new = bundle(&blobs, &[("a", "uno"), ("b", &big)]);
    // Room for neither another megabyte in the store nor one in the tree.
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 2_200_000]).expect("written");

    let digest = blake3::hash(b"y".repeat(1 << 20).as_slice()).to_hex().to_string();
    assert!(matches!(blobs.receive(&digest, 1 << 20), Err(crate::blobs::BlobError::NoRoom { .. })));
    assert_eq!(fs::read_dir(disk.0.path().join("blobs/incoming")).expect("a folder").count(), 0);
    assert!(matches!(trees.apply(STACK, &new), Err(TreeError::NoRoom { .. })));
    assert_eq!(trees.observe(STACK).expect("observed"), (Some(old), vec![]), "the old bundle is live");
    assert!(!disk.0.path().join("stacks").join(STACK).join("staging").exists());

    fs::remove_file(ballast).expect("removed");
    trees.apply(STACK, &new).expect("applied");
    assert_eq!(trees.observe(STACK).expect("observed"), (Some(new), vec![]));
}

/// Where [`f01_f02_a_tree_whose_agent_is_killed_at_any_moment_is_never_mixed`] has its other process work.
const VICTIM: &str = "LANDFAST_TEST_VICTIM";

/// Not a test of its own: the process that is killed.
#[test]
fn victim_that_changes_bundles_until_it_is_killed() {
    let Some(state) = std::env::var_os(VICTIM) else { return };
    let blobs = BlobStore::open(Path::new(&state)).expect("a store");
    let trees = Trees::open(Path::new(&state), blobs.clone()).expect("trees");
    let bundles = crash_bundles(&blobs);
    println!("ready");
    loop {
        for digest in &bundles {
            trees.apply(STACK, digest).expect("applied");
        }
    }
}

/// Two bundles that share nothing but the names: files become folders, folders files.
fn crash_bundles(blobs: &BlobStore) -> [String; 2] {
    let names: Vec<String> = (0..20).map(|n| format!("conf/{n}")).collect();
    let of = |text: &str, more: [(&str, &str); 3]| {
        let contents: Vec<String> = names.iter().map(|name| format!("{text} {name}")).collect();
        let files = names.iter().zip(&contents).map(|(name, content)| (name.as_str(), content.as_str()));
        bundle(blobs, &files.chain(more).collect::<Vec<_>>())
    };
    [
        of("one", [("x", "file"), ("y/z", "in a folder"), ("only/one", "1")]),
        of("two", [("x/y", "in a folder"), ("y", "file"), ("l", "-> y")]),
    ]
}

#[test]
fn f01_f02_a_tree_whose_agent_is_killed_at_any_moment_is_never_mixed() {
    let host = Host::new();
    let bundles = crash_bundles(&host.blobs);
    host.trees.apply(STACK, &bundles[0]).expect("applied");
    fs::create_dir(host.live().join("data")).expect("made");
    fs::write(host.live().join("data/rows"), "precious").expect("written");
    let deadline = Instant::now() + Duration::from_secs(90);
    let (mut round, mut interrupted) = (0, 0);
    while round < 20 || interrupted < 3 {
        assert!(
            Instant::now() < deadline,
            "{interrupted} of {round} rounds were interrupted under way: too few to prove it"
        );
        round += 1;
        let mut victim = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "--nocapture", &format!("{}::victim_that_changes_bundles_until_it_is_killed", module())])
            .env(VICTIM, host.state.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        assert!(lines.any(|line| line.expect("a line").contains("ready")), "the other process never began");
        // Another moment each round, as the point is to hit all of them: this wait is no wait for a condition.
        std::thread::sleep(Duration::from_micros(500 + round * 7_919 % 40_000));
        victim.kill().expect("killed");
        assert_eq!(victim.wait().expect("waited for").signal(), Some(9), "it ended by itself");

        interrupted += usize::from(matches!(host.trees.journal(STACK), Ok(Journal::Underway { .. })));
        let trees = Trees::open(host.state.path(), host.blobs.clone()).expect("trees");
        let (bundle, drift) = trees.observe(STACK).expect("observed");
        let bundle = bundle.unwrap_or_else(|| panic!("round {round} not recovered: {:?}", trees.recover(STACK)));
        assert!(bundles.contains(&bundle), "round {round}");
        assert_eq!(drift, [""; 0], "round {round}: a mixed tree was taken for whole");
        assert_eq!(fs::read_to_string(host.live().join("data/rows")).expect("still there"), "precious");
    }
}

/// Of this module, as the test runner names it.
fn module() -> &'static str {
    module_path!().split_once("::").expect("inside the program").1
}
