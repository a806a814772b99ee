//! `extends`: a service on top of another one, of the same file or of one with templates.
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

/// The services that led here, each with its file.
type Trail = Vec<(PathBuf, String)>;

/// Services that extend each other, one beneath the other.
const MAX_DEPTH: usize = 64;

/// The services of one file.
struct Services<'a> {
    file: &'a Path,
    services: &'a mut Map,
}

/// Puts every service of a file on top of what it extends.
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
        session.mistakes.note(project, extended)?;
    }
    Ok(())
}

/// Puts one service, and first the ones beneath it, on top of what it extends.
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
    step(trail, services.file, name, &extends, &path)?;
    let base = match file {
        Some(file) => {
            let asked = Asked { file: &file, name: &base_name, at: &extends.at, path: format!("{path}.file") };
            base_from_file(session, asked, trail, scope)?
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
        base.settle();
        base.remove_key("extends");
        let at = service.at.clone();
        session.budget.add(&base)?;
        service = merge(base, service, &SERVICE_SHAPE, &format!("services.{name}"))?;
        service.at = at;
    }
    services.services.insert(name.to_owned(), service);
    Ok(())
}

/// The service that is extended and, when it is another one, its file.
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

fn step(trail: &mut Trail, file: &Path, name: &str, extends: &Node, path: &str) -> Result<(), Diagnostic> {
    let here = (file.to_owned(), name.to_owned());
    if trail.contains(&here) {
        let names: Vec<&str> = trail.iter().map(|(_, name)| name.as_str()).chain([name]).collect();
        let message = format!("services extend each other in a circle: {}", names.join(" > "));
        return Err(Diagnostic::at(&extends.at, message).key(path));
    }
    if trail.len() > MAX_DEPTH {
        let message = format!("services extend each other more than {MAX_DEPTH} deep");
        return Err(Diagnostic::at(&extends.at, message).key(path));
    }
    trail.push(here);
    Ok(())
}

fn not_found(name: &str, file: &Path, at: &Location, path: &str) -> Diagnostic {
    Diagnostic::at(at, format!("service `{name}` is not in {}", file.display())).key(path)
}

/// A service of another file, and who asks for it.
struct Asked<'a> {
    file: &'a str,
    name: &'a str,
    at: &'a Location,
    /// The dotted path of the key that names the file.
    path: String,
}

/// The service of another file, extended itself, with its paths absolute.
fn base_from_file(
    session: &mut Session,
    asked: Asked<'_>,
    trail: &mut Trail,
    scope: &Scope,
) -> Result<Option<Node>, Diagnostics> {
    let file = session.compose_file(asked.file, scope, asked.at, &asked.path)?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let inner = Scope { folder, ..scope.clone() };
    let mut template = match session.templates.take(&file, &scope.environment) {
        Some(template) => template,
        None => read_template(session, file, &asked, &inner)?,
    };
    if !template.services.contains_key(asked.name) {
        return Err(not_found(asked.name, &template.file, asked.at, &asked.path).into());
    }
    let Template { file, services, .. } = &mut template;
    extend(session, &mut Services { file, services }, asked.name, trail, &inner)?;
    let base = template.services.get(asked.name).cloned();
    session.templates.put(template);
    Ok(base)
}

fn read_template(
    session: &mut Session,
    file: PathBuf,
    asked: &Asked<'_>,
    scope: &Scope,
) -> Result<Template, Diagnostics> {
    let text = session.read(&file, asked.at, &asked.path)?;
    let mut project = Node::map(asked.at);
    for document in session.interpolated(yaml::parse(&file, &text)?, scope)? {
        let at = document.at.clone();
        project = merge(project, document, &PROJECT_SHAPE, "")?;
        project.at = at;
    }
    // Not settled: a service of this file may reset what it extends.
    session.lengthen(&mut project)?;
    paths::resolve(&mut project, &scope.base())?;
    match project.remove_key("services") {
        Some(Node { value: Value::Map(services), .. }) => {
            Ok(Template { file, environment: Rc::clone(&scope.environment), services })
        }
        _ => {
            Err(Diagnostic::at(asked.at, format!("{} has no services", file.display())).key(asked.path.as_str()).into())
        }
    }
}
