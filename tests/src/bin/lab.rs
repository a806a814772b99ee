//! Interactive lab: starts hosts, prints how to reach them, and keeps them until standard input closes.
//!
//! `cargo run -p landfast-tests --bin lab -- 3 [COMMAND…]` runs a command on the lab's LAN instead of waiting.

use std::io::Read;

use anyhow::{Context, Result};
use landfast_tests::lab::Lab;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let count = words.next().map_or(Ok(3), |count| count.parse()).context("the number of hosts is not a number")?;
    let lab = Lab::of(count)?;
    for host in lab.hosts() {
        println!("{} {} DOCKER_HOST=unix://{}", host.name(), host.address(), host.socket().display());
        println!("  enter: {} bash", host.enter_command());
    }
    println!("coordinator: {}", lab.lan().enter_command());
    let Some(program) = words.next() else {
        println!("press Ctrl-D to end the lab");
        std::io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    };
    let status = lab.lan().command(program).args(words).status()?;
    std::process::exit(status.code().unwrap_or(1));
}
