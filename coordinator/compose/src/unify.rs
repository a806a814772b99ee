//! Removes duplicates from lists: a later element replaces an earlier one with the same identity.
use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::forms::mounts;
use super::merge::name_of;
use super::schema::{Field, Index, Shape, for_each_child};
use super::text::interpolate::element;
use super::text::node::{Node, Value};

/// Replaces earlier elements of lists by later ones with the same identity.
pub(super) fn unify(node: &mut Node, shape: &'static Shape, path: &str) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    unify_children(node, shape, path, &mut mistakes);
    Diagnostics::check(mistakes)
}

fn unify_children(node: &mut Node, shape: &'static Shape, path: &str, mistakes: &mut Vec<Diagnostic>) {
    for_each_child(node, shape, path, &mut |child, shape, path, field| {
        if let (Some(field), Value::List(list)) = (field, &mut child.value) {
            unify_list(list, field, path, mistakes);
        }
        unify_children(child, shape, path, mistakes);
    });
}

fn unify_list(list: &mut Vec<Node>, field: &Field, path: &str, mistakes: &mut Vec<Diagnostic>) {
    if field.index == Index::None {
        return;
    }
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(list.len());
    for (position, item) in std::mem::take(list).into_iter().enumerate() {
        let index = index_of(field.index, &item).unwrap_or_else(|key| {
            let message = format!("key `{key}` is missing");
            mistakes.push(Diagnostic::at(&item.at, message).key(element(path, position)));
            None
        });
        match index.as_ref().and_then(|index| places.get(index)) {
            Some(place) => kept[*place] = item,
            None => {
                places.extend(index.map(|index| (index, kept.len())));
                kept.push(item);
            }
        }
    }
    *list = kept;
}

/// Returns the identity of an element, or `None` if it is unique. The error is the name of a missing key.
fn index_of(index: Index, item: &Node) -> Result<Option<String>, &'static str> {
    let text = item.scalar_text();
    Ok(match index {
        Index::None => None,
        Index::Key => text.map(|text| name_of(&text).to_owned()),
        Index::Value => text,
        Index::Mount | Index::Device if item.as_map().is_some() => {
            Some(item.text_at("target").ok_or("target")?.to_owned())
        }
        Index::Mount => text.and_then(|text| mounts::parse(&text).ok()).map(|mount| mount.target),
        Index::Device => {
            text.map(|text| text.split(':').nth(1).filter(|to| !to.is_empty()).unwrap_or(&text).to_owned())
        }
        Index::File(folder) => match (text, item.text_at("target")) {
            (Some(source), _) => Some(format!("{folder}/{source}")),
            (None, Some(target)) => Some(target.to_owned()),
            (None, None) => Some(format!("{folder}/{}", item.text_at("source").unwrap_or_default())),
        },
        Index::Port => match &item.value {
            Value::Map(_) => Some(port_index(item)?),
            _ => text,
        },
        Index::Path if item.as_map().is_some() => Some(item.text_at("path").ok_or("path")?.to_owned()),
        Index::Path => text,
    })
}

fn port_index(item: &Node) -> Result<String, &'static str> {
    let or =
        |key: &str, default: &str| item.at_key(key).and_then(Node::scalar_text).unwrap_or_else(|| default.to_owned());
    item.at_key("target").ok_or("target")?;
    Ok(format!("{}:{}:{}/{}", or("host_ip", "0.0.0.0"), or("published", ""), or("target", ""), or("protocol", "tcp")))
}
