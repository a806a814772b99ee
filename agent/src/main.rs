//! `landfast-agent` runs on each host. It serves the coordinator over mutual TLS, and makes the host what it was assigned.

mod api;
mod apply;
mod blobs;
mod claims;
mod dns;
mod docker;
mod durable;
mod engine_session;
mod error_text;
mod network_settings;
mod observe;
mod old_state;
mod overlay;
mod peers;
mod ports;
mod reconcile;
#[cfg(test)]
mod recorded;
mod releases;
mod report;
mod run;
mod secrets;
mod sources;
mod started;
mod starts;
mod state;
mod tree;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use landfast_agreement::paths;
use landfast_certs::Identity;

/// Agent of one host: serves the coordinator and makes the host what it was assigned.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the agent until SIGTERM. Containers continue to run without it.
    Run(Run),
    /// Create this host's key, which never leaves the host, and print a certificate request.
    Request {
        /// Folder with this host's key and certificate.
        #[arg(long, value_name = "FOLDER")]
        identity: PathBuf,
        /// Name of the host in landfast.toml.
        #[arg(long)]
        host: String,
        /// Name of the fleet.
        #[arg(long)]
        fleet: String,
    },
}

/// Options of `landfast-agent run`.
#[derive(clap::Args)]
pub(crate) struct Run {
    /// Folder with ca.pem, cert.pem and key.pem.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) identity: PathBuf,
    /// Folder for the host state, bundles and live trees.
    #[arg(long, value_name = "FOLDER", default_value = paths::STATE)]
    pub(crate) state: PathBuf,
    /// Address to serve on.
    #[arg(long, value_name = "IP:PORT", default_value_t = SocketAddr::from(([0, 0, 0, 0], landfast_agreement::ports::AGENT)))]
    pub(crate) listen: SocketAddr,
    /// Socket of the Docker Engine.
    #[arg(long, value_name = "SOCKET", default_value = "unix:///var/run/docker.sock")]
    pub(crate) docker: String,
}

fn main() -> ExitCode {
    landfast_certs::install_provider();
    let command = Cli::parse().command;
    let done = match command {
        Command::Run(run) => {
            // Containers see files that the agent creates. Each is created with a mode of its own, and the umask that the
            // agent was started with must not remove bits.
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            run::run(run)
        }
        Command::Request { identity, host, fleet } => request(&identity, &host, &fleet),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landfast-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a certificate request. The request does not name the host, because the authority does that. The names are checked
/// here so that a mistake shows before the request is carried to the authority.
fn request(folder: &std::path::Path, host: &str, fleet: &str) -> anyhow::Result<()> {
    let identity = Identity::agent(fleet, host)?;
    let request = landfast_certs::key_and_request(folder).context("cannot create a certificate request")?;
    eprintln!("landfast-agent: request for {identity}");
    print!("{request}");
    Ok(())
}
