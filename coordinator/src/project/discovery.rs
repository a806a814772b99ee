//! Which files a request means, when it does not name them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ProjectError, Request};

/// Compose's own names, best first.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// The folder that relative paths in compose files start from.
pub(super) fn project_folder(request: &Request, files: &[PathBuf]) -> PathBuf {
    if let Some(folder) = &request.project_directory {
        return normal(&request.current_dir.join(folder));
    }
    let named = request.files.iter().map(|file| normal(&request.current_dir.join(file)));
    let chosen = if files.is_empty() { named.collect() } else { files.to_vec() };
    let first = chosen.iter().find(|file| !is_stdin(file)).and_then(|file| file.parent());
    first.unwrap_or(&request.current_dir).to_owned()
}

/// The env files in order: those that were named, else `.env` in the project's folder when there is one.
pub(super) fn env_files(request: &Request, folder: &Path) -> Result<Vec<PathBuf>, ProjectError> {
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

/// The compose files in order, absolute but for `-`.
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
    if let Some(list) = environment.get("COMPOSE_FILE").filter(|list| !list.is_empty()) {
        let separator = environment.get("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty());
        return Ok(list.split(separator.map_or(":", String::as_str)).map(absolute).collect());
    }
    let start = project_folder(request, &[]);
    let nothing = || ProjectError::NoFile { folder: start.clone() };
    start.ancestors().find_map(default_files).ok_or_else(nothing)
}

/// The file with one of the usual names and, beside it, the one that overrides it.
pub(crate) fn default_files(folder: &Path) -> Option<Vec<PathBuf>> {
    let first = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|file| file.exists());
    let mut files = vec![first(&NAMES)?];
    files.extend(first(&OVERRIDES));
    Some(files)
}

pub(super) fn profiles(request: &Request, environment: &BTreeMap<String, String>) -> Vec<String> {
    if !request.profiles.is_empty() {
        return request.profiles.clone();
    }
    let list = environment.get("COMPOSE_PROFILES").map_or("", String::as_str);
    list.split(',').map(str::trim).filter(|profile| !profile.is_empty()).map(str::to_owned).collect()
}

fn is_stdin(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "-")
}

/// What Go's ParseBool takes.
fn boolean(value: &str) -> Result<bool, ProjectError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ProjectError::NotABoolean { value: value.to_owned() }),
    }
}

/// Without `.` and `..`, by the text alone: what paths in messages and labels look like.
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
