//! Decides how the agent is kept running on a host: by systemd where it runs, else as a plain process.
//!
//! Both are texts made of words that [`super::command`] has let through.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::command::{UnsafeWord, plain, plain_path};

/// The systemd unit's name, and the stem of the other files' names.
pub const NAME: &str = "landfast-agent";
pub const UNIT: &str = "/etc/systemd/system/landfast-agent.service";

/// What keeps an agent running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervisor {
    /// systemd, across crashes and reboots.
    Systemd,
    /// Nothing: a process of its own, until it ends.
    Process,
}

/// What an agent is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub program: PathBuf,
    pub identity: PathBuf,
    pub state: PathBuf,
    pub docker: PathBuf,
    pub listen: SocketAddr,
    /// Where a plain process leaves its number.
    pub pid: PathBuf,
    /// Where a plain process writes what it has to say.
    pub log: PathBuf,
}

impl Run {
    /// The whole command, each word plain.
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

    /// The systemd unit.
    pub fn unit(&self) -> Result<String, UnsafeWord> {
        Ok(format!(
            "# Written by `landfast host add`, and again by every further one.\n\
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

    /// A script for a host without systemd: ends the agent that is there, and starts one that outlives the login.
    pub fn script(&self) -> Result<String, UnsafeWord> {
        let (program, command) = (plain_path(&self.program)?, self.command()?);
        let (pid_file, log) = (plain_path(&self.pid)?, plain_path(&self.log)?);
        Ok(format!(
            r#"#!/bin/sh
# Written by `landfast host add`. The agent that runs is told by its process id and by what that process executes.
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

    fn run() -> Run {
        Run {
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
        assert_eq!(run().command().unwrap(), command);
        assert!(run().unit().unwrap().contains(&format!("\nExecStart={command}\n")));
        assert!(run().script().unwrap().contains(&format!("exec {command}'")));
    }

    #[test]
    fn t10_a_folder_with_a_shells_characters_starts_nothing() {
        for state in ["/var/lib/$(id)", "/var/lib/a'b", "/a\nExecStartPre=/bin/x", "relative", "/a b", "/%n"] {
            let run = Run { state: state.into(), ..run() };
            assert!(run.unit().is_err() && run.script().is_err(), "{state:?} was let through");
        }
    }
}
