//! `landfast-agent`: one per host. Serves the coordinator over mutual TLS and makes the host what it was assigned.

mod api;
mod apply;
mod blobs;
mod dns;
mod docker;
mod durable;
mod engine_session;
mod observe;
mod overlay;
mod ports;
mod reconcile;
mod report;
mod run;
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
use landfast_certs::Identity;

/// One per host: serves the coordinator and makes the host what it was assigned.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the agent, until SIGTERM. Containers go on without it.
    Run(Run),
    /// Make this host's key where it stays, and print the request for its certificate.
    Request {
        /// The folder of this host's key and certificate.
        #[arg(long, value_name = "FOLDER")]
        identity: PathBuf,
        /// The host's name in landfast.toml.
        #[arg(long)]
        host: String,
        /// The fleet's name.
        #[arg(long)]
        fleet: String,
    },
}

/// What the agent runs with.
#[derive(clap::Args)]
pub(crate) struct Run {
    /// The folder with ca.pem, cert.pem and key.pem.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) identity: PathBuf,
    /// Where to keep the host state, bundles and live trees.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/landfast")]
    pub(crate) state: PathBuf,
    /// Where to serve.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:7219")]
    pub(crate) listen: SocketAddr,
    /// The Docker Engine.
    #[arg(long, value_name = "SOCKET", default_value = "unix:///var/run/docker.sock")]
    pub(crate) docker: String,
}

fn main() -> ExitCode {
    landfast_certs::install_provider();
    let command = Cli::parse().command;
    let done = match command {
        Command::Run(run) => {
            // Containers see what the agent makes for them: each thing is made with a mode of its own, and a umask that
            // the agent happens to be started with must not take bits away.
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

/// The request says nothing of whom it is for: the authority does. The names are checked here so that a slip is seen
/// before the request has travelled.
fn request(folder: &std::path::Path, host: &str, fleet: &str) -> anyhow::Result<()> {
    let identity = Identity::agent(fleet, host)?;
    let request = landfast_certs::key_and_request(folder).context("no request made")?;
    eprintln!("landfast-agent: request for {identity}");
    print!("{request}");
    Ok(())
}
