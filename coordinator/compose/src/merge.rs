//! Merges a later file, document, service or project with an earlier one.
use std::collections::BTreeSet;

use super::diagnostic::Diagnostic;
use super::forms::short::{build_of, dependencies_of, names_of};
use super::schema::{Merge, Shape};
use super::text::interpolate::join;
use super::text::node::{Map, Mode, Node, Value};

/// Merges `over` with `base`, by the rules of their keys.
///
/// A node with `!reset` stays in the result, because it also resets values that are merged later.
/// [`Node::apply_resets`] removes such nodes.
pub(super) fn merge(base: Node, over: Node, shape: &'static Shape, path: &str) -> Result<Node, Diagnostic> {
    merge_by(Merge::Deep, base, over, Some(shape), path)
}

fn merge_by(
    rule: Merge,
    base: Node,
    over: Node,
    shape: Option<&'static Shape>,
    path: &str,
) -> Result<Node, Diagnostic> {
    if over.mode != Mode::Merge {
        return Ok(over);
    }
    match rule {
        Merge::Deep => deep(base, over, shape, path),
        Merge::Replace => Ok(over),
        Merge::Sequence => {
            let mut base = sequence(base);
            let reset: Vec<&String> =
                over.entries().filter(|(_, node)| node.mode == Mode::Reset).map(|(name, _)| name).collect();
            if let Some(list) = base.as_list_mut() {
                list.retain(|item| !reset.iter().any(|name| Some(name.as_str()) == item.as_str().map(name_of)));
            }
            Ok(appended(base, sequence(over)))
        }
        Merge::Hosts => Ok(appended(sequence(base), sequence(over))),
        Merge::Dependencies => deep(dependencies_of(base), dependencies_of(over), shape, path),
        Merge::Names => deep(names_of(base), names_of(over), shape, path),
        Merge::Build => deep(build_of(base), build_of(over), shape, path),
        Merge::Logging if over.as_map().is_none() => {
            Err(Diagnostic::at(&over.at, format!("must be a mapping, not {}", over.kind()))
                .key(path)
                .hint("`!reset null` removes the key"))
        }
        Merge::Logging => {
            let drivers = (base.text_at("driver"), over.text_at("driver"));
            let same = matches!(drivers, (None, _) | (_, None)) || drivers.0 == drivers.1;
            if same { deep(base, over, shape, path) } else { Ok(over) }
        }
        Merge::Pools => pools(base, over, shape, path),
    }
}

fn deep(mut base: Node, over: Node, shape: Option<&'static Shape>, path: &str) -> Result<Node, Diagnostic> {
    if over.is_null() {
        return Ok(base);
    }
    match (&mut base.value, over.value) {
        (Value::Map(map), Value::Map(others)) => {
            merge_entries(map, others, shape, path)?;
            Ok(base)
        }
        (Value::List(list), Value::List(others)) => {
            append_new(list, others);
            Ok(base)
        }
        (Value::Map(_) | Value::List(_), value) => {
            // A short form may replace a long one.
            if matches!(shape, Some(Shape::Short(_))) && !matches!(value, Value::Map(_) | Value::List(_)) {
                return Ok(Node { value, ..over });
            }
            let found = Node::new(&over.at, value);
            let message = format!("{} cannot override {} ({})", found.kind(), base.kind(), base.at);
            Err(Diagnostic::at(&over.at, message).key(path).hint("`!override` replaces a value of any kind"))
        }
        (_, value) => Ok(Node { value, ..over }),
    }
}

fn merge_entries(map: &mut Map, others: Map, shape: Option<&'static Shape>, path: &str) -> Result<(), Diagnostic> {
    for (name, over) in others {
        let merged = match map.remove(&name) {
            Some(base) => {
                let (rule, shape) = rule_of(&name, shape);
                merge_by(rule, base, over, shape, &join(path, &name))?
            }
            None => over,
        };
        map.insert(name, merged);
    }
    Ok(())
}

fn rule_of(name: &str, shape: Option<&'static Shape>) -> (Merge, Option<&'static Shape>) {
    match shape.map(|shape| shape.long_form()) {
        Some(Shape::Object(object)) => {
            object.field(name).map_or((Merge::Deep, None), |field| (field.merge, Some(&field.shape)))
        }
        Some(Shape::Map(_, inner)) => (Merge::Deep, Some(inner)),
        _ => (Merge::Deep, None),
    }
}

/// Appends the elements that a list does not contain yet.
fn append_new(list: &mut Vec<Node>, others: Vec<Node>) {
    // JSON has no locations, so equal values compare equal.
    let print = |node: &Node| node.clone().into_json().to_string();
    let mut held: BTreeSet<String> = list.iter().map(print).collect();
    list.extend(others.into_iter().filter(|other| other.mode != Mode::Merge || held.insert(print(other))));
}

fn appended(mut base: Node, over: Node) -> Node {
    if let (Some(list), Value::List(others)) = (base.as_list_mut(), over.value) {
        append_new(list, others);
    }
    base
}

/// The part of a `KEY=value` string before `=`.
pub(super) fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

/// Converts any value to a list of `KEY=value` strings.
fn sequence(node: Node) -> Node {
    let list = match node.value {
        Value::Map(map) => map.iter().flat_map(|(name, child)| pairs(name, child)).collect(),
        Value::List(list) => list,
        Value::Null => Vec::new(),
        value => vec![Node { value, at: node.at.clone(), mode: node.mode }],
    };
    Node { value: Value::List(list), ..node }
}

fn pairs(name: &str, node: &Node) -> Vec<Node> {
    let pair = |value: &Node| {
        let text = value.scalar_text().map_or_else(|| name.to_owned(), |value| format!("{name}={value}"));
        Node { mode: node.mode, ..Node::text(&node.at, text) }
    };
    match &node.value {
        Value::List(list) => list.iter().map(pair).collect(),
        // A mapping is wrong here. It stays, so that validation refuses it.
        Value::Map(_) => vec![node.clone()],
        _ => vec![pair(node)],
    }
}

/// Merges each address pool of `over` with the pool of `base` that has the same subnet.
fn pools(base: Node, over: Node, shape: Option<&'static Shape>, path: &str) -> Result<Node, Diagnostic> {
    let Value::List(pools) = over.value else { return deep(base, over, shape, path) };
    if pools.is_empty() && base.items().next().is_some() {
        let message = "an empty list overrides nothing";
        return Err(Diagnostic::at(&over.at, message).key(path).hint("`!override []` removes the subnets"));
    }
    let merged = pools.into_iter().map(|pool| {
        let same = base.items().find(|other| other.text_at("subnet") == pool.text_at("subnet"));
        match same {
            Some(other) => deep(other.clone(), pool, None, path),
            None => Ok(pool),
        }
    });
    Ok(Node { value: Value::List(merged.collect::<Result<_, _>>()?), ..over })
}
