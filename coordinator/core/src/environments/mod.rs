//! Environments of a stack, and the comparison of an environment with `.env.example`. Only names of variables are compared; no value
//! is returned.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfast_compose::dotenv;
use landfast_compose::{Diagnostic, Diagnostics, Location};

mod pattern;

pub use pattern::{EnvFilePattern, PLACEHOLDER, env_file, environment_of};

/// Default pattern for the env files of a stack.
pub const DEFAULT_PATTERN: &str = ".env.{env}";

/// Names that mark an env file as documentation, not as an environment.
const EXAMPLES: [&str; 4] = ["dist", "example", "sample", "template"];

/// Returns the environments that paths define by a pattern: `.env.dev` defines `dev` with `.env.{env}`.
pub fn names<'f>(pattern: &str, paths: impl IntoIterator<Item = &'f str>) -> BTreeSet<String> {
    let named = paths.into_iter().filter_map(|path| environment_of(pattern, path));
    named.filter(|name| is_name(name) && !EXAMPLES.contains(name)).map(str::to_owned).collect()
}

/// Whether a name is valid for an environment, which becomes part of file names.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.chars().all(allowed)
}

/// An env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Path, used only in messages.
    pub path: PathBuf,
    /// Contents of the file.
    pub text: String,
}

/// Name and location of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableLocation {
    /// Name, such as `POSTGRES_USER`.
    pub name: String,
    /// Location of the variable.
    pub location: Location,
}

/// Difference between an environment and its example file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Variables that only the example has, with their locations in it.
    pub missing: Vec<VariableLocation>,
    /// Variables of the environment's own files that the example does not have, with their locations.
    pub surplus: Vec<VariableLocation>,
}

/// Compares an environment's own files with the example. A variable is not missing if `common`, the files of all environments, or
/// the shell (`set`) has a value for it.
///
/// # Errors
/// Returns an error if a line of one of the files is not valid.
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
    /// Returns the errors, which prevent the use of the environment. `own` is its file.
    pub fn mistakes(&self, own: &Path) -> Vec<Diagnostic> {
        let file = own.file_name().unwrap_or_default().display();
        let mistake = |VariableLocation { name, location }: &VariableLocation| {
            Diagnostic::at(location, format!("{name} is required here, but {} does not set it", own.display()))
                .hint(format!("write {name}= and its value in {file}, or remove it here"))
        };
        self.missing.iter().map(mistake).collect()
    }

    /// Returns the warnings. `example` is the example file.
    pub fn warnings(&self, example: &Path) -> Vec<Diagnostic> {
        let warning = |VariableLocation { name, location }: &VariableLocation| {
            Diagnostic::at(location, format!("{name} is not in {}", example.display()))
                .hint("add it there too, so that the other environments set it, or remove it here")
        };
        self.surplus.iter().map(warning).collect()
    }
}

/// Variables by name.
type Variables = BTreeMap<String, Variable>;

struct Variable {
    location: Location,
    has_value: bool,
}

/// Returns the variables of several files. The last definition counts.
fn all_variables(files: &[EnvFile]) -> Result<Variables, Diagnostics> {
    let mut all = Variables::new();
    for file in files {
        all.extend(variables(file)?);
    }
    Ok(all)
}

/// Returns the variables of a file. The last definition counts.
fn variables(file: &EnvFile) -> Result<Variables, Diagnostics> {
    let at = |line| Location { line, column: 1, ..Location::whole(&file.path) };
    let names = dotenv::names(&file.text).map_err(|error| Diagnostic::at(&at(error.line), error.message))?;
    let variable = |it: dotenv::Name| (it.name, Variable { location: at(it.line), has_value: it.has_value });
    Ok(names.into_iter().map(variable).collect())
}
