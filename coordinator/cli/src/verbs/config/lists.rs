//! Lists that `config` prints with one item per line, such as the names of services.

use std::collections::BTreeSet;

use landfast_compose::Input;
use serde_json::Value;

use super::ConfigArguments;
use crate::CliError;

/// Returns the items of the requested list, or `None` if no list is requested.
pub(super) fn lines(args: &ConfigArguments, project: &Value) -> Option<Vec<String>> {
    let lines = if args.services {
        in_order(project)
    } else if args.volumes {
        keys(project, "volumes")
    } else if args.networks {
        keys(project, "networks")
    } else if args.models {
        entries(project, "models").filter_map(|(_, model)| Some(model["model"].as_str()?.to_owned())).collect()
    } else if args.images {
        images(project)
    } else if args.profiles {
        profiles(project)
    } else {
        return None;
    };
    Some(lines)
}

/// Returns the variables used for interpolation as sorted lines `NAME=value`, including the project's name. A value with
/// line ends is not split.
pub(super) fn environment(input: &Input, project: &Value) -> String {
    let name = project["name"].as_str().map(|name| (PROJECT_NAME, name));
    let given = input.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let given = given.filter(|(given, _)| name.is_none() || *given != PROJECT_NAME);
    let mut all: Vec<_> = given.chain(name).map(|(name, value)| format!("{name}={value}\n")).collect();
    all.sort();
    all.concat()
}

const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// Returns a line with name and digest for each requested service.
pub(super) fn hashes(all: Vec<(String, String)>, wanted: &str) -> Result<String, CliError> {
    let wanted: Vec<&str> = wanted.split(',').collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(name) = wanted.iter().find(|name| **name != "*" && !names.contains(name)) {
        let hint = format!("the services are {}; use `*` for all of them", names.join(", "));
        return Err(CliError::of(format!("there is no service `{name}`")).hint(hint));
    }
    let chosen = all.iter().filter(|(name, _)| wanted.contains(&"*") || wanted.contains(&name.as_str()));
    Ok(chosen.map(|(name, digest)| format!("{name} {digest}\n")).collect())
}

fn entries<'a>(project: &'a Value, section: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    project[section].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn keys(project: &Value, section: &str) -> Vec<String> {
    let mut keys: Vec<_> = entries(project, section).map(|(name, _)| name.to_owned()).collect();
    keys.sort();
    keys
}

/// Returns the services sorted by name, but each one after its dependencies.
fn in_order(project: &Value) -> Vec<String> {
    let mut ordered = Vec::new();
    let mut seen = BTreeSet::new();
    for name in keys(project, "services") {
        visit(project, &name, &mut seen, &mut ordered);
    }
    ordered
}

fn visit(project: &Value, name: &str, seen: &mut BTreeSet<String>, ordered: &mut Vec<String>) {
    let Some(service) = project["services"].get(name).filter(|_| seen.insert(name.to_owned())) else { return };
    for dependency in keys(service, "depends_on") {
        visit(project, &dependency, seen, ordered);
    }
    ordered.push(name.to_owned());
}

/// Returns the images of the services and of their `pre_start` hooks.
fn images(project: &Value) -> Vec<String> {
    let mut images = Vec::new();
    for (name, service) in entries(project, "services") {
        let image = image(project, name, service);
        let before = service["pre_start"].as_array().into_iter().flatten().filter_map(|hook| hook["image"].as_str());
        let before: Vec<_> = before.filter(|other| *other != image).map(str::to_owned).collect();
        images.push(image);
        images.extend(before);
    }
    images
}

/// Returns the image of a service. Without `image`, it is named after the project and the service.
fn image(project: &Value, name: &str, service: &Value) -> String {
    let of_project = || format!("{}-{name}", project["name"].as_str().unwrap_or_default());
    service["image"].as_str().map_or_else(of_project, str::to_owned)
}

fn profiles(project: &Value) -> Vec<String> {
    let all =
        entries(project, "services").flat_map(|(_, service)| service["profiles"].as_array().into_iter().flatten());
    let all = all.filter_map(Value::as_str).collect::<BTreeSet<_>>();
    all.into_iter().map(str::to_owned).collect()
}
