//! Tests with real Compose projects. The projects are not part of this repository, so the tests are ignored by default.
//! `tests/run.sh` runs them where the projects exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use landfast_tests::lab::workspace;
use serde::Deserialize;

mod config;
mod engine_of_host;
mod second_plan;
#[path = "../../../coordinator/core/tests/simulation/mod.rs"]
mod simulation;
#[path = "../../../coordinator/core/tests/test_fleet/mod.rs"]
mod test_fleet;

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
    /// Folder with the files of the project.
    #[serde(skip)]
    input: PathBuf,
}

impl Case {
    /// Folder in which the command runs.
    fn current_dir(&self) -> PathBuf {
        self.input.join(self.cwd.as_deref().unwrap_or("."))
    }

    /// Arguments before the command.
    fn args(&self) -> impl Iterator<Item = String> {
        self.args.iter().map(|text| self.placed(text))
    }

    /// Arguments after the command.
    fn flags(&self) -> impl Iterator<Item = String> {
        self.flags.iter().map(|text| self.placed(text))
    }

    /// All environment variables except `PWD`.
    fn environment(&self) -> BTreeMap<String, String> {
        let common = [("PATH", "/usr/bin:/bin"), ("HOME", "/home/user")];
        let own = self.env.iter().map(|(name, value)| (name.clone(), self.placed(value)));
        common.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().chain(own).collect()
    }

    fn placed(&self, text: &str) -> String {
        text.replace("@DIR@", &self.input.display().to_string())
    }
}

/// Returns all cases, sorted by name.
fn cases() -> Result<Vec<Case>> {
    let corpus = workspace().join("../shared/compose-corpus/dev");
    let corpus = corpus.canonicalize().with_context(|| format!("{} does not exist", corpus.display()))?;
    let mut cases = Vec::new();
    for entry in fs::read_dir(&corpus)? {
        let folder = entry?.path();
        if folder.is_dir() {
            let case: Case = toml::from_str(&fs::read_to_string(folder.join("case.toml"))?)?;
            cases.push(Case { input: folder.join("input"), ..case });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}
