//! The LAN between the hosts: a network namespace with a bridge. The coordinator runs in the same namespace.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;

use super::namespaces::Namespaces;
use super::output::Output;
use super::place::Machine;

/// Address of the bridge, and of the coordinator.
pub(crate) const ADDRESS: &str = "10.77.0.1";

/// Bridge that connects the hosts.
#[derive(Clone)]
pub struct Lan {
    namespaces: Arc<Namespaces>,
}

impl Lan {
    pub(crate) fn start(machine: &Machine) -> Result<Self> {
        let environment = [("LAN_ADDRESS", ADDRESS.to_owned())];
        let namespaces = Namespaces::start(&["--mount", "--net"], "lan.sh", &machine.lock("lan"), &environment)?;
        Ok(Self { namespaces: Arc::new(namespaces) })
    }

    /// Prepares a program of this machine to run on the LAN, as the coordinator does. It has no other network.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.namespaces.network_command(program.as_ref())
    }

    /// Command that enters the LAN's namespace from this machine.
    pub fn enter_command(&self) -> String {
        format!("nsenter --net=/proc/{}/ns/net", self.namespaces.first())
    }

    /// Runs `ip` in the LAN's namespace.
    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<Output> {
        Output::of(self.command("ip").args(arguments))?.succeeds()
    }

    /// Connects a host's network namespace to the bridge. `first` is a process in that namespace.
    pub(crate) fn attach(&self, host: &str, first: u32) -> Result<()> {
        let port = format!("to-{host}");
        self.ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &first.to_string()])?;
        self.ip(&["link", "set", &port, "master", "lan", "up"])?;
        Ok(())
    }
}
