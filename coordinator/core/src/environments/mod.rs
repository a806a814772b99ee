//! The environments of a stack: which there are, and whether one says all that `.env.example` asks for. Names alone are
//! looked at; no value leaves this file.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfast_compose::dotenv;
use landfast_compose::{Diagnostic, Diagnostics, Location};

mod pattern;

pub use pattern::{EnvFilePattern, PLACEHOLDER, env_file, environment_of};

/// What every stack has without `env_files`.
pub const DEFAULT_PATTERN: &str = ".env.{env}";

/// Instead of an environment, one of these is documentation.
const EXAMPLES: [&str; 4] = ["dist", "example", "sample", "template"];

/// The environments that these paths make by a pattern: `.env.dev` makes `dev` by `.env.{env}`.
pub fn names<'f>(pattern: &str, paths: impl IntoIterator<Item = &'f str>) -> BTreeSet<String> {
    let named = paths.into_iter().filter_map(|path| environment_of(pattern, path));
    named.filter(|name| is_name(name) && !EXAMPLES.contains(name)).map(str::to_owned).collect()
}

/// Whether an environment can be called so: it becomes a part of a file's name.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.chars().all(allowed)
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// For messages.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// A variable's name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableLocation {
    /// `POSTGRES_USER`
    pub name: String,
    /// Where.
    pub location: Location,
}

/// An environment beside what is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// In the example alone; with their place there.
    pub missing: Vec<VariableLocation>,
    /// In the environment's own file and not in the example; with their place there.
    pub surplus: Vec<VariableLocation>,
}

/// Compares an environment's own files with the example. What `common`, the files of all environments, or the shell (`set`)
/// gives a value is not missing.
///
/// # Errors
/// What in one of the files is no line of an env file.
pub fn compare(
    example: &EnvFile,
    own: &[EnvFile],
    common: &[EnvFile],
    set: &BTreeSet<String>,
) -> Result<Comparison, Diagnostics> {
    let asked = variables(example)?;
    let given = all_variables(own)?;
    let shared = all_variables(common)?;
    let says = |file: &Variables, name: &String| file.get(name).is_some_and(|variable| variable.has_value);
    let has_value = |name: &String| says(&given, name) || says(&shared, name) || set.contains(name);
    let named =
        |(name, at): (&String, &Variable)| VariableLocation { name: name.clone(), location: at.location.clone() };
    let mut missing: Vec<_> = asked.iter().filter(|(name, _)| !has_value(name)).map(named).collect();
    let mut surplus: Vec<_> = given.iter().filter(|(name, _)| !asked.contains_key(*name)).map(named).collect();
    for list in [&mut missing, &mut surplus] {
        list.sort_by(|a, b| a.location.cmp(&b.location));
    }
    Ok(Comparison { missing, surplus })
}

impl Comparison {
    /// What keeps the environment from being used. `own` is its file.
    pub fn mistakes(&self, own: &Path) -> Vec<Diagnostic> {
        let file = own.file_name().unwrap_or_default().display();
        let mistake = |VariableLocation { name, location }: &VariableLocation| {
            Diagnostic::at(location, format!("{name} is asked for here, and {} does not say it", own.display()))
                .hint(format!("write {name}= and its value into {file}, or take it out here"))
        };
        self.missing.iter().map(mistake).collect()
    }

    /// What is only to be known. `example` is the file that asks.
    pub fn warnings(&self, example: &Path) -> Vec<Diagnostic> {
        let warning = |VariableLocation { name, location }: &VariableLocation| {
            Diagnostic::at(location, format!("{name} is not in {}", example.display()))
                .hint("name it there too, so that the other environments get it, or take it out here")
        };
        self.surplus.iter().map(warning).collect()
    }
}

/// By name.
type Variables = BTreeMap<String, Variable>;

struct Variable {
    location: Location,
    has_value: bool,
}

/// The variables of several files; the last one counts.
fn all_variables(files: &[EnvFile]) -> Result<Variables, Diagnostics> {
    let mut all = Variables::new();
    for file in files {
        all.extend(variables(file)?);
    }
    Ok(all)
}

/// The variables of a file; the last line about one counts.
fn variables(file: &EnvFile) -> Result<Variables, Diagnostics> {
    let at = |line| Location { line, column: 1, ..Location::whole(&file.path) };
    let names = dotenv::names(&file.text).map_err(|error| Diagnostic::at(&at(error.line), error.message))?;
    let variable = |it: dotenv::Name| (it.name, Variable { location: at(it.line), has_value: it.has_value });
    Ok(names.into_iter().map(variable).collect())
}
