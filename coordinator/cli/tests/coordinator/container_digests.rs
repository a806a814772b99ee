//! Digests of containers stay the same from version to version: a digest that changes would recreate the container of
//! every user who upgrades.
//!
//! The golden file has the digest of every instance of the parity projects and of the example fleets. It may change only
//! with a commit that says why each of these containers has to be created again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use landfast_compose::Diagnostics;
use landfast_core::compile::{self, FoundImage, ImageCandidates, Input};
use landfast_core::deployment::Deployment;
use landfast_core::fleet::{Fleet, StackConfig};
use landfast_core::place::Abilities;
use landfast_core::platform::Platform;
use landfast_engine::Options;
use landfast_engine::stack::Source;

const FLEET: &str = "\
[fleet]
name = \"parity\"

[networks.infra_net]
subnet = \"10.219.0.0/16\"
auto = \"10.219.128.0/17\"
gateways = \"10.219.255.0/24\"

[hosts.alpha]
address = \"192.0.2.1\"
";

#[test]
fn digests_of_the_parity_projects_are_unchanged() {
    let folder = repository().join("tests/parity");
    let mut text = FLEET.to_owned();
    for project in folders(&folder) {
        write!(text, "\n[stacks.{project}]\npath = \"{project}\"\nprofiles = [\"*\"]\n").expect("a string");
    }
    insta::assert_snapshot!("parity", digests(&folder, &text));
}

#[test]
fn digests_of_the_example_fleets_are_unchanged() {
    for name in folders(&repository().join("tests/fleets")) {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&repository().join("tests/fleets").join(&name), folder.path());
        // The passwords of this fleet are not in the repository.
        for secret in ["postgres", "redis"].iter().filter(|_| name == "small") {
            let path = folder.path().join(format!("small/secrets/{secret}_password.txt"));
            std::fs::write(path, "password").expect("a file");
        }
        let text = std::fs::read_to_string(folder.path().join("landfast.toml")).expect("a fleet");
        insta::assert_snapshot!(name, digests(folder.path(), &text));
    }
}

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|above| above.join("tests/parity"));
    let parity = tests.into_iter().find(|path| path.is_dir()).expect("the repository has tests/parity");
    parity.ancestors().nth(2).expect("two below the root").to_owned()
}

fn folders(of: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(of).expect("a folder").map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(&from, &to).expect("a file")),
        }
    }
}

/// One line for each instance: its name and its digest.
fn digests(folder: &Path, text: &str) -> String {
    let fleet = Fleet::parse("landfast.toml", text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let mut beside = Vec::new();
    for (stack, config) in &fleet.stacks {
        let deployment = deployment(folder, &fleet, stack, config, &beside);
        beside.push(deployment.unwrap_or_else(|wrong| panic!("{stack}: {wrong}")));
    }
    let mut lines = String::new();
    for (name, instance) in beside.iter().flat_map(|deployment| &deployment.instances) {
        writeln!(lines, "{name} {}", instance.digest).expect("a string");
    }
    lines
}

fn deployment(
    folder: &Path,
    fleet: &Fleet,
    stack: &str,
    config: &StackConfig,
    beside: &[Deployment],
) -> Result<Deployment, Diagnostics> {
    let word = ("PARITY_WORD".to_owned(), "made-up".to_owned());
    let options = Options { environment: BTreeMap::from([word]), ..Options::default() };
    let source = Source::read(folder, stack, config, &options, &[]).expect("a stack that loads");
    let image = |reference: String| {
        let fingerprint = blake3::hash(reference.as_bytes()).to_hex().to_string();
        let found = FoundImage { fingerprint, hosts: fleet.hosts.keys().cloned().collect(), ..FoundImage::default() };
        (reference, ImageCandidates { found: vec![found], ..ImageCandidates::default() })
    };
    let everything = || Abilities {
        runtimes: ["nvidia".to_owned(), "runc".to_owned()].into(),
        device_drivers: ["cdi".to_owned(), "nvidia".to_owned()].into(),
    };
    let compiled = compile::compile(Input {
        fleet,
        stack,
        env: source.env.as_deref(),
        root: &source.root,
        project: &source.project,
        manifest: &source.bundle.manifest,
        manifest_digest: &source.bundle.digest,
        profiles: &source.profiles,
        images: &compile::images(&source.project).into_iter().map(image).collect(),
        engines: &fleet.hosts.keys().map(|host| (host.clone(), 60)).collect(),
        platforms: &fleet.hosts.keys().map(|host| (host.clone(), Platform::default())).collect(),
        abilities: &fleet.hosts.keys().map(|host| (host.clone(), everything())).collect(),
        held: &BTreeMap::new(),
        found: &BTreeMap::new(),
        beside,
        release: 1,
        salt: "salt",
    });
    compiled.map(|compiled| compiled.deployment)
}
