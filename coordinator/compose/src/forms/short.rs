//! Converts short forms to long forms.
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::forms::mounts;
use crate::forms::ports;
use crate::text::interpolate::{element, join};
use crate::text::node::{Map, Mode, Node, Value};

/// Converts each element of a list by itself.
fn each(
    node: Node,
    path: &str,
    long: impl Fn(Node, &str) -> Result<Vec<Node>, Diagnostic>,
) -> Result<Node, Diagnostics> {
    let Value::List(list) = node.value else { return Ok(node) };
    let mut longs = Vec::with_capacity(list.len());
    let mut mistakes = Vec::new();
    for (index, item) in list.into_iter().enumerate() {
        match long(item, &element(path, index)) {
            Ok(long) => longs.extend(long),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    Diagnostics::check(mistakes)?;
    Ok(Node { value: Value::List(longs), ..node })
}

fn entry(key: &str, node: Node) -> (String, Node) {
    (key.to_owned(), node)
}

fn map_of<const N: usize>(node: Node, entries: [(String, Node); N]) -> Node {
    Node { value: Value::Map(Map::from(entries)), ..node }
}

/// Converts a string to a list with one element.
pub(crate) fn texts(node: Node, _: &str) -> Result<Node, Diagnostics> {
    match node.value {
        Value::Text(_) => Ok(Node { value: Value::List(vec![node.clone()]), ..node }),
        _ => Ok(node),
    }
}

/// Converts DNS servers to a list, without empty elements.
pub(crate) fn dns(node: Node, path: &str) -> Result<Node, Diagnostics> {
    let mut list = texts(node, path)?;
    if let Some(servers) = list.as_list_mut() {
        servers.retain(|server| server.as_str() != Some(""));
    }
    Ok(list)
}

/// Converts a string to a build with this context.
pub(crate) fn build(node: Node, _: &str) -> Result<Node, Diagnostics> {
    Ok(build_of(node))
}

/// Converts a list of names to a mapping from each name to null.
pub(crate) fn names(node: Node, _: &str) -> Result<Node, Diagnostics> {
    Ok(names_of(node))
}

/// Converts a list of services to a mapping from each service to the default condition, and adds what a written condition
/// leaves out.
pub(crate) fn dependencies(node: Node, _: &str) -> Result<Node, Diagnostics> {
    let mut node = dependencies_of(node);
    for (_, dependency) in node.entries_mut() {
        dependency.default_key("condition", Value::Text("service_started".to_owned()));
        dependency.default_key("required", Value::Bool(true));
    }
    Ok(node)
}

/// Converts a list of `KEY=value` strings to a mapping.
pub(crate) fn pairs(node: Node, path: &str) -> Result<Node, Diagnostics> {
    let Value::List(list) = node.value else { return Ok(node) };
    let mut map = Map::new();
    for item in list {
        let text = item.as_str().unwrap_or_default();
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Diagnostic::at(&item.at, format!("`{text}` is not of the form KEY=value")).key(path))?;
        map.insert(name.to_owned(), Node::text(&item.at, value));
    }
    Ok(Node { value: Value::Map(map), ..node })
}

/// Converts a list of `default` and `id=path` strings to a mapping from ids to paths.
pub(crate) fn ssh(node: Node, path: &str) -> Result<Node, Diagnostics> {
    let Value::List(list) = node.value else { return Ok(node) };
    let mut map = Map::new();
    for item in list {
        match item.as_str().unwrap_or_default().split_once('=') {
            Some((id, file)) => map.insert(id.to_owned(), Node::text(&item.at, file)),
            None if item.as_str() == Some("default") => {
                map.insert("default".to_owned(), Node::new(&item.at, Value::Null))
            }
            None => {
                let text = item.as_str().unwrap_or_default();
                let message = format!("`{text}` is neither `default` nor id=path");
                return Err(Diagnostic::at(&item.at, message).key(path).into());
            }
        };
    }
    Ok(Node { value: Value::Map(map), ..node })
}

/// Converts paths to required env files.
pub(crate) fn env_files(node: Node, path: &str) -> Result<Node, Diagnostics> {
    each(texts(node, path)?, path, |item, _| {
        let mut item = match item.value {
            Value::Text(_) => map_of(item.clone(), [entry("path", item)]),
            _ => item,
        };
        item.default_key("required", Value::Bool(true));
        Ok(vec![item])
    })
}

/// Converts names of configs or secrets to references.
pub(crate) fn file_references(node: Node, path: &str) -> Result<Node, Diagnostics> {
    each(node, path, |item, _| {
        Ok(vec![match item.value {
            Value::Text(_) => map_of(item.clone(), [entry("source", item)]),
            _ => item,
        }])
    })
}

/// Converts devices of the form `source[:target[:permissions]]`.
pub(crate) fn devices(node: Node, path: &str) -> Result<Node, Diagnostics> {
    each(node, path, |item, path| {
        let Some(text) = item.as_str().map(str::to_owned) else { return Ok(vec![item]) };
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, permissions) = match parts[..] {
            [source] | [source, ""] => (source, source, "rwm"),
            [source, target] => (source, target, "rwm"),
            [source, "", permissions] => (source, source, permissions),
            [source, target, permissions] => (source, target, permissions),
            _ => {
                return Err(Diagnostic::at(&item.at, format!("`{text}` has too many colons"))
                    .key(path)
                    .hint("use the long form with `source`, `target` and `permissions`"));
            }
        };
        let [source, target, permissions] = [source, target, permissions].map(|text| Node::text(&item.at, text));
        let entries = [entry("source", source), entry("target", target), entry("permissions", permissions)];
        Ok(vec![map_of(item, entries)])
    })
}

/// Converts `all` to a request for all GPUs.
pub(crate) fn gpus(node: Node, _: &str) -> Result<Node, Diagnostics> {
    if node.as_str().is_none() {
        return Ok(node);
    }
    let request = map_of(node.clone(), [entry("count", Node::text(&node.at, "all"))]);
    Ok(Node { value: Value::List(vec![request]), ..node })
}

/// Converts ports. A range becomes one entry for each port of the container.
pub(crate) fn ports(node: Node, path: &str) -> Result<Node, Diagnostics> {
    each(node, path, |item, path| {
        let text = match &item.value {
            Value::Int(_) | Value::Text(_) => item.scalar_text().unwrap_or_default(),
            Value::Float(_) => {
                return Err(Diagnostic::at(&item.at, "a port cannot have a fraction")
                    .key(path)
                    .hint("write the port in quotes"));
            }
            _ => return Ok(vec![item]),
        };
        let ports = ports::parse(&text).map_err(|why| Diagnostic::at(&item.at, why).key(path))?;
        Ok(ports.into_iter().map(|port| port.node(&item.at)).collect())
    })
}

/// Renames the key `x-initialSync`, the experimental name of `initial_sync`.
pub(crate) fn watches(node: Node, path: &str) -> Result<Node, Diagnostics> {
    each(node, path, |mut item, path| {
        if let Some(early) = item.remove_key("x-initialSync") {
            if early.as_bool().is_none() {
                let message = format!("must be a boolean, not {}", early.kind());
                return Err(Diagnostic::at(&early.at, message).key(join(path, "x-initialSync")));
            }
            item.default_key("initial_sync", early.value);
        }
        Ok(vec![item])
    })
}

/// Converts mounts of the form `[source:]target[:options]`.
pub(crate) fn mounts(node: Node, path: &str) -> Result<Node, Diagnostics> {
    each(node, path, |item, path| {
        let Some(text) = item.as_str() else { return Ok(vec![item]) };
        let mount = mounts::parse(text).map_err(|why| Diagnostic::at(&item.at, why).key(path))?;
        Ok(vec![mount.node(&item.at)])
    })
}

/// Converts `external: {name: x}` to `external: true` and `name: x`.
pub(crate) fn external(mut node: Node, path: &str) -> Result<Node, Diagnostics> {
    for (key, resource) in node.entries_mut() {
        let Some(external) = resource.at_key("external").filter(|external| external.as_map().is_some()) else {
            continue;
        };
        let at = external.at.clone();
        let name = external.at_key("name").cloned();
        resource.set_key("external", Node::flag(&at, true));
        if let Some(name) = name {
            if resource.at_key("name").is_some_and(|other| other.value != name.value) {
                let message = "`name` and `external.name` differ";
                return Err(Diagnostic::at(&at, message)
                    .key(join(path, key))
                    .hint("write `external: true`, and the name under `name`")
                    .into());
            }
            resource.set_key("name", name);
        }
    }
    Ok(node)
}

/// Converts a list of names to a mapping from each name to null.
pub(crate) fn names_of(node: Node) -> Node {
    mapping(node, |_| Value::Null)
}

/// Converts a list of services to a mapping from each service to the default condition.
pub(crate) fn dependencies_of(node: Node) -> Node {
    mapping(node, |name| {
        let started = Node::text(&name.at, "service_started");
        let required = Node::flag(&name.at, true);
        Value::Map(Map::from([("condition".to_owned(), started), ("required".to_owned(), required)]))
    })
}

fn mapping(node: Node, value_of: impl Fn(&Node) -> Value) -> Node {
    let Value::List(list) = node.value else { return node };
    let entry = |item: Node| Some((item.scalar_text()?, Node::new(&item.at, value_of(&item))));
    Node { value: Value::Map(list.into_iter().filter_map(entry).collect()), ..node }
}

/// Converts a string to a build with this context.
pub(crate) fn build_of(node: Node) -> Node {
    if node.as_str().is_none() {
        return node;
    }
    let (at, mode) = (node.at.clone(), node.mode);
    Node { value: Value::Map(Map::from([("context".to_owned(), Node { mode: Mode::Merge, ..node })])), at, mode }
}
