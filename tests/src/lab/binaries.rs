//! Paths of the two programs under test, as Cargo built them.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::place::target;

/// Returns the path of the agent.
pub fn agent_binary() -> Result<PathBuf> {
    find("landfast-agent")
}

/// Returns the path of the coordinator.
pub fn coordinator_binary() -> Result<PathBuf> {
    find("landfast")
}

fn find(name: &str) -> Result<PathBuf> {
    let profile = std::env::var("LANDFAST_PROFILE").unwrap_or_else(|_| "debug".to_owned());
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let path = target().join(triple).join(&profile).join(name);
    ensure!(
        path.exists(),
        "{} does not exist: run `cargo build --workspace` first, as tests/run.sh does",
        path.display()
    );
    Ok(path)
}
