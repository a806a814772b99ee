//! `tests/bench.sh scale`: costs of one coordinator beside simulated agents, and their growth with the number of hosts.
//!
//! One process simulates all agents, and another one runs the coordinator's engine, so that the memory and the processor
//! time are those of the coordinator alone. Both sides share the machine, so that elapsed times include the agents.

mod agent;
mod agents;
mod allocate;
mod child;
mod coordinator;
mod counters;
mod fleet;
mod report;
mod run;
mod service;
mod stream;

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use landfast_tests::figures::{self, Figure};
use landfast_tests::lab::workspace;

pub(crate) use agents::{VERB as AGENTS, agents};
pub(crate) use coordinator::{VERB as COORDINATOR, coordinator};

use run::Run;

/// A figure that is measured for each number of hosts.
struct Kind {
    name: &'static str,
    unit: &'static str,
    /// Largest value at the second number of hosts.
    most: Option<f64>,
    /// Largest growth from the first number of hosts to the second one.
    growth: Option<f64>,
}

/// Growth of a cost that does not depend on the number of hosts, with room for longer numbers.
const CONSTANT: Option<f64> = Some(1.2);

const KINDS: [Kind; 9] = [
    Kind { name: run::CHANGE_BYTES, unit: "B", most: None, growth: CONSTANT },
    Kind { name: run::CHANGE_JOURNAL, unit: "B", most: None, growth: CONSTANT },
    Kind { name: run::CHANGE_CPU, unit: "s", most: None, growth: None },
    Kind { name: run::PER_HOST_BYTES, unit: "B", most: None, growth: CONSTANT },
    Kind { name: run::RESIDENT_PER_HOST, unit: "KiB", most: None, growth: CONSTANT },
    Kind { name: run::RESIDENT, unit: "MiB", most: Some(150.0), growth: None },
    Kind { name: run::SURVEY, unit: "s", most: Some(2.0), growth: None },
    Kind { name: run::ROLLOUT, unit: "s", most: None, growth: CONSTANT },
    Kind { name: run::ROLLOUT_LINEARITY, unit: "", most: Some(2.4), growth: None },
];

/// Measurements for one number of hosts, by figure.
type Sample = BTreeMap<&'static str, Vec<f64>>;

/// Measures the figures. The words may name the numbers of hosts: `--hosts 10,100`.
pub(crate) fn scale(words: &[String], quick: bool) -> Result<()> {
    let sizes = sizes(words, quick)?;
    let runs = if quick { 3 } else { 5 };
    let mut problems = Vec::new();
    let mut samples: Vec<Sample> = Vec::new();
    for &hosts in &sizes {
        let mut run = Run::new(hosts, runs);
        if let Err(problem) = run.measure() {
            let problem = format!("{hosts} hosts: {problem:#}");
            eprintln!("{problem}");
            problems.push(problem);
        }
        samples.push(run.sample);
    }
    let mut all = figures_of(&sizes, &samples);
    match run::allocation(runs) {
        Ok(seconds) => all.push(Figure::alone(run::ALLOCATE, "s", &seconds, Some(1.0))),
        Err(problem) => {
            problems.push(format!("{}: {problem:#}", run::ALLOCATE));
            all.push(Figure::alone(run::ALLOCATE, "s", &[], Some(1.0)));
        }
    }
    let path = workspace().join("target/bench/scale.json");
    figures::write(&path, &all)?;
    figures::print(&all);
    eprintln!("written to {}", path.display());
    ensure!(problems.is_empty(), "not everything was measured:\n{}", problems.join("\n"));
    Ok(())
}

fn sizes(words: &[String], quick: bool) -> Result<Vec<usize>> {
    let Some(at) = words.iter().position(|word| word == "--hosts") else {
        return Ok(if quick { vec![100, 1_000] } else { vec![100, 1_000, 10_000] });
    };
    let Some(list) = words.get(at + 1) else { bail!("--hosts needs numbers: --hosts 10,100") };
    let sizes = list.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    ensure!(sizes.len() >= 2, "--hosts needs two numbers or more: the growth is that from the first to the second");
    Ok(sizes)
}

/// Returns the figures at the second number of hosts, their growth from the first one, and those at larger numbers.
fn figures_of(sizes: &[usize], samples: &[Sample]) -> Vec<Figure> {
    let values = |at: usize, name: &str| samples[at].get(name).map(Vec::as_slice).unwrap_or_default();
    let mut all = Vec::new();
    for Kind { name, unit, most, growth } in KINDS {
        let titled = |hosts: usize| format!("{name} {hosts}");
        let (first, second) = (values(0, name), values(1, name));
        let title = if name == run::SURVEY { titled(sizes[1]) } else { name.to_owned() };
        let at_second = Figure::alone(&title, unit, second, most);
        let at_first = Figure::alone(&titled(sizes[0]), unit, first, None);
        let ratio = at_second.ours / at_first.ours;
        all.push(at_first);
        all.push(at_second);
        for (at, hosts) in sizes.iter().enumerate().skip(2) {
            all.push(Figure::alone(&titled(*hosts), unit, values(at, name), None));
        }
        let ratios = if ratio.is_nan() { Vec::new() } else { vec![ratio] };
        all.push(Figure::alone(&format!("{name} growth"), "", &ratios, growth));
    }
    all
}
