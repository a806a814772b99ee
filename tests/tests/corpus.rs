//! Compares `config` with the reference on real Compose projects: YAML, JSON and digests must be identical byte for
//! byte.
//!
//! The compared projects contain none of the known differences: user-defined keys that hold integers of more than 64
//! bits, `x-develop`, which the reference still treats as `develop`, and uninterpolated `args` that consist of
//! variables only.
//!
//! The projects are not part of this repository, so the test is ignored by default. `tests/run.sh` runs it where they
//! exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{compose, coordinator_binary, workspace};
use serde::Deserialize;

/// A case of the corpus, with the fields that are used here.
#[derive(Deserialize)]
struct Case {
    name: String,
    valid: bool,
    cwd: Option<String>,
    args: Vec<String>,
    flags: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// One of this many projects is compared, because all of them take minutes.
const OF: usize = 6;
const FORMS: [&[&str]; 3] = [&[], &["--format", "json"], &["--hash", "*"]];

#[test]
#[ignore = "needs the corpus beside the checkout and the reference that tests/setup.sh installs"]
fn config_prints_what_the_reference_prints() -> Result<()> {
    let corpus = workspace().join("../shared/compose-corpus/dev");
    let corpus = corpus.canonicalize().with_context(|| format!("{} does not exist", corpus.display()))?;
    let mut folders = fs::read_dir(&corpus)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    folders.sort();
    let (mut compared, mut different) = (0, Vec::new());
    for folder in folders.iter().step_by(OF) {
        let case: Case = toml::from_str(&fs::read_to_string(folder.join("case.toml"))?)?;
        if !case.valid {
            continue;
        }
        for form in FORMS {
            // A digest of an uninterpolated project has no meaning, and Landfast refuses to print it.
            if form.contains(&"--hash") && case.flags.iter().any(|flag| flag == "--no-interpolate") {
                continue;
            }
            let theirs = printed(&compose(), folder, &case, form)?;
            let Some(theirs) = theirs else { continue };
            compared += 1;
            if printed(&coordinator_binary()?, folder, &case, form)?.as_ref() != Some(&theirs) {
                different.push(format!("{} {form:?}", case.name));
            }
        }
    }
    println!("{compared} compared, {} different: {different:?}", different.len());
    ensure!(compared > 100, "only {compared} outputs were compared");
    ensure!(different.is_empty(), "these differ from the reference: {different:#?}");
    Ok(())
}

/// Returns what a program prints, or `None` if it refuses the project.
fn printed(program: &PathBuf, folder: &Path, case: &Case, form: &[&str]) -> Result<Option<Vec<u8>>> {
    let input = folder.join("input");
    let placed = |text: &String| text.replace("@DIR@", &input.display().to_string());
    let folder = input.join(case.cwd.as_deref().unwrap_or("."));
    let output = Command::new(program)
        .args(case.args.iter().map(placed))
        .arg("config")
        .args(form)
        .args(case.flags.iter().map(placed))
        .current_dir(&folder)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/home/user")])
        .env("PWD", &folder)
        .envs(case.env.iter().map(|(name, value)| (name, placed(value))))
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    Ok(output.status.success().then_some(output.stdout))
}
