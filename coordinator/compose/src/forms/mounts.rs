//! The short form of a mount: `[source:]target[:options]`.
use crate::diagnostic::{Diagnostic, Location};
use crate::paths::clean;
use crate::text::node::{Map, Node, Value};

/// A mount in short form.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ShortMount {
    pub(crate) source: Option<String>,
    pub(crate) target: String,
    read_only: bool,
    no_copy: bool,
    propagation: Option<String>,
    selinux: Option<String>,
    /// Whether the text is too short to be more than a target. The long form then has no options.
    is_bare: bool,
    /// Unknown options, which are ignored as by the reference and give a warning.
    unknown: Vec<String>,
}

/// Parses a short form. The error is a message.
pub(crate) fn parse(text: &str) -> Result<ShortMount, String> {
    if text.is_empty() {
        return Err("a mount cannot be empty".to_owned());
    }
    let is_bare = text.len() <= 2;
    let parts = if is_bare { vec![text.to_owned()] } else { split(text) };
    if parts.iter().any(String::is_empty) {
        return Err(format!("`{text}` has an empty part between colons"));
    }
    let mut mount = ShortMount { is_bare, ..ShortMount::default() };
    match &parts[..] {
        [target] => mount.target.clone_from(target),
        [source, target] => (mount.source, mount.target) = (Some(source.clone()), target.clone()),
        [source, target, options] => {
            (mount.source, mount.target) = (Some(source.clone()), target.clone());
            options.split(',').for_each(|option| mount.apply(option));
        }
        _ => return Err(format!("`{text}` has too many colons")),
    }
    Ok(mount)
}

/// Splits a text at colons, except after a drive letter and inside `${…}`.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = 0_usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(part) = parts.last_mut() else { break };
        match c {
            '$' if chars.peek() == Some(&'{') => inside += 1,
            '}' => inside = inside.saturating_sub(1),
            ':' if inside == 0 && !is_drive(part) => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts
}

fn is_drive(part: &str) -> bool {
    let mut chars = part.chars();
    matches!((chars.next(), chars.next()), (Some(letter), None) if letter.is_alphabetic())
}

impl ShortMount {
    fn apply(&mut self, option: &str) {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "nocopy" => self.no_copy = true,
            "z" | "Z" => self.selinux = Some(option.to_owned()),
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                self.propagation = Some(option.to_owned());
            }
            // Options for file sharing on other systems.
            "cached" | "delegated" | "consistent" => {}
            _ => self.unknown.push(option.to_owned()),
        }
    }

    fn is_bind(&self) -> bool {
        let Some(source) = &self.source else { return false };
        let mut chars = source.chars();
        let drive = matches!((chars.next(), chars.next()), (Some(letter), Some(':')) if letter.is_alphabetic());
        source.starts_with(['.', '/', '~']) || source.starts_with("\\\\") || drive
    }

    /// Converts the mount to its long form.
    pub(crate) fn node(self, at: &Location) -> Node {
        let bind = self.is_bind();
        let text = |text: &str| Node::text(at, text);
        let mut map = Map::new();
        map.insert("type".to_owned(), text(if bind { "bind" } else { "volume" }));
        map.insert("target".to_owned(), text(&clean(&self.target)));
        if let Some(source) = &self.source {
            map.insert("source".to_owned(), text(source));
        }
        if self.read_only {
            map.insert("read_only".to_owned(), Node::flag(at, true));
        }
        let mut options = Map::new();
        if bind {
            options.insert("create_host_path".to_owned(), Node::flag(at, true));
        }
        for (key, value) in [("propagation", &self.propagation), ("selinux", &self.selinux)] {
            options.extend(value.as_ref().map(|value| (key.to_owned(), text(value))));
        }
        if !options.is_empty() {
            map.insert("bind".to_owned(), Node::new(at, Value::Map(options)));
        }
        if self.no_copy || !(bind || self.is_bare) {
            let no_copy = self.no_copy.then(|| ("nocopy".to_owned(), Node::flag(at, true)));
            map.insert("volume".to_owned(), Node::new(at, Value::Map(Map::from_iter(no_copy))));
        }
        Node::new(at, Value::Map(map))
    }
}

/// Returns a warning for each unknown option in a short form.
pub(crate) fn unknown_options(project: &Node) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (name, service) in project.at_key("services").into_iter().flat_map(Node::entries) {
        for (index, item) in service.at_key("volumes").into_iter().flat_map(Node::items).enumerate() {
            let mount = item.as_str().and_then(|text| parse(text).ok()).unwrap_or_default();
            warnings.extend(mount.unknown.iter().map(|option| {
                Diagnostic::at(&item.at, format!("no effect: `{option}` is not an option of a mount"))
                    .key(format!("services.{name}.volumes[{index}]"))
                    .hint("options are ro, rw, nocopy, z, Z and the propagation modes")
            }));
        }
    }
    warnings
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_parsed() {
        let mount = parse("./data:/var/lib/data:ro,Z,rslave").unwrap();
        assert_eq!(mount.source.as_deref(), Some("./data"));
        assert!(mount.read_only && mount.is_bind());
        assert_eq!((mount.selinux.as_deref(), mount.propagation.as_deref()), (Some("Z"), Some("rslave")));
        assert!(!parse("data:/var/lib/data").unwrap().is_bind());
        assert_eq!(parse("/var/lib/data").unwrap().source, None);
        assert_eq!(parse("C:\\data:/data").unwrap().source.as_deref(), Some("C:\\data"));
        assert_eq!(parse("${X:-a:b}:/data").unwrap().target, "/data");
    }

    #[test]
    fn invalid_mounts_are_refused() {
        for text in ["", ":/data", "/a::/b", "aa:/b:ro:x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
