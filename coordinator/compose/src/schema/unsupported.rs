//! Finds the keys of a project that Landfast ignores or refuses, so that none is dropped silently.
use crate::diagnostic::Diagnostic;
use crate::schema::{Shape, Support};
use crate::text::interpolate::{element, join};
use crate::text::node::{Node, Value};

/// Returns a warning for each key that has no effect.
pub(crate) fn ignored(project: &Node, shape: &'static Shape) -> Vec<Diagnostic> {
    collect(project, shape, |support| match support {
        Support::Ignored(why) => Some(format!("no effect: {why}")),
        _ => None,
    })
}

/// Returns an error for each key that Landfast does not deploy.
pub(crate) fn refused(project: &Node, shape: &'static Shape) -> Vec<Diagnostic> {
    collect(project, shape, |support| match support {
        Support::Refused(why) => Some(format!("not deployed: {why}")),
        _ => None,
    })
}

/// Returns the message for a key, if it needs one.
type MessageFor = fn(Support) -> Option<String>;

fn collect(project: &Node, shape: &'static Shape, message_for: MessageFor) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    walk(project, shape, "", message_for, &mut found);
    found
}

fn walk(node: &Node, shape: &'static Shape, path: &str, message_for: MessageFor, found: &mut Vec<Diagnostic>) {
    match (shape.form_of(&node.value), &node.value) {
        (Some(Shape::Object(object)), Value::Map(map)) => {
            for (name, child) in map {
                let Some(field) = object.field(name).filter(|_| !child.is_null()) else { continue };
                let path = join(path, name);
                if let Some(message) = message_for(field.support) {
                    found.push(Diagnostic::at(&child.at, message).key(&path));
                }
                walk(child, &field.shape, &path, message_for, found);
            }
        }
        (Some(Shape::Map(_, inner)), Value::Map(map)) => {
            for (name, child) in map {
                walk(child, inner, &join(path, name), message_for, found);
            }
        }
        (Some(Shape::List(inner, _)), Value::List(list)) => {
            for (index, child) in list.iter().enumerate() {
                walk(child, inner, &element(path, index), message_for, found);
            }
        }
        _ => {}
    }
}
