//! `tests/bench.sh NAME`: benchmarks against a peer; both are measured in the same run.

mod config;
mod deploy;
mod large;
mod measure;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    match words.first().map(String::as_str) {
        Some("deploy") => deploy::deploy(if quick { 3 } else { 7 }),
        Some("config") => config::config(if quick { 3 } else { 11 }),
        Some(measure::VERB) => measure::measure(&words[1..]),
        _ => bail!("usage: bench deploy|config [--quick]"),
    }
}
