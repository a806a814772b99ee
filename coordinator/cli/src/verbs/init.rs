//! `landfast init`: creates `landfast.toml` if there is none, the certificate authority of the fleet, and a certificate
//! for the caller. Existing files are never overwritten.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use landfast_agreement::HostName;
use landfast_certs::{Authority, Credentials, Identity, Role, Validity};

use landfast_engine::folder::{self, FleetFolder};

use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct InitArguments {
    /// Name of the fleet; default: the name in landfast.toml, or else the name of the folder
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: InitArguments) -> Result<Exit, CliError> {
    let folder = context.current_dir.join(context.global.fleet.as_deref().unwrap_or(Path::new("")));
    std::fs::create_dir_all(&folder).map_err(|error| CliError::failed(cannot_write(&folder), error))?;
    let file = folder.join(folder::FILE);
    let name = if file.exists() {
        name_of_fleet(context, &folder, args.name)?
    } else {
        let name = new_name(&folder, args.name)?;
        write_template(&file, &name)?;
        context.printer.say(&format!("created {}: define hosts, networks and stacks in it", file.display()));
        name
    };
    make_trust(context, &folder.join(folder::STATE), &name)?;
    context.printer.say(&format!("next: landfast{} host add NAME ADDRESS --ssh root@", in_folder(context)));
    Ok(Exit::Done)
}

fn in_folder(context: &Context) -> String {
    context.global.fleet.as_ref().map(|folder| format!(" -C {}", folder.display())).unwrap_or_default()
}

fn cannot_write(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

/// Returns the name of the existing fleet. Another name on the command line is refused.
fn name_of_fleet(context: &Context, folder: &Path, asked: Option<String>) -> Result<String, CliError> {
    let found = FleetFolder::find(Some(folder), &context.current_dir)?;
    let name = found.fleet.name;
    match asked {
        Some(asked) if asked != name => Err(CliError::usage(
            format!("{} defines the fleet {name}, not {asked}", folder.join(folder::FILE).display()),
            "leave the name out, or choose another folder with -C",
        )),
        _ => Ok(name),
    }
}

/// Returns the name for a new fleet: the given one, or else the name of the folder.
fn new_name(folder: &Path, asked: Option<String>) -> Result<String, CliError> {
    let of_folder = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = asked.or_else(of_folder).unwrap_or_default();
    if HostName::is_valid(&name) {
        return Ok(name);
    }
    Err(CliError::usage(
        format!("{name:?} is not a name of a fleet: {}", HostName::RULE),
        "choose a name: landfast init NAME",
    ))
}

fn write_template(file: &Path, name: &str) -> Result<(), CliError> {
    let text = include_str!("init/landfast.toml").replace("NAME_OF_FLEET", name);
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(file);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|error| CliError::failed(cannot_write(file), error))
}

/// Creates the authority, then the operator's certificate. If it is interrupted in between, another `init` completes it.
fn make_trust(context: &Context, state: &Path, fleet: &str) -> Result<(), CliError> {
    let (authority_folder, operator_folder) = (state.join("authority"), state.join("operator"));
    let exists = |folder: &Path, file: &str| folder.join(file).exists();
    if exists(&authority_folder, "ca-key.pem") && exists(&operator_folder, "key.pem") {
        let message =
            format!("{} already has an authority and a certificate; they are never overwritten", state.display());
        return Err(CliError::of(message)
            .hint("issue further certificates with `landfast cert issue operator NAME --role ROLE --out DIR`"));
    }
    make_state_folder(state)?;
    let now = SystemTime::now();
    let authority = if exists(&authority_folder, "ca-key.pem") {
        Authority::load(&authority_folder)
    } else {
        Authority::create(fleet, now).and_then(|authority| authority.save(&authority_folder).map(|()| authority))
    };
    let operator = authority.and_then(|authority| {
        let identity = Identity::operator(fleet, &operator_name(context), Role::Admin)?;
        let credentials = authority.issue(&identity, Validity::standard(now))?;
        credentials.save(&operator_folder).map(|()| credentials)
    });
    let operator: Credentials = operator.map_err(CliError::of)?;
    context.printer.say(&format!(
        "created the certificate authority of {fleet} in {}: keep a backup of it",
        authority_folder.display()
    ));
    context.printer.say(&format!("your identity: {}", operator.identity()));
    Ok(())
}

/// Creates the state folder. Only its owner can read it and git ignores it, because it contains keys.
fn make_state_folder(state: &Path) -> Result<(), CliError> {
    let ignore: PathBuf = state.join(".gitignore");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .and_then(|()| std::fs::write(&ignore, "*\n"))
        .map_err(|error| CliError::failed(cannot_write(state), error))
}

/// Returns the name of the current user if it is a valid operator name, or else `admin`.
fn operator_name(context: &Context) -> String {
    let user = context.environment.get("USER").or_else(|| context.environment.get("LOGNAME"));
    user.map(|user| user.to_lowercase()).filter(|user| HostName::is_valid(user)).unwrap_or_else(|| "admin".to_owned())
}
