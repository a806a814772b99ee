//! Containers that write in a tree during a change, and names that are not valid: nothing outside the tree is ever reached.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

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
    fs::set_permissions(outside.path().join("f"), Permissions::from_mode(0o600)).expect("set");
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
        let staging = Staging::fill(host.state.path(), &host.blobs, &steps, &Progress::default()).expect("staged");
        let live = LiveTree::open(&host.live()).expect("opened");
        let error = live.carry_out(&steps[0], &staging, 0).expect_err(&steps[0].to_string());
        assert!(matches!(error, TreeError::NotPlain { .. }), "{}: {error}", steps[0]);
    }
    assert_eq!(fs::read_to_string(outside.path().join("f")).expect("still there"), "precious");
    assert_eq!(mode(&outside.path().join("f")), 0o600);
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 1);
}

/// A container swaps a folder of the tree for a link as fast as it can, while bundles come and go.
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
                // Each rename may fail, because the tree changes at the same time.
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
    assert!(matches!(source("data/x", false), Err(TreeError::NoSource { .. })));
    symlink("nothing", host.live().join("dangling")).expect("made");
    assert!(matches!(source("dangling", true), Err(TreeError::Dangling { .. })));
    assert_eq!(source("data/x", true).expect("made"), host.live().join("data/x"));
    assert!(host.live().join("data/x").is_dir());
    for path in ["out", "out/passwd", "../..", "/etc"] {
        assert!(source(path, true).is_err(), "{path}");
    }
    assert!(host.trees.source("../x", "", false).is_err());
    assert!(host.trees.source("another", "", false).expect("made").is_dir(), "a stack that has no bundle yet");
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
fn t10_what_is_no_stack_s_name_never_becomes_a_path() {
    let host = Host::new();
    let digest = host.bundle(&[("a", "one")]);
    for name in ["", ".", "..", "../x", "a/b", "/etc", "-rf", "_x", "A", "a b", "a\0", &"a".repeat(129)] {
        assert!(matches!(host.trees.apply(name, &digest), Err(TreeError::Name(_))), "{name:?}");
        assert!(matches!(host.trees.remove(name), Err(TreeError::Name(_))), "{name:?}");
    }
}
