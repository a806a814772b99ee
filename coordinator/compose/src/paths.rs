//! Resolves relative paths against the folder of the project, of the included project, or of the extended file.
use std::path::Path;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::text::interpolate::join;
use super::text::node::{Node, Value};

/// The folder that relative paths are resolved against, and the home folder that replaces `~`.
pub(super) struct Base<'a> {
    pub(super) folder: &'a Path,
    pub(super) home: Option<&'a str>,
}

impl Base<'_> {
    /// Resolves a local path.
    pub(super) fn absolute(&self, path: &str) -> String {
        let expanded = match (path.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => clean(&format!("{home}/{rest}")),
            _ => path.to_owned(),
        };
        match expanded.starts_with('/') {
            true => expanded,
            false => clean(&format!("{}/{expanded}", self.folder.display())),
        }
    }

    fn resolve(&self, node: Option<&mut Node>) {
        if let Some(Node { value: Value::Text(path), .. }) = node
            && !path.is_empty()
        {
            *path = self.absolute(path);
        }
    }

    /// Resolves a path on the host of the containers, unless it is a Windows path.
    fn resolve_host(&self, node: Option<&mut Node>) {
        if let Some(node) = node
            && !node.as_str().is_some_and(is_windows)
        {
            if node.as_str() == Some("") {
                node.value = Value::Text(clean(&self.folder.display().to_string()));
            }
            self.resolve(Some(node));
        }
    }

    /// Resolves a build context, unless it is remote.
    fn resolve_context(&self, node: Option<&mut Node>) {
        if let Some(node) = node
            && !node.as_str().is_some_and(is_remote)
        {
            self.resolve(Some(node));
        }
    }
}

fn is_windows(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with("\\\\") || matches!(bytes, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

/// Whether a build context or Compose file is remote, or names another service.
pub(super) fn is_remote(context: &str) -> bool {
    let prefixes = ["https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:"];
    context.contains("://") || prefixes.iter().any(|prefix| context.starts_with(prefix))
}

/// Resolves every path of a project in long form.
pub(super) fn resolve(project: &mut Node, base: &Base) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    for (name, service) in project.at_key_mut("services").into_iter().flat_map(Node::entries_mut) {
        resolve_service(service, &join("services", name), base, &mut mistakes);
    }
    for section in ["configs", "secrets"] {
        for (_, object) in project.at_key_mut(section).into_iter().flat_map(Node::entries_mut) {
            base.resolve_host(object.at_key_mut("file"));
        }
    }
    for (_, volume) in project.at_key_mut("volumes").into_iter().flat_map(Node::entries_mut) {
        resolve_bound_volume(volume, base);
    }
    Diagnostics::check(mistakes)
}

fn resolve_service(service: &mut Node, path: &str, base: &Base, mistakes: &mut Vec<Diagnostic>) {
    if let Some(build) = service.at_key_mut("build") {
        base.resolve_context(build.at_key_mut("context"));
        for (_, context) in build.at_key_mut("additional_contexts").into_iter().flat_map(Node::entries_mut) {
            base.resolve_context(Some(context));
        }
        for (_, key) in build.at_key_mut("ssh").into_iter().flat_map(Node::entries_mut) {
            base.resolve_host(Some(key));
        }
    }
    for file in service.at_key_mut("env_file").into_iter().flat_map(Node::items_mut) {
        base.resolve(file.at_key_mut("path"));
    }
    for file in service.at_key_mut("label_file").into_iter().flat_map(Node::items_mut) {
        base.resolve(Some(file));
    }
    base.resolve(service.at_key_mut("extends").and_then(|extends| extends.at_key_mut("file")));
    let watches = service.at_key_mut("develop").and_then(|develop| develop.at_key_mut("watch"));
    for watch in watches.into_iter().flat_map(Node::items_mut) {
        base.resolve(watch.at_key_mut("path"));
    }
    for mount in service.at_key_mut("volumes").into_iter().flat_map(Node::items_mut) {
        if mount.text_at("type") != Some("bind") {
            continue;
        }
        if mount.at_key("source").is_none() {
            mistakes.push(Diagnostic::at(&mount.at, "a bind mount needs a `source`").key(join(path, "volumes")));
        }
        base.resolve_host(mount.at_key_mut("source"));
    }
}

/// Resolves the device of a local volume that is a bind mount.
fn resolve_bound_volume(volume: &mut Node, base: &Base) {
    if volume.text_at("driver") != Some("local") {
        return;
    }
    if let Some(options) = volume.at_key_mut("driver_opts").filter(|options| options.text_at("o") == Some("bind")) {
        base.resolve_host(options.at_key_mut("device"));
    }
}

/// Removes `.`, `..`, and repeated and trailing slashes from a path, like `filepath.Clean` of Go.
///
/// For example, `/a//./b/../c/` becomes `/a/c`, and `../a` stays.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_relative_and_home_paths_are_resolved() {
        let base = Base { folder: Path::new("/srv/app"), home: Some("/home/u") };
        for (path, absolute) in
            [("./a", "/srv/app/a"), ("../a", "/srv/a"), ("/a", "/a"), ("~/a", "/home/u/a"), (".", "/srv/app")]
        {
            assert_eq!(base.absolute(path), absolute);
        }
    }

    #[test]
    fn remote_contexts_are_recognised() {
        assert!(is_remote("https://example.com/r.git") && is_remote("service:base") && !is_remote("./github.com"));
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, cleaned) in [("/a/../b//c/", "/b/c"), ("/..", "/"), ("a/./b", "a/b"), ("../a", "../a"), ("", ".")] {
            assert_eq!(clean(path), cleaned);
        }
    }
}
