//! What one process takes: its time, and its memory at the peak.
//!
//! The kernel adds up what a process's children took, so that each is run by a process of its own: this program again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::Output;
use nix::sys::resource::{UsageWho, getrusage};

/// The word by which this program is asked to measure.
pub(crate) const VERB: &str = "measure";

pub(crate) struct Taken {
    pub(crate) time: Duration,
    /// MiB.
    pub(crate) memory: f64,
}

/// Runs a program in a folder, with these variables and no others.
pub(crate) fn run(program: &Path, words: &[String], folder: &Path, variables: &[(String, String)]) -> Result<Taken> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(VERB).arg(program).args(words).current_dir(folder).env_clear();
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let said = Output::of(&mut command)?.succeeds()?.stdout;
    let (micros, kibibytes) = said.trim().split_once(' ').context("two numbers")?;
    Ok(Taken { time: Duration::from_micros(micros.parse()?), memory: kibibytes.parse::<f64>()? / 1024.0 })
}

/// Runs a program, and prints the microseconds and the KiB that it took.
pub(crate) fn measure(words: &[String]) -> Result<()> {
    let (program, words) = words.split_first().context("a program to measure")?;
    let began = Instant::now();
    let status = Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let took = began.elapsed();
    ensure!(status.success(), "{program} {} ended with {status}", words.join(" "));
    println!("{} {}", took.as_micros(), getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}
