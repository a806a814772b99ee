//! `include`: loads other projects, each in its own folder and with its own env file, as parts of this one.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Diagnostics, Location};
use super::load;
use super::merge::merge;
use super::schema::keys::PROJECT_SHAPE;
use super::scope::Scope;
use super::session::Session;
use super::text::dotenv;
use super::text::node::{Node, Value};

/// Sections that are imported from an included project.
const SECTIONS: [&str; 6] = ["services", "volumes", "networks", "secrets", "configs", "models"];
/// Largest depth of nested includes.
const MAX_DEPTH: usize = 32;

/// One entry of `include`.
struct Entry {
    at: Location,
    paths: Vec<String>,
    env_files: Option<Vec<String>>,
    project_directory: Option<String>,
}

/// Loads the projects that a file includes, and merges the file into them.
pub(super) fn apply(session: &mut Session, project: &mut Node, scope: &Scope) -> Result<(), Diagnostics> {
    let Some(include) = project.remove_key("include") else { return Ok(()) };
    for entry in entries(&include)? {
        let (files, inner) = inner_scope(session, &entry, scope)?;
        let files = files.into_iter().map(|file| (file, None)).collect();
        let imported = load::model(session, files, &inner, &entry.at)?;
        import(project, imported)?;
    }
    Ok(())
}

fn entries(include: &Node) -> Result<Vec<Entry>, Diagnostic> {
    let refuse = |node: &Node| Diagnostic::at(&node.at, format!("must be a list of paths, not {}", node.kind()));
    let Value::List(list) = &include.value else {
        return if include.is_null() { Ok(Vec::new()) } else { Err(refuse(include).key("include")) };
    };
    let texts = |node: &Node, key: &str| match node.at_key(key) {
        None => Ok(None),
        Some(node) => match &node.value {
            Value::Text(text) => Ok(Some(vec![text.clone()])),
            Value::List(list) => list
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| refuse(item).key(format!("include.{key}"))))
                .collect::<Result<Vec<_>, _>>()
                .map(Some),
            _ => Err(refuse(node).key(format!("include.{key}"))),
        },
    };
    let mut entries = Vec::new();
    for item in list {
        let at = item.at.clone();
        let entry = match &item.value {
            Value::Text(path) => Entry { at, paths: vec![path.clone()], env_files: None, project_directory: None },
            Value::Map(_) => Entry {
                at,
                paths: texts(item, "path")?.unwrap_or_default(),
                env_files: texts(item, "env_file")?,
                project_directory: item.text_at("project_directory").map(str::to_owned).filter(|text| !text.is_empty()),
            },
            _ => return Err(refuse(item).key("include")),
        };
        entries.push(entry);
    }
    Ok(entries)
}

/// Returns the files and the scope of an included project.
fn inner_scope(session: &mut Session, entry: &Entry, scope: &Scope) -> Result<(Vec<PathBuf>, Scope), Diagnostics> {
    let base = scope.base();
    let files = entry.paths.iter().map(|path| session.compose_file(path, scope, &entry.at, "include"));
    let files = files.collect::<Result<Vec<PathBuf>, _>>()?;
    let Some(main) = files.first() else {
        return Err(Diagnostic::at(&entry.at, "key `path` is missing").key("include").into());
    };
    if scope.included.contains(main) {
        let files: Vec<String> = scope.included.iter().chain([main]).map(|file| file.display().to_string()).collect();
        let message = format!("files include each other in a cycle: {}", files.join(" -> "));
        return Err(Diagnostic::at(&entry.at, message).key("include").into());
    }
    if scope.included.len() > MAX_DEPTH {
        let message = format!("includes are nested more than {MAX_DEPTH} levels deep");
        return Err(Diagnostic::at(&entry.at, message).key("include").into());
    }
    let folder = match &entry.project_directory {
        Some(folder) => PathBuf::from(base.absolute(folder)),
        None => main.parent().unwrap_or(Path::new("/")).to_owned(),
    };
    let mut environment = (*scope.environment).clone();
    for (name, value) in env_variables(session, entry, &folder, scope)? {
        environment.entry(name).or_insert(value);
    }
    Ok((files, Scope { folder, environment: environment.into(), included: scope.included.clone() }))
}

fn env_variables(
    session: &mut Session,
    entry: &Entry,
    folder: &Path,
    scope: &Scope,
) -> Result<BTreeMap<String, String>, Diagnostics> {
    let mut variables = BTreeMap::new();
    let mut read = |file: &Path, text: &str| {
        dotenv::parse(text, &mut variables, &|name| scope.environment.get(name).cloned()).map_err(|error| {
            let at = Location { line: error.line, column: 1, ..Location::whole(file) };
            Diagnostics::from(Diagnostic::at(&at, error.message))
        })
    };
    match entry.env_files.as_deref() {
        None | Some([]) => {
            let file = folder.join(".env");
            if let Some(text) = session.read_if_there(&file, &entry.at, "include")? {
                read(&file, &text)?;
            }
        }
        Some(files) => {
            for file in files.iter().filter(|file| *file != "/dev/null") {
                let file = PathBuf::from(scope.base().absolute(file));
                let text = session.read(&file, &entry.at, "include.env_file")?;
                read(&file, &text)?;
            }
        }
    }
    Ok(variables)
}

/// Merges the project into an included one, whose values it overrides.
fn import(project: &mut Node, mut imported: Node) -> Result<(), Diagnostic> {
    if let Some(sections) = imported.as_map_mut() {
        sections.retain(|section, _| SECTIONS.contains(&section.as_str()));
    }
    let own = std::mem::replace(project, Node::map(&imported.at));
    let at = own.at.clone();
    *project = Node { at, ..merge(imported, own, &PROJECT_SHAPE, "")? };
    Ok(())
}
