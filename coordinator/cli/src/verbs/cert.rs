//! `landfast cert`: issues certificates that are installed by hand, and shows certificates.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use landfast_certs::{Authority, Credentials, Identity, Role, Validity};

use crate::contract;
use crate::output::{self, table::table};
use landfast_engine::folder::{self, FleetFolder};

use crate::{CliError, Context, Exit};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Args)]
pub struct CertArguments {
    #[command(subcommand)]
    verb: CertVerb,
}

#[derive(Debug, Subcommand)]
enum CertVerb {
    /// Create a key and a certificate in a folder, to be copied to where they are used
    Issue {
        #[command(subcommand)]
        whom: Whom,
    },
    /// Show the identity and the validity of a certificate
    Show {
        /// Folder with cert.pem; default: your own certificate
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Whom {
    /// Issue a certificate for the agent of a host
    Agent {
        /// Name of the host
        #[arg(value_name = "HOST")]
        host: String,
        #[command(flatten)]
        how: How,
    },
    /// Issue a certificate for a person or a script
    Operator {
        /// Name of the operator
        #[arg(value_name = "NAME")]
        name: String,
        /// Grant this role: viewer, deployer or admin
        #[arg(long, value_name = "ROLE", default_value = "viewer")]
        role: Role,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args)]
struct How {
    /// Write ca.pem, cert.pem and key.pem to this folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Make the certificate valid for this many days
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
}

pub(super) async fn run(context: &Context, args: CertArguments) -> Result<Exit, CliError> {
    match args.verb {
        CertVerb::Issue { whom: Whom::Agent { host, how } } => {
            let folder = context.folder()?;
            if !folder.fleet.hosts.contains_key(&host) {
                context.printer.warn(&format!("landfast.toml has no host {host} yet: add a section [hosts.{host}]"));
            }
            issue(context, &folder, &how, |fleet| Identity::agent(fleet, &host))
        }
        CertVerb::Issue { whom: Whom::Operator { name, role, how } } => {
            issue(context, &context.folder()?, &how, |fleet| Identity::operator(fleet, &name, role))
        }
        CertVerb::Show { folder } => show(context, folder.as_deref()),
    }
}

/// Loads the authority of the fleet. It exists only on the machine where the fleet was created.
pub(super) fn authority(folder: &FleetFolder) -> Result<Authority, CliError> {
    let place = folder.path.join(folder::STATE).join("authority");
    let authority = Authority::load(&place).map_err(|error| {
        CliError::of(error)
            .hint("only a machine with the fleet's authority can issue certificates; `landfast init` creates one")
    })?;
    if authority.fleet() == folder.fleet.name {
        return Ok(authority);
    }
    let message = format!(
        "the authority in {} belongs to the fleet {}, but landfast.toml defines the fleet {}",
        place.display(),
        authority.fleet(),
        folder.fleet.name
    );
    Err(CliError::usage(
        message,
        "a fleet cannot be renamed: restore the old name, or create a fleet in another folder",
    ))
}

fn issue(
    context: &Context,
    folder: &FleetFolder,
    how: &How,
    identity: impl FnOnce(&str) -> Result<Identity, landfast_certs::Error>,
) -> Result<Exit, CliError> {
    let authority = authority(folder)?;
    let identity =
        identity(&folder.fleet.name).map_err(|error| CliError::usage(error.to_string(), "choose another name"))?;
    let out = context.current_dir.join(&how.out);
    if out.join("key.pem").exists() {
        let message = format!("{} already has a key; it is never overwritten", out.display());
        return Err(CliError::usage(message, "choose another folder with --out"));
    }
    let validity = Validity::lasting(SystemTime::now(), DAY * how.days);
    let issued = authority.issue(&identity, validity).and_then(|credentials| credentials.save(&out));
    issued.map_err(CliError::of)?;
    context.printer.say(&format!("wrote ca.pem, cert.pem and key.pem of {identity} to {}", out.display()));
    Ok(Exit::Done)
}

fn show(context: &Context, folder: Option<&Path>) -> Result<Exit, CliError> {
    let json = context.json()?;
    let credentials = match folder {
        Some(folder) => Credentials::load(&context.current_dir.join(folder)).map_err(CliError::of)?,
        None => context.folder()?.credentials()?,
    };
    let date = |time: SystemTime| Timestamp::try_from(time).map(|time| time.to_string()).unwrap_or_default();
    let identity = credentials.identity();
    let role = identity.role().map(|role| role.to_string());
    let (from, until) = (date(credentials.not_before()), date(credentials.not_after()));
    let printed = if json {
        let identity = identity.to_string();
        output::json(&contract::Certificate { identity: &identity, role: role.as_deref(), from: &from, until: &until })
    } else {
        let row = [identity.to_string(), role.unwrap_or_default(), from, until];
        output::print(&table(["IDENTITY", "ROLE", "FROM", "UNTIL"], [row]))
    };
    printed?;
    if credentials.not_after() < SystemTime::now() {
        context.printer.warn("this certificate has expired");
    }
    Ok(Exit::Done)
}
