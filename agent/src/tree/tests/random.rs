//! Random bundles, one after another, with random changes by others in between.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

/// There are few names, so that they collide: files where folders were, links where files were.
fn any_path() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c d"), Just("ø")];
    prop::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"))
}

/// Generates a bundle in the notation of [`bundle`]. Entries inside a file or a link, and second entries for a path, are
/// left out.
fn any_bundle() -> impl Strategy<Value = Vec<(String, &'static str)>> {
    let what = prop_oneof![Just("one"), Just("two"), Just("one +x"), Just(""), Just("-> a"), Just("-> b/c"), Just("/")];
    prop::collection::vec((any_path(), what), 0..8).prop_map(|entries| {
        let mut kept: Vec<(String, &str)> = Vec::new();
        for (path, what) in entries {
            let inside = |outer: &str, what: &str, inner: &str| what != "/" && inner.starts_with(&format!("{outer}/"));
            let clashes = |(other, its): &(String, &str)| {
                *other == path || inside(other, its, &path) || inside(&path, what, other)
            };
            if !kept.iter().any(clashes) {
                kept.push((path, what));
            }
        }
        kept
    })
}

/// Something that a container or an operator may do at a path of the tree.
#[derive(Clone, Debug)]
enum Deed {
    Write(String),
    Delete(String),
    MakeFolder(String),
    LinkOut(String),
    LinkFileOut(String),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    any_path().prop_flat_map(|path| {
        prop_oneof![
            Just(Deed::Write(path.clone())),
            Just(Deed::Delete(path.clone())),
            Just(Deed::MakeFolder(path.clone())),
            Just(Deed::LinkOut(path.clone())),
            Just(Deed::LinkFileOut(path)),
        ]
    })
}

impl Deed {
    /// Carries the edit out as far as possible. It never follows a link, so a change outside the tree can only come from
    /// the agent.
    fn carry_out(&self, live: &Path, outside: &Path) {
        let (Self::Write(path)
        | Self::Delete(path)
        | Self::MakeFolder(path)
        | Self::LinkOut(path)
        | Self::LinkFileOut(path)) = self;
        let parents = Path::new(path).ancestors().skip(1).map(|parent| live.join(parent));
        let at = live.join(path);
        if parents.into_iter().any(|parent| !fs::symlink_metadata(parent).is_ok_and(|found| found.is_dir())) {
            return;
        }
        let gone = match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&at),
            Ok(_) => fs::remove_file(&at),
            Err(_) => Ok(()),
        };
        gone.expect("removed");
        match self {
            Self::Write(_) => fs::write(at, "data").expect("written"),
            Self::MakeFolder(_) => fs::create_dir(at).expect("made"),
            Self::LinkOut(_) => symlink(outside, at).expect("linked"),
            Self::LinkFileOut(_) => symlink(outside.join("a"), at).expect("linked"),
            Self::Delete(_) => {}
        }
    }
}

fn apply(host: &Host, entries: &[(String, &'static str)]) -> Result<Left, TreeError> {
    let entries: Vec<(&str, &str)> = entries.iter().map(|(path, what)| (path.as_str(), *what)).collect();
    host.up(&entries)
}

/// Lists the files and links of a bundle, as [`Host::print`] lists those of a tree.
fn expected(entries: &[(String, &'static str)]) -> String {
    let line = |(path, what): &(String, &str)| match what.strip_prefix("-> ") {
        Some(target) => Some(format!("{path}>{target}")),
        None if *what == "/" => None,
        None => Some(format!("{path}={}", what.trim_end_matches(" +x"))),
    };
    let mut lines: Vec<String> = entries.iter().filter_map(line).collect();
    lines.sort();
    lines.join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bundle_after_bundle_the_tree_is_the_last_one_and_in_the_end_nothing(
        bundles in prop::collection::vec(any_bundle(), 1..5),
    ) {
        let host = Host::new();
        for entries in &bundles {
            prop_assert_eq!(apply(&host, entries).expect("applied"), Left::default());
            prop_assert_eq!(host.print(), expected(entries));
            prop_assert_eq!(host.drift(), [""; 0]);
        }
        host.trees.remove(STACK).expect("removed");
        prop_assert!(!host.live().exists());
    }

    #[test]
    fn t18_whatever_is_done_in_the_tree_in_between_nothing_outside_changes_and_no_data_is_lost(
        rounds in prop::collection::vec((any_bundle(), prop::collection::vec(any_deed(), 0..4)), 1..5),
    ) {
        let host = Host::new();
        let outside = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(outside.path().join("a/b")).expect("made");
        fs::write(outside.path().join("b"), "one").expect("written");
        let before = tree_of(outside.path());
        for (entries, deeds) in &rounds {
            let data = |host: &Host| if host.live().exists() { host.print().matches("=data").count() } else { 0 };
            let written = data(&host);
            let (was, applied) = (seen(&host.trees).0, apply(&host, entries));
            prop_assert_eq!(data(&host), written, "{:?} lost what others wrote", entries);
            let is = seen(&host.trees).0;
            prop_assert!(if applied.is_ok() { is.is_some() } else { is == was }, "{:?} > {:?}: {:?}", was, is, applied);
            if host.live().exists() {
                deeds.iter().for_each(|deed| deed.carry_out(&host.live(), outside.path()));
            }
        }
        host.trees.remove(STACK).expect("removed");
        prop_assert_eq!(tree_of(outside.path()), before);
    }
}

fn tree_of(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    print(folder, "", &mut lines);
    lines.sort();
    lines
}
