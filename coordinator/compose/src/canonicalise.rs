//! Converts each value to its canonical form, and removes empty values.
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::quantity::{Bytes, Nanos};
use crate::schema::{Field, Object, Presence, Shape};
use crate::text::interpolate::{element, join};
use crate::text::node::{Map, Node, Value};
use crate::text::scalar::boolean;
use crate::text::shell;

/// Converts the values of a tree in long form to their canonical forms, as the reference prints them.
pub(crate) fn canonicalise(node: &mut Node, shape: &'static Shape) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    canonicalise_value(node, shape, "", &mut mistakes);
    Diagnostics::check(mistakes)
}

fn canonicalise_value(node: &mut Node, shape: &'static Shape, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let Some(form) = shape.form_of(&node.value) else { return };
    match (form, &mut node.value) {
        (Shape::Object(object), Value::Map(_)) => canonicalise_object(node, object, path, mistakes),
        (Shape::Map(_, inner), Value::Map(map)) => {
            for (name, child) in map {
                canonicalise_value(child, inner, &join(path, name), mistakes);
            }
        }
        (Shape::List(inner, _), Value::List(list)) => {
            for (index, child) in list.iter_mut().enumerate() {
                canonicalise_value(child, inner, &element(path, index), mistakes);
            }
        }
        _ => match canonical_value(node, form) {
            Ok(Some(value)) => node.value = value,
            Ok(None) => {}
            Err(message) => mistakes.push(Diagnostic::at(&node.at, message).key(path)),
        },
    }
}

fn canonicalise_object(node: &mut Node, object: &'static Object, path: &str, mistakes: &mut Vec<Diagnostic>) {
    for field in object.fields {
        match field.presence {
            Presence::Always => node.default_key(field.name, Value::Map(Map::new())),
            Presence::Nullable => node.default_key(field.name, Value::Null),
            _ => {}
        }
    }
    let Some(map) = node.as_map_mut() else { return };
    map.retain(|name, child| {
        let Some(field) = object.field(name) else { return object.extensions && name.starts_with("x-") };
        canonicalise_value(child, &field.shape, &join(path, name), mistakes);
        is_kept(field, child)
    });
}

fn is_kept(field: &'static Field, node: &Node) -> bool {
    match (field.presence, &node.value) {
        (Presence::Nullable | Presence::Always, _) => true,
        (_, Value::Null) => false,
        (Presence::Written, _) => true,
        (Presence::UnlessTrue, value) => *value != Value::Bool(true),
        (_, Value::Bool(flag)) => *flag,
        (_, Value::Int(number)) => *number != 0,
        (_, Value::Float(number)) => *number != 0.0,
        (_, Value::Text(text)) => match field.shape {
            Shape::Size(_) => text != "0",
            Shape::Duration => text != "0s",
            _ => !text.is_empty(),
        },
        (_, Value::List(list)) => !list.is_empty(),
        (_, Value::Map(map)) => matches!(field.shape.long_form(), Shape::Object(_)) || !map.is_empty(),
        (_, Value::Time(_)) => true,
    }
}

/// The canonical form of a value, if it is another one. The error is a message.
fn canonical_value(node: &Node, shape: &Shape) -> Result<Option<Value>, String> {
    let value = match (shape, &node.value) {
        (Shape::Size(_), _) => size(node)?,
        (Shape::Duration, Value::Text(text)) => {
            let nanos = Nanos::parse(text).ok_or_else(|| format!("`{text}` is not a duration such as 1m30s"))?;
            Value::Text(nanos.to_string())
        }
        (Shape::Flag | Shape::Truth, Value::Text(text)) => {
            Value::Bool(boolean(text).ok_or_else(|| format!("`{text}` is not a boolean"))?)
        }
        (Shape::Int(_), Value::Float(number)) => Value::Int(*number as i64),
        (Shape::Int(_), Value::Text(text)) => {
            Value::Int(text.parse().map_err(|_| format!("`{text}` is not a whole number"))?)
        }
        (Shape::Float(_), Value::Text(text)) => single(text.parse().map_err(|_| format!("`{text}` is not a number"))?),
        (Shape::Float(_), Value::Float(number)) => single(*number),
        (Shape::Mode, _) => mode(node)?,
        (Shape::DeviceCount, Value::Text(text)) if text.eq_ignore_ascii_case("all") => Value::Int(-1),
        (Shape::DeviceCount, Value::Text(text)) => {
            Value::Int(text.parse().map_err(|_| format!("`{text}` is neither a number nor `all`"))?)
        }
        (Shape::Published, Value::Int(number)) => Value::Text(number.to_string()),
        (Shape::TextOrFlag, Value::Bool(flag)) => Value::Text(flag.to_string()),
        (Shape::Command, Value::Text(text)) => {
            let words = shell::split(text).ok_or_else(|| format!("`{text}` has an unclosed quote or parenthesis"))?;
            texts(node, words)
        }
        (Shape::Test, Value::Text(text)) => texts(node, ["CMD-SHELL".to_owned(), text.clone()]),
        (Shape::Scalars, Value::List(list)) => texts(node, list.iter().filter_map(Node::scalar_text)),
        (Shape::Ssh, Value::Map(_)) => keys(node),
        (Shape::Pairs { keeps_null }, _) => pairs(node, *keeps_null)?,
        (Shape::Options { .. }, Value::Map(map)) => Value::Map(each_value(map, text_or_empty)),
        (Shape::MultiOptions, Value::Map(map)) => Value::Map(each_value(map, |node| match node.as_list() {
            Some(list) => texts(node, list.iter().filter_map(Node::scalar_text)),
            None => texts(node, node.scalar_text()),
        })),
        (Shape::Hosts, _) => texts(node, hosts(node)?),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn texts(node: &Node, texts: impl IntoIterator<Item = String>) -> Value {
    Value::List(texts.into_iter().map(|text| Node::text(&node.at, text)).collect())
}

fn each_value(map: &Map, value: impl Fn(&Node) -> Value) -> Map {
    map.iter().map(|(name, node)| (name.clone(), Node::new(&node.at, value(node)))).collect()
}

fn text_or_empty(node: &Node) -> Value {
    Value::Text(node.scalar_text().unwrap_or_default())
}

fn size(node: &Node) -> Result<Value, String> {
    let bytes = match &node.value {
        Value::Int(number) => Bytes(*number),
        Value::Text(text) => Bytes::parse(text).ok_or_else(|| format!("`{text}` is not a size such as 512m"))?,
        // The reference silently reads a fraction as no limit.
        _ => return Err("a size must be a whole number of bytes, or a string such as 1.5g".to_owned()),
    };
    Ok(Value::Text(bytes.to_string()))
}

/// Rounds a number to single precision, as the reference does.
fn single(number: f64) -> Value {
    let number = number as f32;
    Value::Float(number.to_string().parse().unwrap_or_else(|_| number.into()))
}

/// Converts permission bits to octal text.
fn mode(node: &Node) -> Result<Value, String> {
    let bits = match &node.value {
        Value::Int(bits) => *bits,
        Value::Text(text) => {
            i64::from_str_radix(text, 8).map_err(|_| format!("`{text}` is not an octal number such as 0440"))?
        }
        _ => return Err("permission bits cannot have a fraction".to_owned()),
    };
    Ok(Value::Text(format!("0{bits:o}")))
}

fn pairs(node: &Node, keeps_null: bool) -> Result<Value, String> {
    let blank = || if keeps_null { Value::Null } else { Value::Text(String::new()) };
    let mut map = Map::new();
    for (name, value) in node.entries() {
        let text = value.scalar_text().map_or_else(blank, Value::Text);
        map.insert(name.clone(), Node::new(&value.at, text));
    }
    for item in node.items() {
        let text = item.as_str().unwrap_or_default();
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        if keeps_null && name.ends_with(char::is_whitespace) {
            return Err(format!("`{name}` ends with a space"));
        }
        let value = value.map_or_else(blank, |value| Value::Text(value.to_owned()));
        map.insert(name.to_owned(), Node::new(&item.at, value));
    }
    Ok(Value::Map(map))
}

/// Converts SSH ids and paths to `default` and `id=path` strings.
fn keys(node: &Node) -> Value {
    texts(
        node,
        node.entries().map(|(id, file)| match file.as_str() {
            Some(file) => format!("{id}={file}"),
            None => id.clone(),
        }),
    )
}

/// Converts host entries to sorted `name=address` strings.
fn hosts(node: &Node) -> Result<Vec<String>, String> {
    let mut hosts: Vec<(String, String)> = Vec::new();
    for (name, addresses) in node.entries() {
        match addresses.as_list() {
            Some(list) => hosts.extend(list.iter().filter_map(Node::scalar_text).map(|host| (name.clone(), host))),
            None => hosts.push((name.clone(), addresses.scalar_text().unwrap_or_default())),
        }
    }
    for item in node.items() {
        let text = item.as_str().unwrap_or_default();
        let pair = text.split_once('=').or_else(|| text.split_once(':'));
        let (name, addresses) = pair.ok_or_else(|| format!("`{text}` has no address"))?;
        hosts.extend(addresses.split(',').map(|address| (name.to_owned(), address.to_owned())));
    }
    if let Some((name, _)) = hosts.iter().find(|(name, _)| name.is_empty() || name.contains([':', '='])) {
        return Err(format!("`{name}` is not a host name"));
    }
    let bare = |address: &str| match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(bare) if !bare.is_empty() => bare.to_owned(),
        _ => address.to_owned(),
    };
    let mut lines: Vec<String> = hosts.iter().map(|(name, address)| format!("{name}={}", bare(address))).collect();
    lines.sort();
    Ok(lines)
}
