//! The example fleets are ordinary Compose projects: Landfast reads them as the reference implementation does.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use landfast_tests::lab::{Output, compose, coordinator_binary, workspace};
use serde_json::{Map, Value};

/// What two programs print alike when they mean the same: numbers as numbers, without fields that say nothing.
fn canonical(value: Value) -> Value {
    let is_nothing = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, canonical(value)));
            // A network or a volume may be there and say nothing.
            Value::Object(fields.filter(|(key, value)| key != "volume" || !is_nothing(value)).collect())
        }
        other => other,
    }
}

fn config(program: &Path, stack: &Path, environment: &[&str]) -> Result<Value> {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("FROM", "the shell").current_dir(stack);
    command.args(environment).args(["--profile", "workflow", "config", "--format", "json"]);
    Ok(canonical(Output::of(&mut command)?.succeeds()?.json()?))
}

#[test]
fn infra_reads_as_the_reference_reads_it_in_both_environments() -> Result<()> {
    let stack = workspace().join("tests/fleets/infra/infra");
    for env_file in [".env.dev", ".env.test"] {
        let ours = config(&coordinator_binary()?, &stack, &["--env-file", env_file])?;
        let theirs = config(&compose(), &stack, &["--env-file", env_file])?;
        let services = theirs["services"].as_object().context("it has services")?;
        for (name, service) in services {
            assert_eq!(&ours["services"][name], service, "{name} with {env_file}");
        }
        assert_eq!(ours, theirs, "with {env_file}");
    }
    Ok(())
}

#[test]
fn an_environment_is_what_the_reference_makes_of_the_common_env_file_and_then_its_own() -> Result<()> {
    let stack = tempfile::tempdir()?;
    let write = |file: &str, text: &str| std::fs::write(stack.path().join(file), text);
    write(
        "compose.yaml",
        "services: {a: {image: a, command: ['$FROM', '$OWN', '$COMMON', '$BOTH', '${NONE:-default}']}}\n",
    )?;
    write(".env", "FROM=common\nOWN=common\nCOMMON=common\nBOTH=common\n")?;
    write(".env.dev", "FROM=dev\nOWN=dev\nBOTH=$COMMON and $OWN\n")?;
    let ours = config(&coordinator_binary()?, stack.path(), &["--env", "dev"])?;
    let theirs = config(&compose(), stack.path(), &["--env-file", ".env", "--env-file", ".env.dev"])?;
    assert_eq!(ours, theirs);
    let said = ["the shell", "dev", "common", "common and dev", "default"];
    assert_eq!(ours["services"]["a"]["command"], Value::from(said.as_slice()));
    Ok(())
}
