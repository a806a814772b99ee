//! Checks the structure of the repository: dependencies between crates, files at the top level, and links of the
//! documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Dependencies in the table of ARCHITECTURE.md. A crate may depend on these workspace crates and on no others.
const ARROWS: [(&str, &[&str]); 10] = [
    ("landfast-agreement", &[]),
    ("landfast-proto", &[]),
    ("landfast-certs", &["landfast-agreement"]),
    ("landfast-agent-core", &["landfast-agreement"]),
    ("landfast-agent", &["landfast-agreement", "landfast-proto", "landfast-certs", "landfast-agent-core"]),
    ("landfast-compose", &[]),
    ("landfast-core", &["landfast-agreement", "landfast-compose"]),
    (
        "landfast-engine",
        &["landfast-agreement", "landfast-proto", "landfast-certs", "landfast-compose", "landfast-core"],
    ),
    (
        "landfast",
        &[
            "landfast-agreement",
            "landfast-proto",
            "landfast-certs",
            "landfast-compose",
            "landfast-core",
            "landfast-engine",
        ],
    ),
    (
        "landfast-tests",
        &[
            "landfast-agreement",
            "landfast-proto",
            "landfast-certs",
            "landfast-agent-core",
            "landfast-agent",
            "landfast-compose",
            "landfast-core",
            "landfast-engine",
            "landfast",
        ],
    ),
];

/// Crates that decide and have no effects.
const PURE: [&str; 4] = ["landfast-agreement", "landfast-agent-core", "landfast-compose", "landfast-core"];

/// Crates of the command line, on which a library crate must not depend.
const OF_THE_COMMAND_LINE: [&str; 6] = ["clap", "comfy-table", "indicatif", "russh", "tracing-subscriber", "anyhow"];

/// Crates that have effects, so that a pure crate must not depend on them.
const NOT_IN_A_CORE: [&str; 10] =
    ["tokio", "async-std", "smol", "mio", "rand", "getrandom", "tracing", "rustix", "libc", "bollard"];

const TOP_LEVEL_FOLDERS: [&str; 6] = ["agent", "ansible-free-scripts", "certs", "coordinator", "proto", "tests"];

const TOP_LEVEL_FILES: [&str; 13] = [
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "justfile",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is one below the root").to_path_buf()
}

fn metadata() -> cargo_metadata::Metadata {
    cargo_metadata::MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("metadata")
}

/// Returns the paths that git tracks, relative to the root.
fn tracked() -> Vec<String> {
    let listing = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git runs");
    assert!(listing.status.success(), "this test reads the checkout with git: {listing:?}");
    String::from_utf8(listing.stdout).expect("UTF-8 paths").split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "the table above and the workspace name the same crates");

    let broken: Vec<String> = metadata
        .packages
        .iter()
        .flat_map(|package| package.dependencies.iter().map(move |dependency| (package.name.as_str(), dependency)))
        .filter(|(from, to)| ours.contains(to.name.as_str()) && !allowed[from].contains(to.name.as_str()))
        .map(|(from, to)| format!("{from} -> {}", to.name))
        .collect();
    assert!(broken.is_empty(), "arrows that ARCHITECTURE.md does not have: {broken:?}");
}

#[test]
fn pure_crates_depend_on_nothing_that_has_effects() {
    let broken = dependencies_of(&PURE, &NOT_IN_A_CORE);
    assert!(broken.is_empty(), "a crate that decides has no effects: {broken:?}");
}

#[test]
fn the_engine_knows_no_terminal_and_no_command_line() {
    let broken = dependencies_of(&["landfast-engine"], &OF_THE_COMMAND_LINE);
    assert!(broken.is_empty(), "the engine reports values, and the command line prints them: {broken:?}");
}

/// Normal dependencies of these crates on any of those.
fn dependencies_of(crates: &[&str], those: &[&str]) -> Vec<String> {
    let packages = metadata().packages;
    let these = packages.iter().filter(|package| crates.contains(&package.name.as_str()));
    let found = these.flat_map(|package| {
        let normal = |dependency: &&cargo_metadata::Dependency| {
            dependency.kind == cargo_metadata::DependencyKind::Normal && those.contains(&dependency.name.as_str())
        };
        package.dependencies.iter().filter(normal).map(|dependency| format!("{} -> {}", package.name, dependency.name))
    });
    found.collect()
}

#[test]
fn the_top_level_holds_the_seven_and_root_tool_files() {
    let strays: BTreeSet<String> = tracked()
        .iter()
        .map(|path| match path.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => path.clone(),
        })
        .filter(|entry| match entry.strip_suffix('/') {
            Some(folder) => !TOP_LEVEL_FOLDERS.contains(&folder) && ![".ci", ".cargo"].contains(&folder),
            None => !TOP_LEVEL_FILES.contains(&entry.as_str()),
        })
        .collect();
    assert!(strays.is_empty(), "not for the top level: {strays:?}");
}

#[test]
fn the_code_tour_names_only_what_is_there() {
    for page in ["ARCHITECTURE.md", "README.md"] {
        let text = std::fs::read_to_string(root().join(page)).expect(page);
        let gone: Vec<&str> = links(&text).filter(|target| !root().join(target).exists()).collect();
        assert!(gone.is_empty(), "{page} links to what is not there: {gone:?}");
    }
    let tour = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert!(links(&tour).count() >= 20, "a code tour with fewer than twenty links is no tour");
}

/// Returns the targets of a page's Markdown links that point into the checkout, without their anchors.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target))
}

#[test]
fn every_crate_is_licensed_and_forbids_unsafe_code() {
    for package in metadata().packages {
        assert_eq!(package.license.as_deref(), Some("Apache-2.0"), "{}", package.name);
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} does not take the workspace's lints", package.name);
    }
}
