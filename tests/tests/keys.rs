//! Checks that the parity projects contain every key that Landfast supports, except those that `inspect` cannot show.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use landfast_compose::{Input, Project, Support};
use landfast_tests::lab::workspace;

/// Supported keys that no description of a container, network or volume shows, each with the reason. A key includes all
/// keys beneath it.
const UNSEEN: &[(&str, &str)] = &[
    ("version", "has a meaning for readers only"),
    ("services.*.build", "makes an image, not a container: see the builds scenario"),
    ("services.*.cpu_rt_period", "the kernel of the lab has no real-time groups, so the engine refuses it"),
    ("services.*.cpu_rt_runtime", "the kernel of the lab has no real-time groups, so the engine refuses it"),
    ("services.*.deploy.placement.constraints", "selects a host, and the comparison has only one"),
    ("services.*.deploy.placement.max_replicas_per_node", "selects a host, and the comparison has only one"),
    ("services.*.deploy.resources.reservations.devices", "the engine refuses it where no driver has such a device"),
    ("services.*.deploy.update_config", "affects how a container is replaced, not its settings"),
    ("services.*.gpus", "the engine refuses it where no driver has a GPU"),
    ("services.*.post_start[].privileged", "the older engine requires capabilities that the lab's machine may lack"),
    ("services.*.pre_stop", "its effect disappears with the container: see the keys scenario"),
    ("services.*.storage_opt", "the engine refuses it on the file systems of the lab"),
    ("secrets.*.external", "only `false` is supported"),
    ("configs.*.external", "only `false` is supported"),
];

/// Keys that loading replaces with what they refer to, each with the text that a project contains for it.
const REPLACED: &[(&str, &str)] = &[
    ("include", "include:"),
    ("include[].path", "path: [folder/one.yaml"),
    ("include[].env_file", "env_file: folder/parts.env"),
    ("include[].project_directory", "project_directory:"),
    ("services.*.env_file", "env_file: one.env"),
    ("services.*.env_file[].path", "path: raw.env"),
    ("services.*.env_file[].format", "format: raw"),
    ("services.*.env_file[].required", "required: false"),
    ("services.*.extends", "extends:"),
    ("services.*.extends.file", "extends: {file:"),
    ("services.*.extends.service", "extends: {service:"),
    ("services.*.label_file", "label_file:"),
    ("networks.*.external.name", "external: {name:"),
    ("volumes.*.external.name", "external: {name:"),
];

#[test]
fn every_supported_key_is_in_a_parity_project_or_cannot_be_seen() -> Result<()> {
    let Written { paths, texts } = written()?;
    let is_there = |path: &str| {
        let as_text = REPLACED.iter().filter(|(key, _)| *key == path).any(|(_, text)| texts.contains(text));
        as_text || paths.iter().any(|written| is_like(path, written))
    };
    let mut wrong = Vec::new();
    for key in landfast_compose::keys().iter().filter(|key| key.support == Support::Supported) {
        let unseen = UNSEEN.iter().any(|(unseen, _)| is_beneath(&key.path, unseen));
        match (is_there(&key.path), unseen) {
            (false, false) => wrong.push(format!("{} is supported but in no parity project", key.path)),
            (true, true) if UNSEEN.iter().any(|(unseen, _)| *unseen == key.path) => {
                wrong.push(format!("{} is in a parity project, although UNSEEN lists it", key.path));
            }
            _ => {}
        }
    }
    let known: BTreeSet<String> = landfast_compose::keys().into_iter().map(|key| key.path).collect();
    let listed = UNSEEN.iter().chain(REPLACED);
    wrong.extend(listed.filter(|(key, _)| !known.contains(*key)).map(|(key, _)| format!("{key} is not a known key")));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Contents of all parity projects.
#[derive(Default)]
struct Written {
    /// Paths of all keys, for example `services.web.ports[0].published`.
    paths: BTreeSet<String>,
    /// Texts of all compose files.
    texts: String,
}

fn written() -> Result<Written> {
    let mut written = Written::default();
    for entry in fs::read_dir(workspace().join("tests/parity"))? {
        let folder = entry?.path();
        written.texts += &fs::read_to_string(folder.join("compose.yaml"))?;
        written.paths.extend(project(&folder)?.locations.0.into_keys());
    }
    Ok(written)
}

fn project(folder: &Path) -> Result<Project> {
    let file = folder.join("compose.yaml");
    let text = fs::read_to_string(&file)?;
    let input = Input {
        files: vec![(file, text)],
        project_name: Some("parity".to_owned()),
        working_dir: folder.to_owned(),
        environment: [("PARITY_WORD".to_owned(), "made-up".to_owned())].into(),
        profiles: vec!["*".to_owned()],
        ..Input::default()
    };
    let read = |path: &Path| match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let loaded = landfast_compose::load(&input, &read).map_err(|wrong| anyhow::anyhow!("{wrong}"));
    let loaded = loaded.with_context(|| format!("{} cannot be read", folder.display()))?;
    loaded.project().map_err(|wrong| anyhow::anyhow!("{wrong}"))
}

/// Returns whether a path matches a key: `services.web.ports[0].target` matches `services.*.ports[].target`.
fn is_like(key: &str, path: &str) -> bool {
    let Some((name, rest)) = key.split_once('.') else { return is_part(key, path) };
    match name {
        // A user-defined name may contain dots.
        "*" => path.match_indices('.').any(|(at, _)| is_like(rest, &path[at + 1..])),
        _ => path.split_once('.').is_some_and(|(part, path)| is_part(name, part) && is_like(rest, path)),
    }
}

/// Returns whether a part of a path matches a part of a key: `ports[0]` matches `ports[]`.
fn is_part(name: &str, part: &str) -> bool {
    match name.strip_suffix("[]") {
        Some(list) => part.strip_prefix(list).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']')),
        None => name == "*" || name == part,
    }
}

fn is_beneath(key: &str, around: &str) -> bool {
    key.strip_prefix(around).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[test]
fn a_path_matches_its_key() {
    for (key, path) in [
        ("services.*.ports[].target", "services.web.ports[0].target"),
        ("services.*.networks.*.driver_opts", "services.a.b.networks.infra.net.driver_opts"),
        ("name", "name"),
    ] {
        assert!(is_like(key, path), "{key} {path}");
    }
    for (key, path) in [("services.*.init", "services.web.initial"), ("a[].b", "a.b"), ("a.*.b", "a.b")] {
        assert!(!is_like(key, path), "{key} {path}");
    }
}
