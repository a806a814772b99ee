//! Kills, full disks and damaged files: the old bundle is live, or the new one, or the journal shows that neither is.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

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
    // This is the state after a crash between the renames: the journal has the target, and one file is there already.
    let target = Digest::parse(&next).expect("a digest");
    host.trees.journal(STACK).expect("read").towards(Some(target)).save(&folder).expect("saved");
    fs::write(folder.join("live/a"), "uno").expect("written");
    fs::create_dir(folder.join("staging")).expect("made");
    fs::write(folder.join("staging/7"), "left over").expect("written");
    assert_eq!(seen(&host.trees), (None, vec![]), "not taken for whole");

    let host = host.restarted();
    assert_eq!(host.print(), "a=uno b=due new/y=4");
    assert_eq!(seen(&host.trees), (Some(next), vec![]));
    assert!(!folder.join("staging").exists());
}

#[test]
fn f12_a_damaged_journal_stops_that_stack_alone() {
    let host = Host::new();
    host.up(&[("a", "one")]).expect("applied");
    fs::write(host.state.path().join("stacks").join(STACK).join("journal"), "is ").expect("damaged");
    let host = host.restarted();
    assert_eq!(seen(&host.trees), (None, vec![]), "not taken for whole");
    assert!(matches!(host.up(&[("a", "two")]), Err(TreeError::Journal { .. })));
    let other = host.bundle(&[("a", "one")]);
    host.trees.apply("other", &other).expect("another stack goes on");
    assert_eq!(host.trees.stacks().expect("listed"), [STACK, "other"]);
}

/// A small file system, unmounted when dropped.
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
        let is_gone = status.is_ok_and(|status| status.success());
        assert!(is_gone || std::thread::panicking(), "{} is still mounted", self.0.path().display());
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
    // There is no room for another megabyte, neither in the store nor in the tree.
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 2_200_000]).expect("written");

    assert!(matches!(trees.apply(STACK, &new), Err(TreeError::NoRoom { .. })));
    assert_eq!(seen(&trees), (Some(old), vec![]), "the old bundle is live");
    assert!(!disk.0.path().join("stacks").join(STACK).join("staging").exists());

    fs::remove_file(ballast).expect("removed");
    trees.apply(STACK, &new).expect("applied");
    assert_eq!(seen(&trees), (Some(new), vec![]));
}

#[test]
fn f33_a_push_that_does_not_fit_leaves_nothing_and_what_live_trees_need_stays() {
    let disk = SmallDisk::new("8m");
    let blobs = BlobStore::open(disk.0.path()).expect("a store");
    let trees = Trees::open(disk.0.path(), blobs.clone()).expect("trees");
    let old = bundle(&blobs, &[("a", "one"), ("b", "two")]);
    trees.apply(STACK, &old).expect("applied");
    let assigned = bundle(&blobs, &[("c", "three")]);
    assert!(blobs.missing_manifests(std::slice::from_ref(&assigned)).expect("asked").is_empty());

    let megabyte = |n: u8| vec![n; 1 << 20];
    let refused = (0..10).find(|n| {
        let bytes = megabyte(*n);
        let begun = blobs.receive(blake3::hash(&bytes).to_hex().as_str(), bytes.len() as u64);
        let Ok(mut incoming) = begun else { return true };
        incoming.write(&bytes).and_then(|()| incoming.finish()).is_err()
    });
    assert!(refused.is_some_and(|n| n > 3), "{refused:?}");
    let (missing, gone) = (
        blobs.missing_manifests(&[old.clone(), assigned]),
        blobs.missing_blobs(&[blake3::hash(&megabyte(0)).to_hex().to_string()]),
    );
    assert_eq!((missing.expect("asked").len(), gone.expect("asked").len()), (0, 1));
    let again = bundle(&blobs, &[("a", "uno"), ("b", &"x".repeat(2 << 20))]);
    trees.apply(STACK, &again).expect("there is room now");
    assert_eq!(seen(&trees), (Some(again), vec![]));
}

/// Environment variable with the folder where the other process of
/// [`f01_f02_a_tree_whose_agent_is_killed_at_any_moment_is_never_mixed`] works.
const VICTIM: &str = "LANDFAST_TEST_VICTIM";

/// The process that is killed. It is not a test of its own.
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

/// Writes two bundles that share only their names: files become folders, and folders become files.
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
        // The process is killed at another moment in each round, to hit all of them. On a slow disk one change takes
        // longer than the first rounds last, so the range grows. This is not a wait for a condition.
        let range = 40_000 * (1 + round / 20);
        std::thread::sleep(Duration::from_micros(500 + round * 7_919 % range));
        victim.kill().expect("killed");
        assert_eq!(victim.wait().expect("waited for").signal(), Some(9), "it ended by itself");

        interrupted += usize::from(matches!(host.trees.journal(STACK), Ok(Journal::Underway { .. })));
        let trees = Trees::open(host.state.path(), host.blobs.clone()).expect("trees");
        let (bundle, drift) = seen(&trees);
        let bundle = bundle.unwrap_or_else(|| panic!("round {round} not recovered: {:?}", trees.recover(STACK)));
        assert!(bundles.contains(&bundle), "round {round}");
        assert_eq!(drift, [""; 0], "round {round}: a mixed tree was taken for whole");
        assert_eq!(fs::read_to_string(host.live().join("data/rows")).expect("still there"), "precious");
    }
}

/// Returns the path of this module as the test runner names it.
fn module() -> &'static str {
    module_path!().split_once("::").expect("inside the program").1
}
