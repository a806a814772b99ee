//! Reads env files and label files into the variables and labels of services.
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Diagnostics, Location};
use super::normalise::fill;
use super::session::Session;
use super::text::dotenv;
use super::text::node::{Map, Node, Value};

type Variables = BTreeMap<String, String>;

/// Reads the files of every service, and reports all that are missing. `keeps_env_files` leaves env files unread.
pub(super) fn resolve(
    session: &mut Session,
    project: &mut Node,
    environment: &Variables,
    keeps_env_files: bool,
) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    for (name, service) in project.at_key_mut("services").into_iter().flat_map(Node::entries_mut) {
        let path = format!("services.{name}");
        let variables = match keeps_env_files {
            true => Ok(()),
            false => resolve_variables(session, service, &path, environment),
        };
        let done = variables.and_then(|()| resolve_labels(session, service, &path));
        if let Err(Diagnostics(more)) = done {
            mistakes.extend(more);
        }
    }
    Diagnostics::check(mistakes)
}

/// Reads the env files of a service. Variables of the service override those of its files, and later files override earlier
/// ones.
fn resolve_variables(
    session: &mut Session,
    service: &mut Node,
    path: &str,
    environment: &Variables,
) -> Result<(), Diagnostics> {
    if let Some(own) = service.at_key_mut("environment") {
        fill(own, environment);
    }
    let Some(files) = service.remove_key("env_file") else { return Ok(()) };
    let own = service.remove_key("environment").and_then(|node| match node.value {
        Value::Map(map) => Some(map),
        _ => None,
    });
    let own = own.unwrap_or_default();
    let known: Variables =
        own.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let mut variables = known.clone();
    let lookup = |name: &str| environment.get(name).or_else(|| known.get(name)).cloned();
    let path = format!("{path}.env_file");
    for file in files.items() {
        let name = PathBuf::from(file.text_at("path").unwrap_or_default());
        let required = file.at_key("required").and_then(Node::as_bool).unwrap_or(true);
        let text = match session.read_if_there(&name, &file.at, &path)? {
            Some(text) => text,
            None if !required => continue,
            None => session.read(&name, &file.at, &path).map_err(|mistakes| mistakes.used_by(user(&path)))?,
        };
        let parse = match file.text_at("format") {
            None | Some("") => dotenv::parse,
            Some("raw") => dotenv::parse_raw,
            Some(other) => {
                let message = format!("unknown format `{other}` of an env file");
                return Err(Diagnostic::at(&file.at, message).key(path).hint("remove `format`, or write `raw`").into());
            }
        };
        parse(&text, &mut variables, &lookup).map_err(|error| in_file(&name, error, &path))?;
    }
    session.budget.add_variables(variables.len(), &files, &path)?;
    let mut merged: Map = variables.into_iter().map(|(name, value)| (name, Node::text(&files.at, value))).collect();
    merged.extend(own);
    if !merged.is_empty() {
        service.set_key("environment", Node::new(&files.at, Value::Map(merged)));
    }
    Ok(())
}

fn resolve_labels(session: &mut Session, service: &mut Node, path: &str) -> Result<(), Diagnostics> {
    // `label_file` stays in the project, because the reference prints it too.
    let Some(files) = service.at_key("label_file").cloned() else { return Ok(()) };
    let path = format!("{path}.label_file");
    let mut labels = Variables::new();
    for file in files.items() {
        let name = PathBuf::from(file.as_str().unwrap_or_default());
        let text = session.read(&name, &file.at, &path).map_err(|mistakes| mistakes.used_by(user(&path)))?;
        let known = labels.clone();
        dotenv::parse(&text, &mut labels, &|name| known.get(name).cloned())
            .map_err(|error| in_file(&name, error, &path))?;
    }
    let own = service.remove_key("labels");
    let mut merged: Map = labels.into_iter().map(|(name, value)| (name, Node::text(&files.at, value))).collect();
    merged.extend(own.iter().flat_map(Node::entries).map(|(name, node)| (name.clone(), node.clone())));
    if !merged.is_empty() {
        service.set_key("labels", Node::new(&files.at, Value::Map(merged)));
    }
    Ok(())
}

fn in_file(file: &std::path::Path, error: dotenv::DotenvError, path: &str) -> Diagnostic {
    let at = Location { line: error.line, column: 1, ..Location::whole(file) };
    Diagnostic::at(&at, error.message).key(path).used_by(user(path))
}

/// The service in a path such as `services.web.env_file`.
fn user(path: &str) -> &str {
    let service = path.strip_prefix("services.").and_then(|path| path.rsplit_once('.'));
    service.map_or(path, |(service, _)| service)
}
