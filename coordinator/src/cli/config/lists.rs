//! The parts of a project that `config` can print one a line.

use std::collections::BTreeSet;

use landfast_core::compose::Input;
use serde_json::Value;

use super::ConfigArguments;

/// The lines of the list that was asked for, if one was.
pub(super) fn lines(args: &ConfigArguments, input: &Input, project: &Value) -> Option<Vec<String>> {
    let lines = if args.services {
        keys(project, "services")
    } else if args.volumes {
        keys(project, "volumes")
    } else if args.networks {
        keys(project, "networks")
    } else if args.images {
        services(project).map(|(name, service)| image(project, name, service)).collect()
    } else if args.profiles {
        profiles(project)
    } else if args.environment {
        input.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()
    } else if let Some(wanted) = &args.hash {
        hashes(project, wanted)
    } else {
        return None;
    };
    Some(lines)
}

fn keys(project: &Value, section: &str) -> Vec<String> {
    project[section].as_object().into_iter().flat_map(|map| map.keys().cloned()).collect()
}

fn services(project: &Value) -> impl Iterator<Item = (&str, &Value)> {
    project["services"].as_object().into_iter().flatten().map(|(name, service)| (name.as_str(), service))
}

/// A service that is built and has no image of its own gets one named after project and service.
fn image(project: &Value, name: &str, service: &Value) -> String {
    let of_project = || format!("{}-{name}", project["name"].as_str().unwrap_or_default());
    service["image"].as_str().map_or_else(of_project, str::to_owned)
}

fn profiles(project: &Value) -> Vec<String> {
    let all = services(project).flat_map(|(_, service)| service["profiles"].as_array().into_iter().flatten());
    let all = all.filter_map(Value::as_str).collect::<BTreeSet<_>>();
    all.into_iter().map(str::to_owned).collect()
}

/// Of everything that the service says.
fn hashes(project: &Value, wanted: &str) -> Vec<String> {
    let wanted = wanted.split(',').map(str::trim).collect::<Vec<_>>();
    let chosen = services(project).filter(|(name, _)| wanted.contains(&"*") || wanted.contains(name));
    chosen.map(|(name, service)| format!("{name} {}", blake3::hash(service.to_string().as_bytes()))).collect()
}
