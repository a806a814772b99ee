//! The LAN between the hosts: a network namespace with a bridge, which is also where the coordinator runs.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;

use super::output::Output;
use super::place::Machine;
use super::stage::Stage;

/// The LAN's own address, and the coordinator's.
pub(crate) const ADDRESS: &str = "10.77.0.1";

/// A bridge that hosts plug into.
#[derive(Clone)]
pub struct Lan {
    stage: Arc<Stage>,
}

impl Lan {
    pub(crate) fn raise(machine: &Machine) -> Result<Self> {
        let environment = [("LAN_ADDRESS", ADDRESS.to_owned())];
        let stage = Stage::set(&["--mount", "--net"], "lan.sh", &machine.lock("lan"), &environment)?;
        Ok(Self { stage: Arc::new(stage) })
    }

    /// A program of this machine, run where the coordinator is: it sees the LAN and nothing else.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.stage.network_command(program.as_ref())
    }

    /// How a person enters it from this machine.
    pub fn way_in(&self) -> String {
        format!("nsenter --net=/proc/{}/ns/net", self.stage.first())
    }

    /// Runs `ip` on the LAN's side.
    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<Output> {
        Output::of(self.command("ip").args(arguments))?.succeeds()
    }

    /// A cable from the bridge to another network namespace, named after the host.
    pub(crate) fn plug(&self, host: &str, first: u32) -> Result<()> {
        let port = format!("to-{host}");
        self.ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &first.to_string()])?;
        self.ip(&["link", "set", &port, "master", "lan", "up"])?;
        Ok(())
    }
}
