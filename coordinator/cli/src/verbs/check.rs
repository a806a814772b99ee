//! `landfast check`: lints the stacks of a fleet, or a compose file. It only reads files.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use landfast_compose::{Diagnostics, Location};
use landfast_core::check::{self, Exceptions, Finding, Level, Policy, RULES, Rule, Subject, sarif, secrets};

use crate::contract::{self, CheckReport, ExplainedRule, ListedRule};
use crate::output::{self, count, table::table};
use landfast_engine::folder::{FleetFolder, FolderError};
use landfast_engine::project::{self, ProjectError, Request};
use landfast_engine::stack::{request, stack_folder};

use super::config::AfterVerb;
use crate::arguments::{ComposeArguments, Format};
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    #[command(flatten)]
    pub compose: AfterVerb,
    /// Names of stacks in landfast.toml; all stacks when none is named
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Exit with 1 on warnings too
    #[arg(long)]
    pub strict: bool,
    /// Explain a rule: what it reports, why, and how to fix it; without CODE, explain all rules
    #[arg(long, value_name = "CODE", num_args = 0..=1, default_missing_value = "")]
    pub explain: Option<String>,
    /// List all rules with their levels
    #[arg(long)]
    pub list: bool,
}

/// Findings, and the names of variables whose values must not be printed.
#[derive(Default)]
struct Checked {
    findings: Vec<Finding>,
    secrets: BTreeSet<String>,
}

pub(super) async fn run(context: &Context, args: CheckArguments) -> Result<Exit, CliError> {
    if let Some(code) = &args.explain {
        return explain(context, code);
    }
    if args.list {
        return list(context);
    }
    let mut checked = look(context, &args)?;
    let above = format!("{}/", context.current_dir.display());
    for finding in &mut checked.findings {
        finding.message = finding.message.replace(&above, "");
    }
    let printed = match context.global.format {
        Some(Format::Sarif) => {
            let log = sarif::log(&checked.findings, &context.current_dir, env!("CARGO_PKG_VERSION"));
            output::json(&log)
        }
        _ if context.json()? => output::json(&report(context, &checked.findings)),
        _ => report::print(context, &checked.findings, &checked.secrets),
    };
    printed?;
    let tally = Tally::of(&checked.findings);
    context.message(&tally.sentence());
    let failed = tally.errors > 0 || (args.strict && tally.warnings > 0);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Checks the named compose file, or else the stacks of the fleet, or else the project that `docker compose` would load
/// here.
fn look(context: &Context, args: &CheckArguments) -> Result<Checked, CliError> {
    let compose = context.compose.clone().and(args.compose.clone().into());
    let named = compose.project_directory.is_some() || compose.project_name.is_some();
    let named = named || !compose.file.is_empty();
    if named && !args.stacks.is_empty() {
        return Err(CliError::usage(
            "cannot combine stack names with -f, -p or --project-directory: stacks are loaded from landfast.toml",
            "leave out the stack names or those options",
        ));
    }
    let no_fleet = || {
        let found = FleetFolder::find(None, &context.current_dir);
        context.global.fleet.is_none() && matches!(found, Err(FolderError::NoFleet { .. }))
    };
    let named = named || (!compose.env_file.is_empty() && args.stacks.is_empty());
    if named || (args.stacks.is_empty() && no_fleet()) {
        return look_at_file(context, compose);
    }
    look_at_fleet(context, args, &compose.profile)
}

fn look_at_file(context: &Context, compose: ComposeArguments) -> Result<Checked, CliError> {
    let request = context.request(compose)?;
    let (exceptions, publish) = (Exceptions::new(), BTreeMap::new());
    let place = Place { stack: None, exceptions: &exceptions, publish: &publish, hosts: 1 };
    let mut checked = Checked::default();
    judge(&request, &Policy::default(), place, &mut checked)?;
    Ok(checked)
}

/// Checks the stacks of the fleet, and reports the mistakes of all stacks at once.
fn look_at_fleet(context: &Context, args: &CheckArguments, profiles: &[String]) -> Result<Checked, CliError> {
    let env_files = ComposeArguments::from(args.compose.clone()).env_file;
    let engine = context.engine_reading(profiles, &env_files, &args.stacks)?;
    let stacks = engine.folder.stacks(&args.stacks)?;
    let mut checked = Checked::default();
    let mut mistakes = Vec::new();
    for (name, config) in stacks {
        let folder = stack_folder(&engine.folder.path, name, config);
        let folder = folder?;
        let request = request(&engine.folder.path, &folder, name, config, &engine.options);
        let request = request?;
        let hosts = engine.folder.fleet.hosts.len();
        let place = Place { stack: Some(name), exceptions: &config.exceptions, publish: &config.publish, hosts };
        match judge(&request, &engine.folder.fleet.check, place, &mut checked) {
            Ok(()) => {}
            Err(ProjectError::Mistakes(Diagnostics(found))) => mistakes.extend(found),
            Err(other) => return Err(other.into()),
        }
    }
    if mistakes.is_empty() {
        return Ok(checked);
    }
    Err(Diagnostics(mistakes).into())
}

/// Settings of a stack in `landfast.toml`, or defaults for a compose file without a fleet.
struct Place<'a> {
    stack: Option<&'a str>,
    exceptions: &'a Exceptions,
    publish: &'a BTreeMap<String, landfast_core::fleet::Publish>,
    hosts: usize,
}

/// Checks one project and adds its findings to `checked`.
fn judge(request: &Request, policy: &Policy, place: Place<'_>, checked: &mut Checked) -> Result<(), ProjectError> {
    let input = project::read(request)?;
    let project = project::load(&input)?.project().map_err(ProjectError::Mistakes)?;
    let written = project::load_uninterpolated(&input)?;
    let subject = Subject {
        stack: place.stack.unwrap_or(&project.name),
        project: &project,
        written: &written,
        root: request.stack_folder.as_deref().unwrap_or(&input.working_dir),
        publish: place.publish,
        hosts: place.hosts,
    };
    checked.findings.extend(check::check(subject, policy, place.exceptions));
    checked.secrets.extend(secrets::names(&project));
    Ok(())
}

/// Number of findings of each level, and of excused findings.
#[derive(Default)]
struct Tally {
    errors: usize,
    warnings: usize,
    notes: usize,
    excused: usize,
}

impl Tally {
    fn of(findings: &[Finding]) -> Self {
        let mut tally = Self::default();
        for finding in findings {
            let one = match finding.level {
                _ if !finding.counts() => &mut tally.excused,
                Level::Error => &mut tally.errors,
                Level::Warning => &mut tally.warnings,
                Level::Note | Level::Off => &mut tally.notes,
            };
            *one += 1;
        }
        tally
    }

    fn sentence(&self) -> String {
        let Self { errors, warnings, notes, excused } = self;
        let excused = if *excused > 0 { format!(", {excused} excused") } else { String::new() };
        let (errors, warnings, notes) = (count(*errors, "error"), count(*warnings, "warning"), count(*notes, "note"));
        format!("{errors}, {warnings}, {notes}{excused}\n")
    }
}

fn report<'a>(context: &Context, findings: &'a [Finding]) -> CheckReport<'a> {
    let place = |location: Option<&Location>| {
        let short = |file: &Path| file.strip_prefix(&context.current_dir).unwrap_or(file).display().to_string();
        let number = |number: fn(&Location) -> usize| location.map(number).filter(|number| *number > 0);
        let file = location.map(|it| short(&it.file));
        contract::Place { file, line: number(|it| it.line), column: number(|it| it.column) }
    };
    let finding = |finding: &'a Finding| contract::Finding {
        code: finding.code,
        level: finding.level.name(),
        stack: &finding.stack,
        service: finding.service.as_deref(),
        place: place(finding.location.as_ref()),
        path: &finding.path,
        message: &finding.message,
        help: &finding.help,
        exception: finding.exception.as_ref().map(|exception| contract::Exception {
            reason: &exception.reason,
            place: place(exception.location.as_ref()),
        }),
    };
    let Tally { errors, warnings, notes, excused } = Tally::of(findings);
    CheckReport { findings: findings.iter().map(finding).collect(), errors, warnings, notes, excused }
}

fn explain(context: &Context, code: &str) -> Result<Exit, CliError> {
    let rules: Vec<&Rule> = match code {
        "" => RULES.iter().collect(),
        code => match check::rule(&code.to_ascii_uppercase()) {
            Some(rule) => vec![rule],
            None => {
                return Err(CliError::usage(
                    format!("there is no rule {code}"),
                    "`landfast check --list` lists the rules",
                ));
            }
        },
    };
    if context.json()? {
        let page = |rule: &&Rule| ExplainedRule { rule: listed(rule), page: rule.page };
        output::json(&rules.iter().map(page).collect::<Vec<_>>())?;
    } else {
        let pages: Vec<_> = rules.iter().map(|rule| rule.page).collect();
        output::print(&pages.join("\n"))?;
    }
    Ok(Exit::Done)
}

fn list(context: &Context) -> Result<Exit, CliError> {
    let printed = if context.json()? {
        output::json(&RULES.iter().map(listed).collect::<Vec<_>>())
    } else {
        let row = |rule: &Rule| [rule.code, rule.level.name(), rule.title].map(str::to_owned);
        output::print(&table(["CODE", "LEVEL", "WHAT"], RULES.iter().map(row)))
    };
    printed?;
    Ok(Exit::Done)
}

fn listed(rule: &Rule) -> ListedRule {
    ListedRule { code: rule.code, level: rule.level.name(), title: rule.title }
}
