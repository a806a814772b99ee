//! Measures the time and the peak memory of one process.
//!
//! The kernel adds up the usage of all children of a process, so each measurement runs in a new process of this
//! program.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::Output;
use nix::sys::resource::{UsageWho, getrusage};

/// Argument that makes this program measure a command.
pub(crate) const VERB: &str = "measure";

/// Usage of one process.
pub(crate) struct Taken {
    pub(crate) time: Duration,
    /// Peak memory in MiB.
    pub(crate) memory: f64,
}

/// Measures a program that runs in a folder with these environment variables only.
pub(crate) fn run(program: &Path, words: &[String], folder: &Path, variables: &[(String, String)]) -> Result<Taken> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(VERB).arg(program).args(words).current_dir(folder).env_clear();
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let printed = Output::of(&mut command)?.succeeds()?.stdout;
    let (micros, kibibytes) = printed.trim().split_once(' ').context("the measurement is not two numbers")?;
    Ok(Taken { time: Duration::from_micros(micros.parse()?), memory: kibibytes.parse::<f64>()? / 1024.0 })
}

/// Runs a program and prints the microseconds and the KiB that it used.
pub(crate) fn measure(words: &[String]) -> Result<()> {
    let (program, words) = words.split_first().context("no program to measure")?;
    let began = Instant::now();
    let status = Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let took = began.elapsed();
    ensure!(status.success(), "{program} {} ended with {status}", words.join(" "));
    println!("{} {}", took.as_micros(), getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}
