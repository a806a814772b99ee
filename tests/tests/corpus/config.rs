//! Compares `config` with the reference on real Compose projects: YAML, JSON and digests must be identical byte for
//! byte.
//!
//! The compared projects contain none of the known differences: user-defined keys that hold integers of more than 64
//! bits, `x-develop`, which the reference still treats as `develop`, and uninterpolated `args` that consist of
//! variables only.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{compose, coordinator_binary};

use crate::{Case, cases};

/// One of this many projects is compared, because all of them take minutes.
const OF: usize = 6;
const FORMS: [&[&str]; 3] = [&[], &["--format", "json"], &["--hash", "*"]];

#[test]
#[ignore = "needs the corpus beside the checkout and the reference that tests/setup.sh installs"]
fn config_prints_what_the_reference_prints() -> Result<()> {
    let (mut compared, mut different) = (0, Vec::new());
    for case in cases()?.iter().step_by(OF).filter(|case| case.valid) {
        for form in FORMS {
            // A digest of an uninterpolated project has no meaning, and Landfast refuses to print it.
            if form.contains(&"--hash") && case.flags.iter().any(|flag| flag == "--no-interpolate") {
                continue;
            }
            let theirs = printed(&compose(), case, form)?;
            let Some(theirs) = theirs else { continue };
            compared += 1;
            if printed(&coordinator_binary()?, case, form)?.as_ref() != Some(&theirs) {
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
fn printed(program: &PathBuf, case: &Case, form: &[&str]) -> Result<Option<Vec<u8>>> {
    let folder = case.current_dir();
    let output = Command::new(program)
        .args(case.args())
        .arg("config")
        .args(form)
        .args(case.flags())
        .current_dir(&folder)
        .env_clear()
        .envs(case.environment())
        .env("PWD", &folder)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    Ok(output.status.success().then_some(output.stdout))
}
