//! `extends`: merges a service with another one, from the same file or from another one.
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::diagnostic::{Diagnostic, Diagnostics, Location};
use super::merge::merge;
use super::paths;
use super::schema::keys::{PROJECT_SHAPE, SERVICE_SHAPE};
use super::scope::Scope;
use super::session::Session;
use super::templates::Template;
use super::text::node::{Map, Mode, Node, Value};
use super::text::yaml;

/// The chain of services that extend each other, with their files.
type Trail = Vec<(PathBuf, String)>;

/// Longest chain of services that extend each other.
const MAX_DEPTH: usize = 64;

/// The services of one file.
struct Services<'a> {
    file: &'a Path,
    services: &'a mut Map,
}

/// Merges every service of a file with the services that it extends.
pub(super) fn apply(session: &mut Session, file: &Path, project: &mut Node, scope: &Scope) -> Result<(), Diagnostics> {
    let Some(section) = project.at_key("services").filter(|section| section.mode != Mode::Reset) else { return Ok(()) };
    let Some(map) = section.as_map() else {
        let message = format!("must be a mapping, not {}", section.kind());
        return Err(Diagnostic::at(&section.at, message).key("services").into());
    };
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        let Some(services) = project.at_key_mut("services").and_then(Node::as_map_mut) else { break };
        let extended = extend(session, &mut Services { file, services }, &name, &mut Trail::new(), scope);
        session.mistakes.record(project, extended)?;
    }
    Ok(())
}

/// Merges one service with the service that it extends, after merging that one in the same way.
fn extend(
    session: &mut Session,
    services: &mut Services,
    name: &str,
    trail: &mut Trail,
    scope: &Scope,
) -> Result<(), Diagnostics> {
    let path = format!("services.{name}");
    let Some(service) = services.services.get(name).filter(|service| service.mode != Mode::Reset) else {
        return Ok(());
    };
    let Some(extends) = service.at_key("extends").filter(|extends| extends.mode != Mode::Reset).cloned() else {
        let is_service = matches!(service.value, Value::Map(_) | Value::Null);
        let refusal = || Diagnostic::at(&service.at, format!("must be a mapping, not {}", service.kind())).key(path);
        return if is_service { Ok(()) } else { Err(refusal().into()) };
    };
    let path = format!("{path}.extends");
    let (base_name, file) = reference(&extends, &path)?;
    enter(trail, services.file, name, &extends, &path)?;
    let base = match file {
        Some(file) => {
            let request = BaseRequest { file: &file, name: &base_name, at: &extends.at, path: format!("{path}.file") };
            base_from_file(session, request, trail, scope)?
        }
        None => {
            if !services.services.contains_key(&base_name) {
                return Err(not_found(&base_name, services.file, &extends.at, &path).into());
            }
            extend(session, services, &base_name, trail, scope)?;
            services.services.get(&base_name).cloned()
        }
    };
    trail.pop();
    let Some(mut service) = services.services.remove(name) else { return Ok(()) };
    if let Some(mut base) = base.filter(|base| !base.is_null()) {
        service.remove_key("extends");
        base.apply_resets();
        base.remove_key("extends");
        let at = service.at.clone();
        session.budget.add(&base)?;
        service = merge(base, service, &SERVICE_SHAPE, &format!("services.{name}"))?;
        service.at = at;
    }
    services.services.insert(name.to_owned(), service);
    Ok(())
}

/// Returns the name of the extended service, and its file unless it is the same one.
fn reference(extends: &Node, path: &str) -> Result<(String, Option<String>), Diagnostic> {
    if let Some(service) = extends.as_str() {
        return Ok((service.to_owned(), None));
    }
    let service = extends.text_at("service").map(str::to_owned);
    let service = service.ok_or_else(|| Diagnostic::at(&extends.at, "key `service` is missing").key(path))?;
    match extends.at_key("file").filter(|file| !file.is_null()) {
        None => Ok((service, None)),
        Some(file) => match file.as_str() {
            Some(file) => Ok((service, Some(file.to_owned()))),
            None => Err(Diagnostic::at(&file.at, format!("must be a string, not {}", file.kind())).key(path)),
        },
    }
}

fn enter(trail: &mut Trail, file: &Path, name: &str, extends: &Node, path: &str) -> Result<(), Diagnostic> {
    let here = (file.to_owned(), name.to_owned());
    if trail.contains(&here) {
        let names: Vec<&str> = trail.iter().map(|(_, name)| name.as_str()).chain([name]).collect();
        let message = format!("services extend each other in a cycle: {}", names.join(" -> "));
        return Err(Diagnostic::at(&extends.at, message).key(path));
    }
    if trail.len() > MAX_DEPTH {
        let message = format!("services extend each other more than {MAX_DEPTH} levels deep");
        return Err(Diagnostic::at(&extends.at, message).key(path));
    }
    trail.push(here);
    Ok(())
}

fn not_found(name: &str, file: &Path, at: &Location, path: &str) -> Diagnostic {
    Diagnostic::at(at, format!("service `{name}` is not defined in {}", file.display())).key(path)
}

/// A service of another file, and the location that extends it.
struct BaseRequest<'a> {
    file: &'a str,
    name: &'a str,
    at: &'a Location,
    /// Dotted path of the key that names the file.
    path: String,
}

/// Returns a service of another file, with absolute paths and merged with the services that it extends.
fn base_from_file(
    session: &mut Session,
    request: BaseRequest<'_>,
    trail: &mut Trail,
    scope: &Scope,
) -> Result<Option<Node>, Diagnostics> {
    let file = session.compose_file(request.file, scope, request.at, &request.path)?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let inner = Scope { folder, ..scope.clone() };
    let mut template = match session.templates.take(&file, &scope.environment) {
        Some(template) => template,
        None => read_template(session, file, &request, &inner)?,
    };
    if !template.services.contains_key(request.name) {
        return Err(not_found(request.name, &template.file, request.at, &request.path).into());
    }
    let Template { file, services, .. } = &mut template;
    extend(session, &mut Services { file, services }, request.name, trail, &inner)?;
    let base = template.services.get(request.name).cloned();
    session.templates.put(template);
    Ok(base)
}

fn read_template(
    session: &mut Session,
    file: PathBuf,
    request: &BaseRequest<'_>,
    scope: &Scope,
) -> Result<Template, Diagnostics> {
    let text = session.read(&file, request.at, &request.path)?;
    let mut project = Node::map(request.at);
    for document in session.interpolated(yaml::parse(&file, &text)?, scope)? {
        let at = document.at.clone();
        project = merge(project, document, &PROJECT_SHAPE, "")?;
        project.at = at;
    }
    // Resets are not applied yet, because a service of this file may reset values of the one it extends.
    session.expand(&mut project)?;
    paths::resolve(&mut project, &scope.base())?;
    match project.remove_key("services") {
        Some(Node { value: Value::Map(services), .. }) => {
            Ok(Template { file, environment: Rc::clone(&scope.environment), services })
        }
        _ => Err(Diagnostic::at(request.at, format!("{} has no services", file.display()))
            .key(request.path.as_str())
            .into()),
    }
}
