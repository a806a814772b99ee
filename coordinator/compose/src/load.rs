//! Runs the steps of loading: from files to documents, to one tree, to a project.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::canonicalise::canonicalise;
use super::causes::unite;
use super::diagnostic::{Diagnostic, Diagnostics, Location};
use super::input::{Input, Reader};
use super::loaded::Loaded;
use super::merge::merge;
use super::model::Contents;
use super::schema::keys::PROJECT_SHAPE;
use super::schema::{unsupported, validate};
use super::scope::{Scope, Variables};
use super::session::Session;
use super::text::interpolate::substitute;
use super::text::node::{Map, Node};
use super::text::yaml;
use super::unify::unify;
use super::{environment, extends, include, normalise, paths, rules, select};

/// Loads a project.
///
/// # Errors
/// Returns all mistakes, except those that others hide.
pub fn load(input: &Input, reader: Reader) -> Result<Loaded, Diagnostics> {
    let mut session = Session::new(input, reader, true);
    let end = printable(&mut session);
    let Session { mut warnings, files_read, mistakes, .. } = session;
    let (name, tree) = mistakes.finish(end)?;
    warnings.sort();
    warnings.dedup();
    let warnings = unite(warnings);
    let variables = variables_of_files(&tree, &input.environment);
    Ok(Loaded { name, working_dir: input.working_dir.clone(), tree, warnings, files_read, variables })
}

/// Returns the variables that secrets and configs come from.
fn variables_of_files(project: &Node, environment: &BTreeMap<String, String>) -> BTreeMap<String, Contents> {
    let sections = ["secrets", "configs"].into_iter().filter_map(|section| project.at_key(section));
    let named = sections.flat_map(Node::entries).filter_map(|(_, file)| file.text_at("environment"));
    named.filter_map(|name| Some((name.to_owned(), Contents(environment.get(name)?.clone())))).collect()
}

/// Loads a project without interpolating variables, as `config --no-interpolate` prints it.
///
/// The project is merged and has all services. Values that can be parsed are in long form.
///
/// # Errors
/// Returns all mistakes, except those that others hide.
pub fn uninterpolated(input: &Input, reader: Reader) -> Result<serde_json::Value, Diagnostics> {
    let mut session = Session::new(input, reader, false);
    let end = project(&mut session);
    let (_, project, _) = session.mistakes.finish(end)?;
    Ok(project.into_json())
}

/// Whether a mistake depends on the value of a variable, which is unknown without interpolation.
fn is_about_a_variable(mistake: &Diagnostic) -> bool {
    mistake.message.contains('$') || mistake.path.contains('$')
}

/// Converts a name to a valid project name: lower case, and without characters that engines do not accept.
pub fn normalise_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let kept: String =
        lower.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// Path of a file, and its documents if it has been read.
type File = (PathBuf, Option<Vec<Node>>);

/// Parses the files of the input, and returns the mistakes of all of them.
fn parsed(files: &[(PathBuf, String)]) -> Result<Vec<File>, Diagnostics> {
    let mut mistakes = Vec::new();
    let mut all = Vec::new();
    for (file, text) in files {
        match yaml::parse(file, text) {
            Ok(documents) => all.push((file.clone(), Some(documents))),
            Err(Diagnostics(more)) => mistakes.extend(more),
        }
    }
    Diagnostics::check(mistakes).map(|()| all)
}

/// The last `name:` in the files.
fn written_name(files: &[File]) -> Option<(&Location, &str)> {
    let documents = files.iter().rev().flat_map(|(_, documents)| documents.iter().flatten().rev());
    let names = documents.filter_map(|document| document.at_key("name"));
    names.filter_map(|name| Some((&name.at, name.as_str()?))).find(|(_, name)| !name.is_empty())
}

/// Loads the project in the form that is printed, and its name.
fn printable(session: &mut Session) -> Result<(String, Node), Diagnostics> {
    let (name, mut project, environment) = project(session)?;
    let canonical = canonicalise(&mut project, &PROJECT_SHAPE);
    session.mistakes.record(&mut project, canonical)?;
    let checks = !session.input.skip_consistency;
    let selected = select::select(&mut project, &profiles(session.input), &session.input.services, checks);
    session.mistakes.record(&mut project, selected)?;
    if checks {
        let named = rules::check_container_names(&project);
        session.mistakes.record(&mut project, named)?;
        normalise::unite_scales(&mut project);
    }
    environment::resolve(session, &mut project, &environment, session.input.keep_env_files)?;
    session.warnings.extend(unsupported::ignored(&project, &PROJECT_SHAPE));
    Ok((name, project))
}

/// Loads the whole project. Returns its name, its tree, and the variables it was loaded with.
fn project(session: &mut Session) -> Result<(String, Node, Variables), Diagnostics> {
    let input = session.input;
    let whole = Location::whole(input.files.first().map_or(&input.working_dir, |(file, _)| file));
    let files = parsed(&input.files)?;
    let name = project_name(session, &files)?;
    let mut environment = input.environment.clone();
    environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
    let scope = Scope { folder: input.working_dir.clone(), environment: environment.into(), included: Vec::new() };
    let mut project = model(session, files, &scope, &whole)?;
    if project.as_map().is_none_or(Map::is_empty) {
        return Err(Diagnostic::at(&whole, "the file is empty").hint("add `services:`").into());
    }
    if name.is_empty() {
        return Err(Diagnostic::at(&whole, "the project has no name").hint("set it with `name:` or -p").into());
    }
    let variables = if session.interpolates { &*scope.environment } else { &BTreeMap::new() };
    match input.skip_normalisation {
        true if session.interpolates => normalise::set_name(&mut project, &name),
        true => {}
        false => normalise::normalise(&mut project, &name, variables),
    }
    Ok((name, project, scope.environment))
}

/// Returns the name from `-p`, `COMPOSE_PROJECT_NAME`, the last `name:`, or the folder.
fn project_name(session: &Session, files: &[File]) -> Result<String, Diagnostics> {
    let given = session.input.project_name.as_ref().filter(|name| !name.is_empty());
    let from_environment = || session.input.environment.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty());
    if let Some(name) = given.or_else(from_environment) {
        if normalise_name(name) != *name {
            return Err(Diagnostic::without_location(format!("`{name}` is not a valid project name"))
                .hint("use lower-case letters, digits, `_` and `-`, and start with a letter or digit")
                .into());
        }
        return Ok(name.clone());
    }
    let Some((at, written)) = written_name(files) else {
        let folder = session.input.working_dir.file_name().unwrap_or_default();
        return Ok(normalise_name(&folder.to_string_lossy()));
    };
    if !session.interpolates {
        return Ok(normalise_name(written));
    }
    let replaced = substitute(written, &|name| session.input.environment.get(name).cloned());
    let (name, _) = replaced.map_err(|refusal| Diagnostic::at(at, refusal.to_string()).key("name"))?;
    Ok(normalise_name(&name))
}

fn profiles(input: &Input) -> Vec<String> {
    if !input.profiles.is_empty() {
        return input.profiles.clone();
    }
    let listed = input.environment.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
    // As in the reference, an empty list enables the profile with the empty name.
    listed.split(',').map(|profile| profile.trim().to_owned()).collect()
}

/// Merges several files into one project that is checked, in long form, and has absolute paths.
pub(super) fn model(
    session: &mut Session,
    files: Vec<File>,
    scope: &Scope,
    at: &Location,
) -> Result<Node, Diagnostics> {
    let mut project = Node::map(at);
    for (file, documents) in files {
        let documents = match documents {
            Some(documents) => documents,
            None => yaml::parse(&file, &session.read(&file, at, "include")?)?,
        };
        let mut inner = scope.clone();
        inner.included.push(file.clone());
        for document in session.interpolated(documents, &inner)? {
            project = add(session, project, document, &file, &inner)?;
        }
    }
    normalise::complete(&mut project);
    let checked = rules::check_resources(&project);
    session.mistakes.record(&mut project, checked)?;
    if !session.input.keep_paths {
        paths::resolve(&mut project, &scope.base())?;
    }
    if session.interpolates {
        normalise::resolve_environment(&mut project, &scope.environment);
    }
    Ok(project)
}

/// Merges a document into the project.
fn add(
    session: &mut Session,
    project: Node,
    mut document: Node,
    file: &Path,
    scope: &Scope,
) -> Result<Node, Diagnostics> {
    include::apply(session, &mut document, scope)?;
    extends::apply(session, file, &mut document, scope)?;
    let mut project = merge(project, document, &PROJECT_SHAPE, "")?;
    project.apply_resets();
    let unified = unify(&mut project, &PROJECT_SHAPE, "");
    session.mistakes.record(&mut project, unified)?;
    let mut mistakes = Vec::new();
    validate::validate(&project, &PROJECT_SHAPE, "", &mut mistakes);
    if !session.interpolates {
        mistakes.retain(|mistake| !is_about_a_variable(mistake));
    }
    session.mistakes.record(&mut project, Diagnostics::check(mistakes))?;
    if let Some(version) = project.remove_key("version") {
        let message = "`version` is obsolete and has no effect";
        session.warnings.push(Diagnostic::at(&version.at, message).key("version").hint("remove it"));
    }
    let expanded = session.expand(&mut project);
    session.mistakes.record(&mut project, expanded)?;
    let unified = unify(&mut project, &PROJECT_SHAPE, "");
    session.mistakes.record(&mut project, unified)?;
    Ok(project)
}
