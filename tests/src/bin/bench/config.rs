//! `tests/bench.sh config`: time and memory of the loader, compared with the reference.
//!
//! Measures the largest projects of the corpus of real ones, if the corpus exists, and a larger generated project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use landfast_tests::figures::{self, Figure};
use landfast_tests::lab::{compose, coordinator_binary, workspace};
use serde::Deserialize;
use serde_json::Value;

use crate::{large, measure};

const PEER: &str = "docker-compose config --format json";
const AIM: f64 = 0.3;
/// Number of projects to take by size, and again by number of services.
const OF_EACH: usize = 4;

/// A project and the arguments that load it.
struct Project {
    name: String,
    size: String,
    folder: PathBuf,
    arguments: Vec<String>,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
}

/// Measurements of both programs for one project, one value per run: seconds, and MiB at the peak.
#[derive(Default)]
struct Series {
    time: [Vec<f64>; 2],
    memory: [Vec<f64>; 2],
}

pub(crate) fn config(runs: usize) -> Result<()> {
    let generated = tempfile::tempdir()?;
    large::write(generated.path())?;
    let corpus = workspace().join("../shared/compose-corpus/dev");
    let real = if corpus.is_dir() {
        largest(&corpus)?
    } else {
        eprintln!("{} does not exist: only the generated project is measured", corpus.display());
        Vec::new()
    };
    let made = Project::plain("generated", format!("{} services", large::SERVICES), generated.path());
    let mut all =
        Vec::from(figures_of("config", if real.is_empty() { std::slice::from_ref(&made) } else { &real }, runs)?);
    if !real.is_empty() {
        all.extend(figures_of("large", std::slice::from_ref(&made), runs)?);
    }
    let path = workspace().join("target/bench/config.json");
    figures::write(&path, &all)?;
    figures::print(&all);
    eprintln!("written to {}", path.display());
    Ok(())
}

/// Returns the time and memory of all given projects together, and prints the ratios of each project.
fn figures_of(name: &str, projects: &[Project], runs: usize) -> Result<[Figure; 2]> {
    let mut sum = Series::default();
    for project in projects {
        let series = project.measure(runs)?;
        let figures = series.figures("project");
        let [time, memory] =
            figures.each_ref().map(|figure| (figure.ours, figure.peer, figure.ratio, figure.unit.as_str()));
        eprintln!(
            "{:<46} {:>22}  time {:.3} of {:.3} {} ({:.3})  memory {:.1} of {:.1} {} ({:.3})",
            project.name, project.size, time.0, time.1, time.3, time.2, memory.0, memory.1, memory.3, memory.2
        );
        sum.add(&series);
    }
    Ok(sum.figures(name))
}

impl Series {
    fn figures(&self, name: &str) -> [Figure; 2] {
        let of = |what: &str, unit, [ours, peer]: &[Vec<f64>; 2]| {
            Figure::of_values(&format!("{name} {what}"), unit, ours, peer, PEER, AIM)
        };
        [of("time", "s", &self.time), of("memory", "MiB", &self.memory)]
    }

    fn add(&mut self, other: &Self) {
        let add = |sum: &mut Vec<f64>, more: &Vec<f64>| {
            sum.resize(more.len(), 0.0);
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        };
        for who in 0..2 {
            add(&mut self.time[who], &other.time[who]);
            add(&mut self.memory[who], &other.memory[who]);
        }
    }
}

impl Project {
    /// Creates a project that needs no arguments.
    fn plain(name: &str, size: String, folder: &Path) -> Self {
        let (arguments, flags) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), size, folder: folder.to_owned(), arguments, flags, variables: Vec::new() }
    }

    /// Measures both programs alternately.
    fn measure(&self, runs: usize) -> Result<Series> {
        let words = |verb: &[&str]| -> Vec<String> {
            let verb = verb.iter().map(|word| (*word).to_owned());
            self.arguments.iter().cloned().chain(verb).chain(self.flags.iter().cloned()).collect()
        };
        let words = words(&["config", "--format", "json"]);
        let programs = [coordinator_binary()?, compose()];
        let mut variables = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
        variables.push(("HOME".to_owned(), "/home/user".to_owned()));
        variables.push(("PWD".to_owned(), self.folder.display().to_string()));
        variables.extend(self.variables.iter().cloned());
        let mut series = Series::default();
        for _ in 0..runs {
            for (who, program) in programs.iter().enumerate() {
                let taken = measure::run(program, &words, &self.folder, &variables)?;
                series.time[who].push(taken.time.as_secs_f64());
                series.memory[who].push(taken.memory);
            }
        }
        Ok(series)
    }
}

/// A case of the corpus, with the fields that are used here.
#[derive(Deserialize)]
struct Case {
    name: String,
    source: String,
    origin: String,
    valid: bool,
    cwd: String,
    files: Vec<String>,
    args: Vec<String>,
    flags: Vec<String>,
    env: std::collections::BTreeMap<String, String>,
}

/// Returns the largest real projects, by bytes of YAML and by number of services, at most one of each source.
fn largest(corpus: &Path) -> Result<Vec<Project>> {
    let mut measured = Vec::new();
    for entry in std::fs::read_dir(corpus)? {
        let folder = entry?.path();
        let Ok(text) = std::fs::read_to_string(folder.join("case.toml")) else { continue };
        let case: Case = toml::from_str(&text).with_context(|| folder.display().to_string())?;
        if case.valid && case.origin == "real" {
            measured.push((bytes(&folder, &case), services(&folder)?, folder, case));
        }
    }
    let mut chosen = Vec::new();
    let mut sources = BTreeSet::new();
    for by_services in [false, true] {
        measured.sort_by_key(|(bytes, services, _, case)| {
            std::cmp::Reverse((if by_services { *services as u64 } else { *bytes }, case.name.clone()))
        });
        let others: Vec<_> =
            measured.iter().filter(|(.., case)| sources.insert(case.source.clone())).take(OF_EACH).collect();
        chosen.extend(others.into_iter().map(|(bytes, services, folder, case)| {
            project(folder, case, format!("{services} services, {} KiB", bytes >> 10))
        }));
    }
    Ok(chosen)
}

fn project(folder: &Path, case: &Case, size: String) -> Project {
    let input = folder.join("input");
    let placed = |text: &String| text.replace("@DIR@", &input.display().to_string());
    Project {
        name: case.name.clone(),
        size,
        folder: input.join(&case.cwd),
        arguments: case.args.iter().map(placed).collect(),
        flags: case.flags.iter().map(placed).collect(),
        variables: case.env.iter().map(|(name, value)| (name.clone(), placed(value))).collect(),
    }
}

fn bytes(folder: &Path, case: &Case) -> u64 {
    let yaml = case.files.iter().filter(|file| file.ends_with(".yml") || file.ends_with(".yaml"));
    yaml.filter_map(|file| Some(folder.join("input").join(file).metadata().ok()?.len())).sum()
}

fn services(folder: &Path) -> Result<usize> {
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json"))?)?;
    Ok(expected["services"].as_object().map_or(0, serde_json::Map::len))
}
