//! Relative paths become absolute: beneath the folder of the project, of the included project or of the extended file.
use std::path::Path;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::text::interpolate::join;
use super::text::node::{Node, Value};

/// Where relative paths start, and what `~` stands for.
pub(super) struct Base<'a> {
    pub(super) folder: &'a Path,
    pub(super) home: Option<&'a str>,
}

impl Base<'_> {
    /// A path of the machine that this runs on.
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

    /// A path of the machine that containers run on, which may be a Windows one.
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

    /// A build context, which may be elsewhere.
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

/// Whether a build context or a compose file is on another machine, or another service.
pub(super) fn is_remote(context: &str) -> bool {
    let prefixes = ["https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:"];
    context.contains("://") || prefixes.iter().any(|prefix| context.starts_with(prefix))
}

/// Makes every path of a project in long form absolute.
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

/// A volume of the local driver that is a bind mount in truth.
fn resolve_bound_volume(volume: &mut Node, base: &Base) {
    if volume.text_at("driver") != Some("local") {
        return;
    }
    if let Some(options) = volume.at_key_mut("driver_opts").filter(|options| options.text_at("o") == Some("bind")) {
        base.resolve_host(options.at_key_mut("device"));
    }
}

/// A path without `.`, `..`, doubled or trailing slashes, as Go's `filepath.Clean` has it: `/a//./b/../c/` is `/a/c`, and
/// `../a` stays outside.
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
    fn a_path_is_absolute_relative_or_at_home() {
        let base = Base { folder: Path::new("/srv/app"), home: Some("/home/u") };
        for (path, absolute) in
            [("./a", "/srv/app/a"), ("../a", "/srv/a"), ("/a", "/a"), ("~/a", "/home/u/a"), (".", "/srv/app")]
        {
            assert_eq!(base.absolute(path), absolute);
        }
    }

    #[test]
    fn a_context_may_be_elsewhere() {
        assert!(is_remote("https://example.com/r.git") && is_remote("service:base") && !is_remote("./github.com"));
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, cleaned) in [("/a/../b//c/", "/b/c"), ("/..", "/"), ("a/./b", "a/b"), ("../a", "../a"), ("", ".")] {
            assert_eq!(clean(path), cleaned);
        }
    }
}
