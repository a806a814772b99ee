//! `landfast host add`: installs the agent on a host over SSH and adds the host to the fleet.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use clap::Args;
use landfast_agreement::{HostName, paths, ports};
use landfast_proto::v1::DescribeResponse;

use crate::atomic_file;
use crate::contract::AddedHost;
use crate::output;
use crate::ssh::config::files;
use crate::ssh::service::{AgentOptions, Supervisor};
use crate::ssh::{Hop, Join, LocalUser, Overrides, RequestedDestination, join, route};
use landfast_engine::connect::Target;
use landfast_engine::folder::{self, FleetFolder};

use super::{entry, networks, user};
use crate::verbs::cert;
use crate::{CliError, Context, Exit};

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// Name of the host in the fleet
    #[arg(value_name = "NAME")]
    host: String,
    /// Address of the host on the LAN, where the agent listens
    #[arg(value_name = "ADDRESS", required_unless_present = "upgrade")]
    address: Option<Ipv4Addr>,
    /// Install the agent again on a host of landfast.toml, with its address and port
    #[arg(long, conflicts_with_all = ["address", "port"])]
    upgrade: bool,
    /// Log in to this SSH destination, as root or as a user with passwordless sudo; HOST is a name, an address or a Host
    /// of ~/.ssh/config (default: ADDRESS)
    #[arg(long, value_name = "[USER@][HOST][:PORT]")]
    ssh: String,
    /// Log in with this key only; default: the keys that ssh would use
    #[arg(long, value_name = "KEY")]
    identity: Option<PathBuf>,
    /// Trust only the host keys in this file; default: the files that ssh would use
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<PathBuf>,
    /// Trust the host key with this fingerprint, regardless of known_hosts
    #[arg(long, value_name = "SHA256:…", conflicts_with = "known_hosts")]
    accept_fingerprint: Option<String>,
    /// Install this agent binary; default: the landfast-agent next to landfast
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
    /// Make the agent listen on this port
    #[arg(long, value_name = "PORT", default_value_t = ports::AGENT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Install the agent binary in this folder of the host
    #[arg(long, value_name = "DIR", default_value = "/usr/local/bin")]
    install_dir: PathBuf,
    /// Store the key and the certificate of the host in this folder
    #[arg(long, value_name = "DIR", default_value = paths::IDENTITY)]
    identity_dir: PathBuf,
    /// Store the state of the agent in this folder
    #[arg(long, value_name = "DIR", default_value = paths::STATE)]
    state_dir: PathBuf,
    /// Connect the agent to this socket of the Docker engine
    #[arg(long, value_name = "SOCKET", default_value = "/var/run/docker.sock")]
    docker: String,
    /// Start the agent as a plain process even if systemd is running
    #[arg(long)]
    no_systemd: bool,
}

pub(super) async fn run(context: &Context, args: AddArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let folder = context.folder()?;
    if let Err(invalid) = args.host.parse::<HostName>() {
        return Err(CliError::usage(invalid.to_string(), "choose another name"));
    }
    let place = place(&folder, &args)?;
    // Fails before the host is changed if the host cannot be added to the file.
    with_host(&folder, &args, place)?;
    let authority = cert::authority(&folder)?;
    let operator = folder.credentials()?;
    let target = Target { host: args.host.clone(), address: *place.ip(), port: place.port() };
    let request = Join {
        hops: hops(context, &args, *place.ip())?,
        authority: &authority,
        operator: &operator,
        binary: binary(context, &args)?,
        agent: agent_options(&args, &target),
        target,
        supervisor: args.no_systemd.then_some(Supervisor::Process),
    };
    let found = join(&request, &**context.printer).await?;
    if let Some(text) = with_host(&folder, &args, place)? {
        let file = folder.path.join(folder::FILE);
        atomic_file::replace(&file, &text)
            .map_err(|error| CliError::failed(format!("{} cannot be written", file.display()), error))?;
        context.printer.say(&format!("added {} to {}", args.host, file.display()));
    }
    tell(context, &args.host, place, &found, json)?;
    networks::make(context).await;
    Ok(Exit::Done)
}

/// Returns where the agent listens: as the command line says, or as `landfast.toml` says for a host that is upgraded.
fn place(folder: &FleetFolder, args: &AddArguments) -> Result<SocketAddrV4, CliError> {
    let known = folder.fleet.hosts.get(&args.host).filter(|_| args.upgrade);
    match (args.address, known) {
        (Some(address), _) => Ok(SocketAddrV4::new(address, args.port)),
        (None, Some(host)) => Ok(SocketAddrV4::new(host.address, host.port)),
        (None, None) => Err(CliError::usage(
            format!("landfast.toml has no host {}", args.host),
            format!("add it: landfast host add {} ADDRESS --ssh USER@", args.host),
        )),
    }
}

/// Reads `landfast.toml` again and returns its text with the host added. Another process may have changed the file since
/// it was loaded.
fn with_host(folder: &FleetFolder, args: &AddArguments, place: SocketAddrV4) -> Result<Option<String>, CliError> {
    let file = folder.path.join(folder::FILE);
    let text = std::fs::read_to_string(&file)
        .map_err(|error| CliError::failed(format!("{} cannot be read", file.display()), error))?;
    let fleet = landfast_core::fleet::Fleet::parse(&file.display().to_string(), &text)?;
    entry::with_host(&fleet, &text, &args.host, *place.ip(), place.port()).map_err(|error| {
        CliError::of(error).hint(format!("first add [hosts.{}] to {} by hand", args.host, file.display()))
    })
}

/// Returns the SSH hops to the host, from the command line and the configuration of ssh.
fn hops(context: &Context, args: &AddArguments, address: Ipv4Addr) -> Result<Vec<Hop>, CliError> {
    let wanted = RequestedDestination::parse(&args.ssh).map_err(|error| {
        CliError::usage(error.to_string(), "write --ssh root@, --ssh box, or --ssh user@192.168.2.201:22")
    })?;
    let me = me(context)?;
    let config = files::load(&me.home, me.uid)?;
    let given = Overrides {
        identity: args.identity.clone(),
        known_hosts: args.known_hosts.clone(),
        fingerprint: args.accept_fingerprint.clone(),
    };
    let route = route(&wanted, &address.to_string(), &given, &config, &me)?;
    route.notes.iter().for_each(|note| context.printer.warn(note));
    Ok(route.hops)
}

/// Returns the user of this process. The home folder is `HOME`, or else the one in `/etc/passwd`.
fn me(context: &Context) -> Result<LocalUser, CliError> {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = user::of(&users, uid);
    let variable = |name: &str| context.environment.get(name).filter(|value| !value.is_empty()).cloned();
    let user =
        listed.as_ref().map(|user| user.name.clone()).or_else(|| variable("LOGNAME")).or_else(|| variable("USER"));
    // Without a home folder, known_hosts would be read from the current folder.
    let Some(home) = variable("HOME").or(listed.map(|user| user.home)) else {
        return Err(CliError::usage(
            "HOME is not set, and this user has no home folder",
            "set HOME to your home folder",
        ));
    };
    Ok(LocalUser {
        user: user.unwrap_or_else(|| "root".to_owned()),
        uid,
        home: home.into(),
        current_dir: context.current_dir.clone(),
        environment: context.environment.clone(),
    })
}

/// Returns the path of the agent binary to install.
fn binary(context: &Context, args: &AddArguments) -> Result<PathBuf, CliError> {
    if let Some(path) = &args.agent {
        return Ok(context.current_dir.join(path));
    }
    let own = std::env::current_exe()
        .map_err(|error| CliError::failed("cannot find the path of the landfast executable", error))?;
    Ok(own.with_file_name("landfast-agent"))
}

fn agent_options(args: &AddArguments, target: &Target) -> AgentOptions {
    AgentOptions {
        program: args.install_dir.join("landfast-agent"),
        identity: args.identity_dir.clone(),
        state: args.state_dir.clone(),
        docker: args.docker.strip_prefix("unix://").unwrap_or(&args.docker).into(),
        listen: target.socket(),
        pid: "/run/landfast-agent.pid".into(),
        log: "/var/log/landfast-agent.log".into(),
    }
}

/// Prints the description of the added host.
fn tell(
    context: &Context,
    host: &str,
    place: SocketAddrV4,
    found: &DescribeResponse,
    json: bool,
) -> Result<(), CliError> {
    let engine = found.engine.clone().unwrap_or_default();
    if json {
        let object = AddedHost {
            name: host,
            address: place.to_string(),
            agent_version: &found.agent_version,
            engine_version: &engine.version,
            api_version: &engine.api_version,
            image_store: &engine.image_store,
            os: &engine.os,
            architecture: &engine.architecture,
            disk_free: found.disk_free,
        };
        return Ok(output::json(&object)?);
    }
    let free = found.disk_free >> 30;
    context.printer.say(&format!("{host} joined the fleet: agent {}, {free} GiB free", found.agent_version));
    if engine.error.is_empty() {
        context.printer.say(&format!(
            "engine: Docker {} (API {}, {} image store) on {}/{}",
            engine.version, engine.api_version, engine.image_store, engine.os, engine.architecture,
        ));
    } else {
        context.printer.warn(&engine.error);
    }
    Ok(())
}
