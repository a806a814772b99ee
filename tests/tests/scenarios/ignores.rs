//! Files of a build context: a build gets the same files as with the reference, for every kind of `.dockerignore`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output, compose};

use crate::fixtures::demo;

/// Files in every context.
const FILES: &[&str] = &[
    "#x",
    "!y",
    "*z",
    ".hidden",
    "a/b",
    "a/c/b",
    "a/cb",
    "ab",
    "b",
    "d/README-secret.md",
    "d/x.log",
    "e/f/g",
    "README.md",
    "x.log",
];

/// Texts of `.dockerignore`, with one context for each.
///
/// `*` with `!**/b` is not among them: the classic builder, which the reference uses here, enters no folder for a
/// pattern that begins with `*`, but BuildKit's client and Landfast do.
const IGNORES: &[&str] = &[
    "",
    "a",
    "/a/\n",
    "./a/../b",
    "../a",
    "\u{feff}a\nb",
    "#x\n\n   \n",
    " #x",
    "\\#x\n\\!y\n\\*z",
    "*",
    "**",
    "*/b",
    "**/b",
    "**b",
    "**.log",
    "a**",
    "a/**",
    "a/**/b",
    "?",
    "[a-b]*",
    "[!a]",
    "*\n!a",
    "*\n!a/c",
    "a\n!a/c",
    "a/b\n!a",
    "*\n!a/b\na",
    "! a\n*\n! b",
    "**/*.md\n!README*.md\nd/README-secret.md",
    "a\r\nb\r\n",
];

fn fleet<'lab>(lab: &'lab Lab) -> Result<Fleet<'lab>> {
    let mut services = String::from("services:\n");
    for number in 0..IGNORES.len() {
        writeln!(services, "  c{number}:\n    build: {{context: ./c{number}, dockerfile: ../Dockerfile}}")?;
    }
    let fleet = demo(lab, &services, "")?;
    fleet.write("demo/Dockerfile", "FROM landfast/small:1\nCOPY . /context/\n")?;
    for (number, ignore) in IGNORES.iter().enumerate() {
        FILES.iter().try_for_each(|file| fleet.write(&format!("demo/c{number}/{file}"), file))?;
        fleet.write(&format!("demo/c{number}/.dockerignore"), ignore)?;
        std::os::unix::fs::symlink("a", fleet.path(&format!("demo/c{number}/link")))?;
    }
    Ok(fleet)
}

/// Returns the files in each image, without the ignore file, which the classic builder does not always remove.
fn contexts(host: &Host) -> Result<BTreeMap<usize, Vec<String>>> {
    let list = |number: usize| {
        let image = format!("demo-c{number}");
        let find = "cd /context && find . | sort";
        let found = host.docker(&["run", "--rm", "--entrypoint", "sh", &image, "-c", find])?.succeeds()?.stdout;
        let files = found.lines().filter(|file| *file != "./.dockerignore").map(str::to_owned).collect();
        host.docker(&["image", "rm", &image])?.succeeds()?;
        Ok((number, files))
    };
    (0..IGNORES.len()).map(list).collect()
}

#[test]
fn a_context_has_the_same_files_as_with_the_reference() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = fleet(&lab)?;
    let host = lab.hosts().next().context("the lab has no host")?;
    let mut reference = Command::new(compose());
    reference.args(["--project-name", "demo", "build"]).current_dir(fleet.path("demo"));
    reference.env_clear().env("DOCKER_BUILDKIT", "0").env("HOME", fleet.path("../home")).env("PATH", "/usr/bin:/bin");
    reference.env("DOCKER_HOST", format!("unix://{}", host.socket().display()));
    Output::of(&mut reference)?.succeeds()?;
    let expected = contexts(host)?;

    fleet.landfast_in(Some(host), &[], &["init"])?.succeeds()?;
    fleet.landfast_in(Some(host), &[], &["build"])?.succeeds()?;
    let found = contexts(host)?;
    let differ = IGNORES.iter().enumerate().filter(|(number, _)| found[number] != expected[number]);
    let differ: Vec<_> = differ
        .map(|(number, ignore)| format!("{ignore:?}: {:?}, not {:?}", found[&number], expected[&number]))
        .collect();
    ensure!(differ.is_empty(), "{}", differ.join("\n"));
    ensure!(
        found[&0].len() > FILES.len() && found[&9].len() == 1,
        "the images should differ in their files: {found:?}"
    );
    Ok(())
}
