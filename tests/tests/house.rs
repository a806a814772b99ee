//! Checks the structure of the repository: dependencies between crates, files at the top level, and links of the
//! documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

#[path = "house/rows.rs"]
mod rows;

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

const TOP_LEVEL_FILES: [&str; 14] = [
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "deny.toml",
    "justfile",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is one below the root").to_path_buf()
}

/// A crate as `cargo metadata` describes it.
#[derive(Deserialize)]
struct Package {
    name: String,
    license: Option<String>,
    rust_version: Option<String>,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

/// A dependency of a crate; its kind is `None` if the crate itself uses it, and not only its tests or its build script.
#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// The crates of the workspace.
fn packages() -> Vec<Package> {
    cargo_metadata(&["--no-deps"])
}

fn cargo_metadata(arguments: &[&str]) -> Vec<Package> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--offline"]).args(arguments).current_dir(root());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Metadata>(&output.stdout).expect("what cargo prints is JSON").packages
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
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "the table above and the workspace name the same crates");

    let broken: Vec<String> = packages
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
    let packages = packages();
    let these = packages.iter().filter(|package| crates.contains(&package.name.as_str()));
    let found = these.flat_map(|package| {
        let normal = |dependency: &&Dependency| dependency.kind.is_none() && those.contains(&dependency.name.as_str());
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
    for page in ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"] {
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
    for package in packages() {
        assert_eq!(package.license.as_deref(), Some("Apache-2.0"), "{}", package.name);
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} does not take the workspace's lints", package.name);
    }
}

#[test]
fn every_dependency_of_the_workspace_is_used_by_a_member() {
    let manifest = |path: &Path| -> toml::Table {
        let text = std::fs::read_to_string(path).expect("a manifest");
        toml::from_str(&text).expect("a manifest is TOML")
    };
    let mut used = BTreeSet::new();
    for package in packages() {
        inherited(&manifest(&package.manifest_path), &mut used);
    }
    let workspace = manifest(&root().join("Cargo.toml"));
    let declared = workspace["workspace"]["dependencies"].as_table().expect("a table");
    let unused: Vec<&String> = declared.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "[workspace.dependencies] of Cargo.toml declares what no member uses: {unused:?}");
}

#[test]
fn no_dependency_needs_a_newer_compiler_than_the_workspace() {
    let version = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().expect("a number")).collect() };
    let packages = cargo_metadata(&["--filter-platform", "host-tuple"]);
    let needs = |package: &Package| package.rust_version.as_deref().map(version);
    let ours = packages.iter().find(|package| package.name == "landfast").and_then(needs).expect("rust-version");
    let newer: Vec<&str> = packages
        .iter()
        .filter(|package| needs(package) > Some(ours.clone()))
        .map(|package| package.name.as_str())
        .collect();
    assert!(newer.is_empty(), "these need a newer compiler than rust-version of Cargo.toml: {newer:?}");
}

/// Adds the names that a manifest takes from the workspace, in any of its tables (`[target.'cfg(…)'.dependencies]` too).
fn inherited(table: &toml::Table, names: &mut BTreeSet<String>) {
    for (name, value) in table {
        let Some(value) = value.as_table() else { continue };
        if value.get("workspace").and_then(toml::Value::as_bool) == Some(true) {
            names.insert(name.clone());
        }
        inherited(value, names);
    }
}
