//! `landfast config`: prints the resolved compose project. It is a replacement for `docker compose config` and needs no
//! fleet. With `--stack`, it loads a stack of the fleet as `up` does.

mod lists;
mod named;

use std::borrow::Cow;
use std::path::PathBuf;

use landfast_compose::Diagnostics;
use landfast_compose::{
    Input, Layout, Loaded, canonical, canonical_for_yaml, doubled, json_text, service_digests, sort_keys, variables,
    yaml_text,
};
use serde_json::Value;

use crate::output::{self, escape};
use landfast_engine::project::{self, Request, shorten};
use landfast_engine::stack::{request, stack_folder};

use crate::arguments::{ComposeArguments, Format};
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct ConfigArguments {
    #[command(flatten)]
    pub compose: AfterVerb,
    /// Load this stack of landfast.toml, as `up` does
    #[arg(long, value_name = "NAME", conflicts_with_all = ["after_file", "after_project_name", "after_project_directory"])]
    pub stack: Option<String>,
    /// Print the names of the services
    #[arg(long, group = "list")]
    pub services: bool,
    /// Print the names of the volumes
    #[arg(long, group = "list")]
    pub volumes: bool,
    /// Print the names of the networks
    #[arg(long, group = "list")]
    pub networks: bool,
    /// Print the image references
    #[arg(long, group = "list")]
    pub images: bool,
    /// Print the names of the profiles
    #[arg(long, group = "list")]
    pub profiles: bool,
    /// Print the variables used for interpolation, with their values
    #[arg(long, group = "list")]
    pub environment: bool,
    /// Print the names of the models
    #[arg(long, group = "list")]
    pub models: bool,
    /// Print the variables that the compose files use, with their defaults; honours --format
    #[arg(long, group = "list")]
    pub variables: bool,
    /// Print the configuration digests of all services (`*`) or of the named ones, as Compose labels containers with
    /// them
    #[arg(long, group = "list", value_name = "SERVICE,…", conflicts_with = "no_interpolate")]
    pub hash: Option<String>,
    /// Do not interpolate variables
    #[arg(long)]
    pub no_interpolate: bool,
    /// Do not add implied settings: default network, names, dependencies
    #[arg(long)]
    pub no_normalize: bool,
    /// Do not read the `env_file` of services
    #[arg(long)]
    pub no_env_resolution: bool,
    /// Do not resolve relative paths
    #[arg(long)]
    pub no_path_resolution: bool,
    /// Do not check references between services and resources; the printed project may not be deployable
    #[arg(long)]
    pub no_consistency: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print only these services and their dependencies
    #[arg(value_name = "SERVICE")]
    pub only: Vec<String>,
}

/// The arguments of [`ComposeArguments`] with other ids, so that they are accepted after the verb too.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AfterVerb {
    /// Read this compose file instead of the default names; several are merged
    #[arg(short = 'f', long = "file", id = "after_file", value_name = "FILE")]
    file: Vec<String>,
    /// Enable this profile
    #[arg(long = "profile", id = "after_profile", value_name = "PROFILE")]
    profile: Vec<String>,
    /// Read variables from this file instead of .env
    #[arg(long = "env-file", id = "after_env_file", value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Set the project name
    #[arg(short = 'p', long = "project-name", id = "after_project_name", value_name = "NAME")]
    project_name: Option<String>,
    /// Resolve relative paths against this folder
    #[arg(long = "project-directory", id = "after_project_directory", value_name = "DIR")]
    project_directory: Option<PathBuf>,
}

impl From<AfterVerb> for ComposeArguments {
    fn from(after: AfterVerb) -> Self {
        let AfterVerb { file, profile, env_file, project_name, project_directory } = after;
        Self { file, profile, env_file, project_name, project_directory }
    }
}

pub(super) async fn run(context: &Context, args: ConfigArguments) -> Result<Exit, CliError> {
    let request = requested(context, &args)?;
    let input = project::read(&request)?;
    let text = text(context, &args, &input)?;
    if context.global.quiet {
        return Ok(Exit::Done);
    }
    match &args.output {
        None => output::print(&shown(&text, &args))?,
        Some(file) => std::fs::write(context.current_dir.join(file), text)
            .map_err(|error| CliError::failed(format!("{} cannot be written", file.display()), error))?,
    }
    Ok(Exit::Done)
}

/// Escapes control characters in values if stdout is a terminal (T36). Programs receive the values unchanged.
fn shown<'t>(text: &'t str, args: &ConfigArguments) -> Cow<'t, str> {
    let is_raw = args.environment && output::is_terminal();
    if is_raw { escape::lines(text) } else { Cow::Borrowed(text) }
}

/// Returns the text to print. It fails if the project has mistakes that matter for the text.
fn text(context: &Context, args: &ConfigArguments, input: &Input) -> Result<String, CliError> {
    let uninterpolated = || project::load_uninterpolated(input);
    let format = context.global.format;
    if args.variables {
        return Ok(named::text(&variables(&uninterpolated()?), format));
    }
    if let Some(wanted) = &args.hash {
        return lists::hashes(service_digests(loaded(context, input)?), wanted);
    }
    let project = match format {
        _ if args.no_interpolate => uninterpolated()?,
        Some(Format::Json) if !args.models => canonical(loaded(context, input)?),
        _ => canonical_for_yaml(loaded(context, input)?),
    };
    if args.environment {
        return Ok(lists::environment(input, &project));
    }
    match lists::lines(args, &project) {
        Some(lines) => Ok(lines.iter().map(|line| format!("{}\n", escape::line(line))).collect()),
        None => printed(project, args, format),
    }
}

fn loaded(context: &Context, input: &Input) -> Result<Loaded, CliError> {
    let loaded = project::load(input)?;
    for warning in shorten(Diagnostics(loaded.warnings.clone()), &context.current_dir).0 {
        context.printer.warn(&warning.to_string());
    }
    Ok(loaded)
}

fn printed(mut project: Value, args: &ConfigArguments, format: Option<Format>) -> Result<String, CliError> {
    let text = match format {
        None | Some(Format::Yaml) => {
            if args.no_interpolate {
                sort_keys(&mut project);
            }
            yaml_text(&project)
        }
        Some(Format::Json) => json_text(&project, Layout::Indented),
        Some(Format::Table | Format::Sarif) => {
            let message = "a project cannot be printed as a table or as SARIF";
            return Err(CliError::usage(message, "use --format yaml or --format json"));
        }
    };
    // Without interpolation, `$` is left as it is, because the reader of the output interpolates the variables.
    Ok(if args.no_interpolate { text } else { doubled(&text) })
}

/// Returns the request for the project that `docker compose` would load here, or for a stack of the fleet.
fn requested(context: &Context, args: &ConfigArguments) -> Result<Request, CliError> {
    let compose = context.compose.clone().and(args.compose.clone().into());
    let mut request = match &args.stack {
        Some(stack) => {
            let engine =
                context.engine_reading(&compose.profile, &args.compose.env_file, std::slice::from_ref(stack))?;
            let (name, config) = engine.folder.stack(stack)?;
            let folder = stack_folder(&engine.folder.path, name, config);
            let folder = folder?;
            request(&engine.folder.path, &folder, name, config, &engine.options)?
        }
        None => context.request(compose)?,
    };
    // Lists of names cover the whole project, and are printed even if env files are missing.
    let names = args.services || args.volumes || args.networks || args.models;
    if !(names || args.profiles || args.hash.is_some()) {
        request.services.clone_from(&args.only);
    }
    request.keep_env_files = args.no_env_resolution || names;
    request.skip_normalisation = args.no_normalize;
    request.skip_consistency = args.no_consistency;
    request.keep_paths = args.no_path_resolution;
    // The profiles of all services are printed, even of disabled ones.
    if args.profiles {
        request.profiles = vec!["*".to_owned()];
    }
    Ok(request)
}
