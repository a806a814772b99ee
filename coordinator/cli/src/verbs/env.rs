//! `landfast env`: lists the environments of the stacks, and selects one.

mod choice;

use crate::atomic_file;
use crate::contract::{ActiveEnvironment, ListedEnvironment, MissingName, StackEnvironments};
use crate::output::{self, table::table};
use clap::{Args, Subcommand};
use landfast_compose::spelling::nearest;
use landfast_compose::{Diagnostics, Location};
use landfast_core::environments::{Comparison, VariableLocation};
use landfast_core::fleet::StackConfig;
use landfast_engine::folder::FILE;
use landfast_engine::project::{self, ProjectError, shorten};
use landfast_engine::stack::Environments;
use landfast_engine::{Engine, EngineError};

use crate::{CliError, Context, Exit};

/// Text at the end of `landfast env --help`.
const HELP: &str = "\
An environment of a stack is a file .env.NAME in the folder of the stack: .env.dev is the environment dev. With \
`env_files` in landfast.toml, NAME is the value of {env} in those paths: with env_files = [\"common.env\", \
\"environments/{env}.env\"], environments/dev.env is the environment dev. Then these files are read in this order, \
later files win, and .env is read only if it is listed.

--env selects the environment; without it, `env` in landfast.toml does, which `landfast env use` writes. A variable \
gets its value from the first of these that defines it: the shell, .env.NAME, .env, the default in the compose file \
(${NAME:-default}). This is the order of `docker compose --env-file .env --env-file .env.NAME`; with a single \
--env-file, docker compose does not read .env. `--env-file FILE` of `plan`, `up`, `sync` and `build` replaces all \
these files for one run.

If there is a .env.example (with env_files: the file of the environment example), every variable in it must have a \
value; otherwise `plan` and `up` fail. The files of other environments never leave this machine.";

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct EnvArguments {
    #[command(subcommand)]
    verb: EnvVerb,
}

#[derive(Debug, Subcommand)]
enum EnvVerb {
    /// List the environments of the stacks, the selected one, and the variables of .env.example that each lacks
    #[command(alias = "list")]
    Ls {
        /// Names of stacks; all stacks when none is named
        #[arg(value_name = "STACK")]
        stacks: Vec<String>,
    },
    /// Select an environment for everyone who shares this landfast.toml
    Use {
        /// Name of the environment: NAME in .env.NAME, or the value of {env} in `env_files`
        name: String,
        /// Names of stacks; all stacks with environments when none is named
        #[arg(value_name = "STACK")]
        stacks: Vec<String>,
    },
}

pub(super) fn run(context: &Context, args: EnvArguments) -> Result<Exit, CliError> {
    let engine = context.engine(&[])?;
    match args.verb {
        EnvVerb::Ls { stacks } => list(context, &engine, &stacks),
        EnvVerb::Use { name, stacks } => choose(context, &engine, &name, &stacks),
    }
}

type Stack<'e> = (&'e str, &'e StackConfig, Environments);

fn read<'e>(engine: &'e Engine, names: &[String]) -> Result<Vec<Stack<'e>>, CliError> {
    let stacks = engine.folder.stacks(names)?;
    let read = stacks.into_iter().map(|(name, config)| {
        let read = Environments::read(&engine.folder.path, name, config, &engine.options);
        Ok((name, config, read?))
    });
    read.collect()
}

fn list(context: &Context, engine: &Engine, names: &[String]) -> Result<Exit, CliError> {
    let json = context.json()?;
    let stacks = read(engine, names)?;
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for (stack, _, environments) in &stacks {
        let mut listed = Vec::new();
        for env in &environments.there {
            let comparison = environments.compare(Some(env))?;
            rows.push(row(stack, env, environments, comparison.as_ref(), context));
            listed.push(object(env, environments, comparison.as_ref(), context));
        }
        if environments.there.is_empty() {
            rows.push([stack, "-", "", "", "", ""].map(str::to_owned));
        }
        if let Some(warning) = no_file(stack, environments) {
            context.printer.warn(&warning);
        }
        let active = environments.chosen.as_ref().map(|chosen| {
            let from = if chosen.location.is_some() { FILE } else { "--env" };
            let line = chosen.location.as_ref().map(|location| location.line);
            ActiveEnvironment { env: chosen.name.clone(), from, line }
        });
        objects.push(StackEnvironments { stack: (*stack).to_owned(), active, environments: listed });
    }
    let printed = if json {
        output::json(&objects)
    } else {
        output::print(&table(["STACK", "ENV", "ACTIVE", "FROM", "MISSING", "SURPLUS"], rows))
    };
    printed?;
    Ok(Exit::Done)
}

/// Returns a warning if the selected environment has no file. `up` would fail then.
fn no_file(stack: &str, environments: &Environments) -> Option<String> {
    let chosen = environments.chosen.as_ref().filter(|chosen| !environments.there.contains(&chosen.name))?;
    let meant = nearest(&chosen.name, environments.there.iter().map(String::as_str));
    let meant = meant.map(|meant| format!(": did you mean {meant}?")).unwrap_or_default();
    let file = environments.file(&chosen.name);
    let file = file.strip_prefix(&environments.folder).unwrap_or(&file).display().to_string();
    Some(format!("{stack}: environment {} has no file {file}{meant}", chosen.name))
}

fn is_active(env: &str, environments: &Environments) -> bool {
    environments.chosen.as_ref().is_some_and(|chosen| chosen.name == env)
}

fn row(
    stack: &str,
    env: &str,
    environments: &Environments,
    comparison: Option<&Comparison>,
    context: &Context,
) -> [String; 6] {
    let (mut active, mut from) = (String::new(), String::new());
    if let Some(chosen) = environments.chosen.as_ref().filter(|_| is_active(env, environments)) {
        active = "yes".to_owned();
        from = chosen.location.as_ref().map_or_else(|| "--env".to_owned(), |at| short(at, context));
    }
    // A blank cell means that there is no .env.example to compare with.
    let names = |list: fn(&Comparison) -> &Vec<VariableLocation>| match comparison.map(list) {
        None => String::new(),
        Some(list) if list.is_empty() => "none".to_owned(),
        Some(list) => list.iter().map(|named| named.name.as_str()).collect::<Vec<_>>().join(" "),
    };
    [stack.to_owned(), env.to_owned(), active, from, names(|it| &it.missing), names(|it| &it.surplus)]
}

fn short(location: &Location, context: &Context) -> String {
    let file = location.file.strip_prefix(&context.current_dir).unwrap_or(&location.file);
    format!("{}:{}", file.display(), location.line)
}

fn object(
    env: &str,
    environments: &Environments,
    comparison: Option<&Comparison>,
    context: &Context,
) -> ListedEnvironment {
    let path = |path: &std::path::Path| path.strip_prefix(&context.current_dir).unwrap_or(path).display().to_string();
    let names = |list: fn(&Comparison) -> &Vec<VariableLocation>| {
        let name = |named: &VariableLocation| MissingName {
            name: named.name.clone(),
            file: path(&named.location.file),
            line: named.location.line,
        };
        comparison.map(|comparison| list(comparison).iter().map(name).collect::<Vec<_>>())
    };
    ListedEnvironment {
        env: env.to_owned(),
        file: path(&environments.file(env)),
        active: is_active(env, environments),
        missing: names(|it| &it.missing),
        surplus: names(|it| &it.surplus),
    }
}

/// Selects an environment for the stacks. All stacks are checked before the file is written.
fn choose(context: &Context, engine: &Engine, env: &str, names: &[String]) -> Result<Exit, CliError> {
    let mut chosen = Vec::new();
    for (stack, config, environments) in &read(engine, names)? {
        if names.is_empty() && environments.there.is_empty() && config.env.is_none() {
            context.message(&format!("{stack} has no environments: skipped\n"));
            continue;
        }
        if !environments.can_choose() {
            return Err(EngineError::NoEnvironments { stack: (*stack).to_owned() }.into());
        }
        if !environments.there.contains(env) {
            let known = environments.there.iter().cloned().collect();
            let error = ProjectError::NoEnvironment { env: env.to_owned(), path: environments.file(env), known };
            return Err(error.into());
        }
        let beyond = environments.check(Some(env))?;
        for warning in shorten(Diagnostics(beyond.0), &context.current_dir).0 {
            context.printer.warn(&warning.to_string());
        }
        chosen.push(*stack);
    }
    write(engine, env, &chosen)?;
    for stack in chosen {
        context.message(&format!("{stack} uses {env}: `landfast plan {stack}` shows what that changes\n"));
    }
    Ok(Exit::Done)
}

/// Writes the selection to `landfast.toml` and not to `.landfast`, so that all operators deploy a stack with the same
/// environment. With a selection per operator, each `up` would undo the previous one.
fn write(engine: &Engine, env: &str, stacks: &[&str]) -> Result<(), CliError> {
    let file = engine.folder.path.join(FILE);
    let text = project::text_of(&file)?;
    let changed = choice::with_env(&text, stacks, env).map_err(CliError::of)?;
    if changed == text {
        return Ok(());
    }
    let cannot = |error| CliError::failed(format!("{} cannot be written", file.display()), error);
    atomic_file::replace(&file, &changed).map_err(cannot)
}
