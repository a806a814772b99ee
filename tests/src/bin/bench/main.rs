//! `tests/bench.sh NAME`: benchmarks. `deploy` and `config` measure a peer in the same run, and `scale` compares fleets of
//! different sizes.

mod config;
mod deploy;
mod large;
mod measure;
mod scale;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    match words.first().map(String::as_str) {
        Some("deploy") => deploy::deploy(if quick { 3 } else { 7 }),
        Some("config") => config::config(if quick { 3 } else { 11 }),
        Some("scale") => scale::scale(&words[1..], quick),
        Some(measure::VERB) => measure::measure(&words[1..]),
        Some(scale::AGENTS) => scale::agents(&words[1..]),
        Some(scale::COORDINATOR) => scale::coordinator(&words[1..]),
        _ => bail!("usage: bench deploy|config|scale [--quick]"),
    }
}
