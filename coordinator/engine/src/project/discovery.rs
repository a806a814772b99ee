//! Finds the compose files and env files of a project when the request does not name them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfast_compose::discover;
use landfast_core::environments;

use super::{ProjectError, Request};

/// The project's folder, from which relative paths in compose files start.
pub(super) fn project_folder(request: &Request, files: &[PathBuf]) -> PathBuf {
    if let Some(folder) = &request.project_directory {
        return normal(&request.current_dir.join(folder));
    }
    let named = request.files.iter().map(|file| normal(&request.current_dir.join(file)));
    let chosen = if files.is_empty() { named.collect() } else { files.to_vec() };
    let first = chosen.iter().find(|file| !is_stdin(file)).and_then(|file| file.parent());
    first.unwrap_or(&request.current_dir).to_owned()
}

/// The env files in order: those of the environment, or else those that the request names, or else `.env` in the
/// project's folder.
pub(super) fn env_files(request: &Request, folder: &Path) -> Result<Vec<PathBuf>, ProjectError> {
    if let Some(env) = &request.env {
        return of_environment(request.stack_folder.as_deref().unwrap_or(folder), env);
    }
    let named = match (&request.env_files[..], request.environment.get("COMPOSE_ENV_FILES")) {
        ([], Some(list)) if !list.is_empty() => list.split(',').map(PathBuf::from).collect(),
        (named, _) => named.to_vec(),
    };
    if !named.is_empty() {
        return Ok(named.iter().map(|file| request.current_dir.join(file)).collect());
    }
    if let Some(value) = request.environment.get("COMPOSE_DISABLE_ENV_FILE")
        && boolean(value)?
    {
        return Ok(Vec::new());
    }
    let file = folder.join(".env");
    Ok(if file.is_file() { vec![file] } else { Vec::new() })
}

/// The env files of an environment: the common `.env`, then the environment's own file.
fn of_environment(folder: &Path, env: &str) -> Result<Vec<PathBuf>, ProjectError> {
    let own = folder.join(format!(".env.{env}"));
    if !environments::is_name(env) || !own.is_file() {
        let known = environments(folder, environments::DEFAULT_PATTERN).into_iter().collect();
        return Err(ProjectError::NoEnvironment { env: env.to_owned(), path: own, known });
    }
    let common = folder.join(".env");
    Ok(if common.is_file() { vec![common, own] } else { vec![own] })
}

/// The environments that have a file matching this pattern, which is relative to the folder. An unreadable folder has
/// none.
pub(crate) fn environments(folder: &Path, pattern: &str) -> BTreeSet<String> {
    let parts: Vec<&str> = pattern.split('/').collect();
    let Some(at) = parts.iter().position(|part| part.contains(environments::PLACEHOLDER)) else {
        return BTreeSet::new();
    };
    let names = files(&folder.join(parts[..at].join("/")));
    let mut there = environments::names(parts[at], names.iter().map(String::as_str));
    there.retain(|env| folder.join(environments::env_file(pattern, env)).is_file());
    there
}

/// The compose files in order, with absolute paths except for `-`.
pub(super) fn compose_files(
    request: &Request,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<PathBuf>, ProjectError> {
    let absolute = |file: &str| match file {
        "-" => PathBuf::from("-"),
        file => normal(&request.current_dir.join(file)),
    };
    if !request.files.is_empty() {
        return Ok(request.files.iter().map(|file| absolute(file)).collect());
    }
    if request.environment.get("COMPOSE_FILE").is_some_and(String::is_empty) {
        return Err(ProjectError::EmptyComposeFile);
    }
    if let Some(list) = environment.get("COMPOSE_FILE").filter(|list| !list.is_empty()) {
        let separator = environment.get("COMPOSE_PATH_SEPARATOR").map(String::as_str);
        return Ok(discover::named(list, separator).into_iter().map(absolute).collect());
    }
    let start = project_folder(request, &[]);
    let nothing = || ProjectError::NoFile { folder: start.clone() };
    start.ancestors().find_map(default_files).ok_or_else(nothing)
}

/// The compose files with default names. An unreadable folder has none.
pub(crate) fn default_files(folder: &Path) -> Option<Vec<PathBuf>> {
    let files = discover::files(&files(folder)).into_iter().map(|name| folder.join(name)).collect::<Vec<_>>();
    (!files.is_empty()).then_some(files)
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

fn is_stdin(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "-")
}

/// Parses the values that Go's `ParseBool` accepts.
fn boolean(value: &str) -> Result<bool, ProjectError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ProjectError::NotABoolean { value: value.to_owned() }),
    }
}

/// Removes `.` and `..` from a path without reading the disk. Messages and labels contain paths in this form.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
