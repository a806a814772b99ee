//! Tables for every rule, then random trees, edits and crashes against a model of a disk.

use proptest::prelude::*;

use super::*;

fn path(path: &str) -> TreePath {
    TreePath::parse(path).expect("a path")
}

fn digest(content: &str) -> Digest {
    let hex: String = content.bytes().map(|byte| format!("{byte:02x}")).collect();
    Digest::parse(&format!("{hex:0<64}")).expect("a digest")
}

/// Parses a manifest: `"text"` is a file of mode 644, `"text +x"` one of mode 755, `"-> target"` a link, `"/"` a folder.
fn manifest(entries: &[(&str, &str)]) -> Manifest {
    Manifest::new(entries.iter().map(|(at, what)| (path(at), entry(at, what)))).expect("a manifest")
}

fn entry(at: &str, what: &str) -> Entry {
    let (what, mode) = what.strip_suffix(" +x").map_or((what, 0o644), |what| (what, 0o755));
    let mode = Mode::parse(at, mode).expect("a mode");
    let content = match what.strip_prefix("-> ") {
        Some(target) => Content::Link(LinkTarget::parse(&path(at), target).expect("a target")),
        None if what == "/" => Content::Folder,
        None => Content::File { digest: digest(what), size: 1 },
    };
    Entry { mode, content }
}

/// A disk, in the notation of [`manifest`]. `"!"` is a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Disk(BTreeMap<TreePath, Found>);

impl Disk {
    fn with(mut self, entries: &[(&str, &str)]) -> Self {
        for (at, what) in entries {
            for folder in path(at).ancestors() {
                self.0.insert(folder, Found::Folder { foreign: false });
            }
            self.0.retain(|other, _| !other.is_beneath(&path(at)));
            self.0.insert(path(at), found(at, what));
        }
        self
    }

    fn without(mut self, at: &str) -> Self {
        self.0.retain(|other, _| *other != path(at) && !other.is_beneath(&path(at)));
        self
    }

    /// Surveys as the agent does: only the paths that are asked for, and nothing behind a link.
    fn survey(&self, manifests: &[&Manifest]) -> Survey {
        let paths = survey_paths(manifests);
        let look = |at: &TreePath| {
            Some(match self.0.get(at)? {
                Found::Folder { .. } => {
                    let foreign =
                        self.0.keys().any(|other| other.parent().as_ref() == Some(at) && !paths.contains(other));
                    Found::Folder { foreign }
                }
                other => other.clone(),
            })
        };
        paths.iter().filter_map(|at| Some((at.clone(), look(at)?))).collect()
    }

    fn apply(&mut self, step: &Step) {
        let is_folder = |found: Option<&Found>| matches!(found, Some(Found::Folder { .. }));
        let has_children = |disk: &Self, at: &TreePath| disk.0.keys().any(|other| other.is_beneath(at));
        match step {
            Step::Remove(at) => {
                let removed = self.0.remove(at).expect("something to remove");
                assert!(!is_folder(Some(&removed)), "{step}");
            }
            Step::RemoveFolder(at) => {
                assert!(!has_children(self, at), "{step}: not empty");
                assert!(is_folder(self.0.remove(at).as_ref()), "{step}");
            }
            Step::MakeFolder(at, _) => self.put(at, Found::Folder { foreign: false }, false),
            Step::Write { path, digest, mode, replaces, .. } => {
                self.put(path, Found::File { digest: digest.clone(), mode: *mode }, *replaces);
            }
            Step::Link { path, target, replaces } => self.put(path, Found::Link(target.as_str().to_owned()), *replaces),
            Step::SetMode(at, new) => match self.0.get_mut(at) {
                Some(Found::File { mode, .. }) => *mode = *new,
                other => panic!("{step}: {other:?}"),
            },
        }
    }

    fn put(&mut self, at: &TreePath, found: Found, replaces: bool) {
        if let Some(parent) = at.parent() {
            assert!(matches!(self.0.get(&parent), Some(Found::Folder { .. })), "{at}: no folder");
        }
        assert!(!matches!(self.0.get(at), Some(Found::Folder { .. })), "{at}: a folder is there");
        assert_eq!(self.0.insert(at.clone(), found).is_some(), replaces, "{at}: replaces");
    }
}

fn found(at: &str, what: &str) -> Found {
    if what == "!" {
        return Found::Other;
    }
    let entry = entry(at, what);
    match entry.content {
        Content::File { digest, .. } => Found::File { digest, mode: entry.mode },
        Content::Link(target) => Found::Link(target.as_str().to_owned()),
        Content::Folder => Found::Folder { foreign: false },
    }
}

fn plan_on(disk: &Disk, brought: &[&Manifest], target: &Manifest) -> Result<Plan, Vec<Conflict>> {
    let all: Vec<_> = brought.iter().copied().chain([target]).collect();
    plan(brought, target, &disk.survey(&all))
}

fn print(result: &Result<Plan, Vec<Conflict>>) -> String {
    let lines: Vec<String> = match result {
        Ok(plan) => (plan.steps.iter().map(ToString::to_string))
            .chain(plan.drift.iter().map(|path| format!("drift {path}")))
            .chain(plan.kept.iter().map(|path| format!("keep {path}")))
            .collect(),
        Err(conflicts) => conflicts.iter().map(|conflict| format!("conflict: {conflict}")).collect(),
    };
    lines.join("\n")
}

#[track_caller]
fn check(old: &[(&str, &str)], new: &[(&str, &str)], disk: &Disk, expected: &[&str]) {
    let (old, new) = (manifest(old), manifest(new));
    assert_eq!(print(&plan_on(disk, &[&old], &new)), expected.join("\n"));
}

/// Returns a disk just as `manifest` left it.
fn just(entries: &[(&str, &str)]) -> Disk {
    Disk::default().with(entries)
}

#[test]
fn a_first_bundle_is_written_parents_first() {
    let new = [("a/b.conf", "one"), ("a/c/d", "two +x"), ("e", "-> a/b.conf"), ("f", "/")];
    let expected = [
        "make folder a 755",
        "write a/b.conf 644 6f6e6500",
        "make folder a/c 755",
        "write a/c/d 755 74776f00",
        "write e -> a/b.conf",
        "make folder f 644",
    ];
    check(&[], &new, &Disk::default(), &expected);
}

#[test]
fn an_unchanged_bundle_needs_no_step() {
    let same = [("a/b", "one"), ("c", "-> a/b"), ("d", "/")];
    check(&same, &same, &just(&same), &[]);
}

#[test]
fn a_changed_file_is_replaced_and_a_changed_mode_is_set() {
    let old = [("a", "one"), ("b", "two"), ("c", "-> a")];
    check(
        &old,
        &[("a", "new"), ("b", "two +x"), ("c", "-> b")],
        &just(&old),
        &["replace a 644 6e657700", "set mode of b to 755", "replace c -> b"],
    );
}

#[test]
fn only_what_the_earlier_bundle_brought_is_deleted_and_data_beside_it_stays() {
    let old = [("data/init.sql", "one"), ("conf/x/y", "two"), ("keep", "k")];
    let disk = just(&old).with(&[("data/postgres/base", "rows"), ("other", "mine")]);
    check(
        &old,
        &[("keep", "k")],
        &disk,
        &["remove data/init.sql", "remove conf/x/y", "remove folder conf/x", "remove folder conf"],
    );
}

#[test]
fn a_file_changed_on_the_host_is_drift_when_the_bundle_does_not_change_it() {
    let old = [("a", "one"), ("b", "two")];
    let disk = just(&old).with(&[("a", "edited"), ("b", "two +x")]);
    check(&old, &old, &disk, &["drift a", "drift b"]);
}

#[test]
fn a_file_changed_on_the_host_and_in_the_bundle_is_a_conflict_and_nothing_is_done() {
    let old = [("a", "one"), ("b", "two")];
    let disk = just(&old).with(&[("a", "edited")]);
    check(&old, &[("a", "new"), ("b", "new")], &disk, &["conflict: a was changed on the host"]);
}

#[test]
fn a_file_changed_on_the_host_to_what_the_bundle_brings_is_no_conflict() {
    let old = [("a", "one")];
    check(&old, &[("a", "new")], &just(&[("a", "new")]), &[]);
}

#[test]
fn a_file_changed_on_the_host_that_the_bundle_drops_is_kept() {
    let old = [("conf/a", "one"), ("conf/b", "two")];
    let disk = just(&old).with(&[("conf/a", "edited")]);
    check(&old, &[], &disk, &["remove conf/b", "keep conf/a"]);
}

#[test]
fn a_file_removed_on_the_host_is_brought_again() {
    let old = [("a/b", "one"), ("c", "two")];
    check(&old, &old, &just(&old).without("a"), &["make folder a 755", "write a/b 644 6f6e6500"]);
}

#[test]
fn what_no_bundle_brought_is_not_overwritten() {
    let disk = just(&[("a", "mine"), ("b", "one")]);
    check(&[], &[("a", "one"), ("b", "one")], &disk, &["conflict: a is already there and is not the bundle's"]);
}

#[test]
fn t16_a_device_in_the_place_of_a_file_is_never_touched() {
    let old = [("a", "one")];
    check(&old, &[("a", "new")], &just(&[("a", "!")]), &["conflict: a was changed on the host"]);
    check(&old, &[], &just(&[("a", "!")]), &["keep a"]);
    check(&old, &old, &just(&[("a", "!")]), &["drift a"]);
}

#[test]
fn t18_nothing_is_brought_or_deleted_behind_a_link_put_in_the_place_of_a_folder() {
    let old = [("conf/a", "one"), ("conf/b", "two")];
    let swapped = just(&[("conf", "-> elsewhere")]);
    check(&old, &old, &swapped, &["drift conf/a", "drift conf/b"]);
    check(&old, &[("conf/a", "new")], &swapped, &["conflict: conf was changed on the host"]);
    check(&old, &[], &swapped, &["keep conf"]);
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_becomes_a_file() {
    let old = [("a", "one"), ("b/c/d", "two"), ("gone", "x")];
    check(
        &old,
        &[("a/x", "one"), ("b", "two")],
        &just(&old),
        &[
            "remove b/c/d",
            "remove folder b/c",
            "remove folder b",
            "remove a",
            "make folder a 755",
            "write a/x 644 6f6e6500",
            "write b 644 74776f00",
            "remove gone",
        ],
    );
}

#[test]
fn a_folder_with_data_in_it_does_not_become_a_file() {
    let old = [("b/c", "two")];
    let disk = just(&old).with(&[("b/data", "rows")]);
    check(&old, &[("b", "two")], &disk, &["conflict: b is a folder that holds other files"]);
    let named = just(&[("b", "/"), ("b/data", "rows")]);
    check(&[("b", "/")], &[("b", "two")], &named, &["conflict: b is a folder that holds other files"]);
    let disk = just(&[("b/c", "edited")]);
    check(&old, &[("b", "two")], &disk, &["conflict: b is a folder that holds other files"]);
}

#[test]
fn an_empty_folder_made_by_the_engine_where_a_file_was_removed_gives_way() {
    let old = [("a", "one")];
    check(&old, &old, &just(&[("a", "/")]), &["remove folder a", "write a 644 6f6e6500"]);
    let in_use = just(&[("a/b", "rows")]);
    check(&old, &old, &in_use, &["drift a"]);
}

#[test]
fn an_empty_folder_made_for_a_mount_whose_file_was_missing_makes_room_for_that_file() {
    let (old, new) = ([("compose.yaml", "one")], [("compose.yaml", "one"), ("conf/app.conf", "two"), ("l", "-> conf")]);
    let disk = just(&old).with(&[("conf/app.conf", "/"), ("l", "/")]);
    check(
        &old,
        &new,
        &disk,
        &["remove folder conf/app.conf", "write conf/app.conf 644 74776f00", "remove folder l", "write l -> conf"],
    );
    let filled = just(&old).with(&[("conf/app.conf/rows", "rows")]);
    check(&old, &new[..2], &filled, &["conflict: conf/app.conf is a folder that holds other files"]);
    let nested = just(&old).with(&[("conf/app.conf/empty", "/")]);
    check(&old, &new[..2], &nested, &["conflict: conf/app.conf is a folder that holds other files"]);
}

#[test]
fn drift_lists_what_was_changed_or_removed_and_nothing_else() {
    let bundle = manifest(&[("a", "one"), ("b", "two"), ("c", "-> a"), ("d", "/"), ("e", "three")]);
    let disk = just(&[("a", "one"), ("b", "edited"), ("c", "-> b"), ("d", "/"), ("mine", "x")]);
    let drift: Vec<_> = drift(&bundle, &disk.survey(&[&bundle])).iter().map(ToString::to_string).collect();
    assert_eq!(drift, ["b", "c", "e"]);
}

/// There are few names, so that they collide: files where folders were, links where files were.
fn any_entries() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    let at = prop::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    let what = prop_oneof![
        4 => prop_oneof![Just("1"), Just("2"), Just("1 +x"), Just("2 +x")],
        1 => prop_oneof![Just("-> a"), Just("-> b"), Just("/")],
    ];
    prop::collection::vec((at, what.prop_map(str::to_owned)), 0..8)
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    any_entries().prop_map(|entries| {
        let mut kept: Vec<(TreePath, Entry)> = Vec::new();
        for (at, what) in entries {
            let candidate = (path(&at), entry(&at, &what));
            if Manifest::new(kept.iter().cloned().chain([candidate.clone()])).is_ok() {
                kept.push(candidate);
            }
        }
        Manifest::new(kept).expect("a manifest")
    })
}

/// Returns what is on the disk at no path of the manifests.
fn foreign(disk: &Disk, manifests: &[&Manifest]) -> BTreeMap<TreePath, Found> {
    let known = survey_paths(manifests);
    disk.0.iter().filter(|(at, _)| !known.contains(*at)).map(|(at, found)| (at.clone(), found.clone())).collect()
}

fn bring_all(disk: &mut Disk, brought: &[&Manifest], target: &Manifest) {
    for step in &plan_on(disk, brought, target).expect("no conflict").steps {
        disk.apply(step);
    }
}

proptest! {
    #[test]
    fn untouched_trees_become_the_new_bundle_exactly(old in any_manifest(), new in any_manifest()) {
        let mut disk = Disk::default();
        bring_all(&mut disk, &[], &old);
        bring_all(&mut disk, &[&old], &new);
        prop_assert!(drift(&new, &disk.survey(&[&new])).is_empty());
        prop_assert_eq!(foreign(&disk, &[&new]), BTreeMap::new());
    }

    #[test]
    fn f02_a_crash_after_any_step_is_finished_by_planning_again(
        old in any_manifest(), middle in any_manifest(), new in any_manifest(), first in 0usize..12, second in 0usize..12,
    ) {
        let mut disk = Disk::default();
        bring_all(&mut disk, &[], &old);
        for step in plan_on(&disk, &[&old], &middle).expect("no conflict").steps.iter().take(first) {
            disk.apply(step);
        }
        for step in plan_on(&disk, &[&old, &middle], &new).expect("no conflict").steps.iter().take(second) {
            disk.apply(step);
        }
        bring_all(&mut disk, &[&old, &middle, &new], &new);
        prop_assert!(drift(&new, &disk.survey(&[&new])).is_empty());
        prop_assert_eq!(foreign(&disk, &[&new]), BTreeMap::new());
        prop_assert_eq!(plan_on(&disk, &[&new], &new), Ok(Plan::default()));
    }

    #[test]
    fn what_anybody_else_wrote_survives_whatever_the_bundles_do(
        old in any_manifest(), new in any_manifest(), edits in any_entries(), taken in 0usize..12,
    ) {
        let mut disk = Disk::default();
        bring_all(&mut disk, &[], &old);
        let as_brought = disk.clone();
        for (at, what) in &edits {
            disk = disk.with(&[(at, what)]);
        }
        let mut edited = disk.clone().0;
        edited.retain(|at, found| as_brought.0.get(at) != Some(found) && !is_folder(found));
        if let Ok(plan) = plan_on(&disk, &[&old], &new) {
            for step in plan.steps.iter().take(taken) {
                disk.apply(step);
            }
            for (at, found) in &edited {
                let now = disk.0.get(at);
                // Contents survive. A mode may follow the bundle where both agree on the contents.
                let same = now.is_some_and(|now| holds_same(now, found));
                let was_ours = old.get(at).is_some_and(|entry| holds(found, entry));
                prop_assert!(same || was_ours, "{} was {:?}, is {:?}\n{:?}", at, found, now, plan);
            }
        }
    }
}

fn holds_same(now: &Found, before: &Found) -> bool {
    match (now, before) {
        (Found::File { digest, .. }, Found::File { digest: before, .. }) => digest == before,
        _ => now == before,
    }
}
