//! Decides how the agent runs on a host: as a systemd service where systemd runs, otherwise as a plain process.
//!
//! The unit and the script contain only words that [`super::command`] accepts.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::command::{UnsafeWord, plain, plain_path};

/// Name of the systemd unit, and prefix of the other files' names.
pub const NAME: &str = "landfast-agent";
pub const UNIT: &str = "/etc/systemd/system/landfast-agent.service";

/// The program that supervises the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervisor {
    /// systemd, which restarts the agent after crashes and reboots.
    Systemd,
    /// No supervisor: the agent is a plain process.
    Process,
}

/// Paths and options that the agent is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentOptions {
    pub program: PathBuf,
    pub identity: PathBuf,
    pub state: PathBuf,
    pub docker: PathBuf,
    pub listen: SocketAddr,
    /// File with the process id of a plain process.
    pub pid: PathBuf,
    /// Log file of a plain process.
    pub log: PathBuf,
}

impl AgentOptions {
    /// The command line of the agent, made of plain words.
    pub fn command(&self) -> Result<String, UnsafeWord> {
        let docker = format!("unix://{}", plain_path(&self.docker)?);
        let listen = self.listen.to_string();
        let words = [
            plain_path(&self.program)?,
            "run",
            "--identity",
            plain_path(&self.identity)?,
            "--state",
            plain_path(&self.state)?,
            "--listen",
            plain(&listen)?,
            "--docker",
            plain(&docker)?,
        ];
        Ok(words.join(" "))
    }

    /// The systemd unit of the agent.
    pub fn unit(&self) -> Result<String, UnsafeWord> {
        Ok(format!(
            "# Written by `landfast host add`. Each further run overwrites it.\n\
             [Unit]\n\
             Description=Landfast agent\n\
             Wants=network-online.target\n\
             After=network-online.target docker.service\n\
             \n\
             [Service]\n\
             Type=notify\n\
             ExecStart={}\n\
             Restart=always\n\
             RestartSec=1\n\
             LimitNOFILE=65536\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n",
            self.command()?
        ))
    }

    /// A script for hosts without systemd. It stops the running agent and starts a new one that survives the login
    /// session.
    pub fn script(&self) -> Result<String, UnsafeWord> {
        let (program, command) = (plain_path(&self.program)?, self.command()?);
        let (pid_file, log) = (plain_path(&self.pid)?, plain_path(&self.log)?);
        Ok(format!(
            r#"#!/bin/sh
# Written by `landfast host add`. The running agent is identified by its process id and its executable.
set -eu
runs() {{
    pid=$(cat {pid_file} 2>/dev/null) || return 1
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in
        {program} | "{program} (deleted)") kill -0 "$pid" 2>/dev/null ;;
        *) return 1 ;;
    esac
}}
if runs; then
    kill "$pid"
    waited=0
    while runs && [ "$waited" -lt 100 ]; do sleep 0.1 || sleep 1; waited=$((waited + 1)); done
    if runs; then kill -9 "$pid"; fi
fi
umask 077
setsid sh -c 'echo $$ > {pid_file}; exec {command}' < /dev/null >> {log} 2>&1 &
"#
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> AgentOptions {
        AgentOptions {
            program: "/usr/local/bin/landfast-agent".into(),
            identity: "/etc/landfast".into(),
            state: "/var/lib/landfast".into(),
            docker: "/var/run/docker.sock".into(),
            listen: ([192, 168, 2, 201], 7219).into(),
            pid: "/run/landfast-agent.pid".into(),
            log: "/var/log/landfast-agent.log".into(),
        }
    }

    #[test]
    fn the_unit_and_the_script_start_the_same_agent() {
        let command = "/usr/local/bin/landfast-agent run --identity /etc/landfast --state /var/lib/landfast --listen \
                       192.168.2.201:7219 --docker unix:///var/run/docker.sock";
        assert_eq!(options().command().unwrap(), command);
        assert!(options().unit().unwrap().contains(&format!("\nExecStart={command}\n")));
        assert!(options().script().unwrap().contains(&format!("exec {command}'")));
    }

    #[test]
    fn t10_a_path_with_shell_characters_is_refused() {
        for state in ["/var/lib/$(id)", "/var/lib/a'b", "/a\nExecStartPre=/bin/x", "relative", "/a b", "/%n"] {
            let options = AgentOptions { state: state.into(), ..options() };
            assert!(options.unit().is_err() && options.script().is_err(), "{state:?} was accepted");
        }
    }
}
