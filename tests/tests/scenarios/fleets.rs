//! The example fleets are ordinary Compose projects: Landfast reads them like the reference implementation.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use landfast_tests::lab::{Output, compose, coordinator_binary, workspace};
use landfast_tests::parity::differences;
use serde_json::Value;

/// Removes differences that have no meaning: notations of numbers, and extensions.
fn canonical(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(fields) => {
            let known = fields.into_iter().filter(|(key, _)| !key.starts_with("x-"));
            known.map(|(key, value)| (key, canonical(value))).collect()
        }
        other => other,
    }
}

fn config(program: &Path, folder: &Path, flags: &[&str], after: &[&str]) -> Result<Value> {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(folder);
    command.args(flags).args(["config", "--format", "json"]).args(after);
    Ok(canonical(Output::of(&mut command)?.succeeds()?.json()?))
}

fn reads_like_the_reference(stack: &Path, flags: &[&str]) -> Result<()> {
    let ours = config(&coordinator_binary()?, stack, flags, &[])?;
    let theirs = config(&compose(), stack, flags, &[])?;
    let found: Vec<_> = differences(&theirs, &ours).iter().map(ToString::to_string).collect();
    ensure!(found.is_empty(), "{} with {flags:?}:\n{}", stack.display(), found.join("\n"));
    Ok(())
}

#[test]
fn infra_reads_like_the_reference_in_both_environments() -> Result<()> {
    let stack = workspace().join("tests/fleets/infra/infra");
    for env_file in [".env.dev", ".env.test"] {
        reads_like_the_reference(&stack, &["--env-file", env_file, "--profile", "workflow"])?;
    }
    Ok(())
}

#[test]
fn the_small_fleet_and_the_parity_projects_read_like_the_reference() -> Result<()> {
    let small = workspace().join("tests/fleets/small/small");
    reads_like_the_reference(&small, &["--env-file", ".env.dev"])?;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(workspace().join("tests/parity"))? {
        wrong.extend(reads_like_the_reference(&entry?.path(), &["--profile", "*"]).err());
    }
    ensure!(wrong.is_empty(), "{}", wrong.iter().map(|it| format!("{it}\n")).collect::<String>());
    Ok(())
}

/// Folder of each stack, and the flags with which its documentation runs Compose.
const EXAMPLES: [(&str, &[&str]); 6] = [
    ("investor/investor", &["-f", "docker/compose.yaml", "--env-file", ".env.dev", "--profile", "*"]),
    ("investor/investor", &["-f", "docker/compose.yaml", "--env-file", ".env.lan", "--profile", "storage"]),
    ("scribe", &["-f", "deploy/compose.yaml", "--env-file", "environments/.env.dev"]),
    ("ybis", &["--profile", "gpu"]),
    ("carbon", &["-f", "compose.yaml", "-f", "compose.dev.yaml"]),
    ("carbon", &["-f", "compose.yaml", "-f", "compose.prod.yaml"]),
];

#[test]
fn the_example_fleets_read_like_the_reference() -> Result<()> {
    for (folder, flags) in EXAMPLES {
        reads_like_the_reference(&workspace().join("tests/fleets").join(folder), flags)?;
    }
    Ok(())
}

/// The paths, env files and profiles in `landfast.toml` match the flags of the reference.
#[test]
fn a_stack_of_an_example_fleet_reads_like_its_files_in_the_reference() -> Result<()> {
    let fleets = workspace().join("tests/fleets");
    let stacks: [(&str, &str, &[&str]); 4] = [
        ("investor", "investor/investor", EXAMPLES[0].1),
        ("scribe", "scribe", EXAMPLES[2].1),
        ("ybis", "ybis", &[]),
        ("carbon", "carbon", EXAMPLES[4].1),
    ];
    for (fleet, folder, flags) in stacks {
        let ours = config(&coordinator_binary()?, &fleets.join(fleet), &[], &["--stack", fleet])?;
        let theirs = config(&compose(), &fleets.join(folder), flags, &[])?;
        let found: Vec<_> = differences(&theirs, &ours).iter().map(ToString::to_string).collect();
        ensure!(found.is_empty(), "{fleet}:\n{}", found.join("\n"));
    }
    Ok(())
}
