//! Checks that each key is known and that its value has an accepted form.
use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, MAX_MISTAKES};
use crate::schema::{Keys, Number, Object, Shape, Unique, for_each_child};
use crate::spelling::nearest;
use crate::text::interpolate::{element, join};
use crate::text::node::{Node, Value};
use crate::text::scalar::boolean;

/// Converts strings to the numbers and booleans that their keys accept. The value of a variable is always a string.
pub(crate) fn cast(node: &mut Node, shape: &'static Shape, path: &str, mistakes: &mut Vec<Diagnostic>) {
    if let Value::Text(text) = &node.value
        && let Some(form) = shape.form_of(&node.value).or(Some(shape.long_form()))
    {
        match (form, cast_text(text, form)) {
            (_, Some(value)) => node.value = value,
            (Shape::Flag | Shape::Truth, None) => {
                mistakes.push(Diagnostic::at(&node.at, format!("`{text}` is not a boolean")).key(path));
            }
            (Shape::Int(number) | Shape::Float(number), None) if number.text => {
                mistakes.push(Diagnostic::at(&node.at, format!("`{text}` is not a number")).key(path));
            }
            _ => {}
        }
        return;
    }
    for_each_child(node, shape, path, &mut |child, shape, path, _| cast(child, shape, path, mistakes));
}

fn cast_text(text: &str, shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Flag | Shape::Truth => boolean(text).map(Value::Bool),
        Shape::Int(number) if number.text => text.parse().ok().map(Value::Int),
        Shape::Float(number) if number.text => text.parse().ok().map(Value::Float),
        _ => None,
    }
}

/// Adds everything that is wrong in a tree to `mistakes`.
pub(crate) fn validate(node: &Node, shape: &'static Shape, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let Some(form) = shape.form_of(&node.value) else {
        mistakes.push(shape.mismatch(node, path));
        return;
    };
    match (form, &node.value) {
        (Shape::Object(object), _) => validate_object(node, object, path, mistakes),
        (Shape::Map(keys, inner), Value::Map(map)) => {
            for (name, child) in map {
                let path = join(path, name);
                if *keys == Keys::Names && !is_name(name) {
                    mistakes.push(
                        Diagnostic::at(&child.at, format!("`{name}` is not a valid name"))
                            .key(&path)
                            .hint("use letters, digits, `.`, `_` and `-`"),
                    );
                }
                validate(child, inner, &path, mistakes);
            }
        }
        (Shape::List(inner, unique), Value::List(list)) => {
            for (index, child) in list.iter().enumerate() {
                validate(child, inner, &element(path, index), mistakes);
            }
            if *unique == Unique::Yes {
                validate_unique(list, path, mistakes);
            }
        }
        (Shape::Choice(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
            let mistake = Diagnostic::at(&node.at, format!("`{text}` is not one of {}", words.join(", "))).key(path);
            mistakes.push(match nearest(text, words.iter().copied()) {
                Some(near) => mistake.hint(format!("did you mean `{near}`?")),
                None => mistake,
            });
        }
        (Shape::Form(good, wanted), Value::Text(text)) if !good(text) => {
            mistakes.push(Diagnostic::at(&node.at, format!("`{text}` is not {wanted}")).key(path));
        }
        (Shape::Int(number) | Shape::Float(number) | Shape::Size(number), _) => {
            if let Some(message) = out_of_range(number, &node.value) {
                mistakes.push(Diagnostic::at(&node.at, message).key(path));
            }
        }
        _ => validate_scalars(node, form, path, mistakes),
    }
}

fn validate_object(node: &Node, object: &'static Object, path: &str, mistakes: &mut Vec<Diagnostic>) {
    for (name, child) in node.entries() {
        match object.field(name) {
            Some(field) => validate(child, &field.shape, &join(path, name), mistakes),
            None if object.extensions && name.starts_with("x-") => {}
            None => {
                let mistake = Diagnostic::at(&child.at, format!("unknown key `{name}`")).key(join(path, name));
                // The search for a similar key is slow, and only the first mistakes are reported.
                let is_reported = mistakes.len() < MAX_MISTAKES;
                mistakes.push(if is_reported { hinted(mistake, name, object) } else { mistake });
            }
        }
    }
    for name in object.required {
        if node.at_key(name).is_none() {
            mistakes.push(Diagnostic::at(&node.at, format!("key `{name}` is missing")).key(path));
        }
    }
}

fn hinted(diagnostic: Diagnostic, name: &str, object: &Object) -> Diagnostic {
    match nearest(name, object.fields.iter().map(|field| field.name)) {
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        _ if object.extensions => diagnostic.hint("extension keys start with `x-`"),
        _ => diagnostic,
    }
}

fn out_of_range(number: &Number, value: &Value) -> Option<String> {
    let found = match value {
        Value::Int(found) => *found as f64,
        Value::Float(found) => *found,
        _ => return None,
    };
    if found < number.low as f64 {
        return Some(format!("{found} is less than {}", number.low));
    }
    (found > number.high as f64).then(|| format!("{found} is more than {}", number.high))
}

/// Checks the elements of lists and mappings of scalars.
fn validate_scalars(node: &Node, shape: &Shape, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let text = |value: &Value| matches!(value, Value::Text(_));
    let text_or_number = |value: &Value| matches!(value, Value::Text(_) | Value::Int(_) | Value::Float(_));
    let scalar = |value: &Value| text_or_number(value) || matches!(value, Value::Bool(_));
    let mut each = |good: &dyn Fn(&Value) -> bool, wanted: &str| {
        let items = node.items().enumerate().map(|(index, child)| (element(path, index), child));
        let entries = node.entries().map(|(name, child)| (join(path, name), child));
        let bad = items.chain(entries).filter(|(_, child)| !good(&child.value));
        mistakes.extend(bad.map(|(path, child)| {
            let message = format!("must be {wanted}, not {}", child.kind());
            Diagnostic::at(&child.at, message).key(path)
        }));
    };
    match shape {
        Shape::Pairs { .. } if node.at_key("").is_some() => {
            mistakes.push(Diagnostic::at(&node.at, "a key cannot be empty").key(path));
        }
        Shape::Texts { .. } | Shape::Command | Shape::Test => each(&text, "a string"),
        Shape::Scalars => each(&text_or_number, "a string or a number"),
        Shape::Pairs { .. } if node.as_list().is_some() => each(&text, "a string of the form KEY=value"),
        Shape::Pairs { .. } => {
            each(&|value| scalar(value) || *value == Value::Null, "a string, number, boolean or null")
        }
        Shape::Options { number, null } => each(
            &|value| text(value) || (*number && text_or_number(value)) || (*null && *value == Value::Null),
            "a string or a number",
        ),
        Shape::MultiOptions => {
            each(&|value| scalar(value) || matches!(value, Value::List(_)), "a string, number, boolean or list");
        }
        Shape::Ssh if node.as_list().is_some() => each(&text, "`default` or id=path"),
        Shape::Ssh => each(&|value| scalar(value) || *value == Value::Null, "a path"),
        Shape::Hosts if node.as_list().is_some() => each(&text, "a string of the form name=address"),
        Shape::Hosts => each(&|value| text(value) || matches!(value, Value::List(_)), "an address or a list of them"),
        _ => {}
    }
    let differ = matches!(
        shape,
        Shape::Texts { unique: true } | Shape::Scalars | Shape::Pairs { .. } | Shape::Hosts | Shape::Ssh
    );
    if let (true, Some(list)) = (differ, node.as_list()) {
        validate_unique(list, path, mistakes);
    }
}

fn validate_unique(list: &[Node], path: &str, mistakes: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, node) in list.iter().enumerate() {
        // JSON has no locations, so equal values compare equal.
        if let Some(first) = seen.insert(node.clone().into_json().to_string(), index) {
            let message = format!("items {first} and {index} are the same");
            mistakes.push(Diagnostic::at(&node.at, message).key(element(path, index)));
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
