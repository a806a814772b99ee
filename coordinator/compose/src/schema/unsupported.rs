//! What Landfast reads without honouring it, and what it does not deploy: nothing is dropped in silence.
use crate::diagnostic::Diagnostic;
use crate::schema::{Shape, Support};
use crate::text::interpolate::{element, join};
use crate::text::node::{Node, Value};

/// A warning for each key that has no effect.
pub(crate) fn ignored(project: &Node, shape: &'static Shape) -> Vec<Diagnostic> {
    collect(project, shape, |support| match support {
        Support::Ignored(why) => Some(format!("no effect: {why}")),
        _ => None,
    })
}

/// A mistake for each key that asks for what Landfast does not do.
pub(crate) fn refused(project: &Node, shape: &'static Shape) -> Vec<Diagnostic> {
    collect(project, shape, |support| match support {
        Support::Refused(why) => Some(format!("not deployed: {why}")),
        _ => None,
    })
}

type Judge = fn(Support) -> Option<String>;

fn collect(project: &Node, shape: &'static Shape, judge: Judge) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    walk(project, shape, "", judge, &mut found);
    found
}

fn walk(node: &Node, shape: &'static Shape, path: &str, judge: Judge, found: &mut Vec<Diagnostic>) {
    match (shape.form_of(&node.value), &node.value) {
        (Some(Shape::Object(object)), Value::Map(map)) => {
            for (name, child) in map {
                let Some(field) = object.field(name).filter(|_| !child.is_null()) else { continue };
                let path = join(path, name);
                if let Some(message) = judge(field.support) {
                    found.push(Diagnostic::at(&child.at, message).key(&path));
                }
                walk(child, &field.shape, &path, judge, found);
            }
        }
        (Some(Shape::Map(_, inner)), Value::Map(map)) => {
            for (name, child) in map {
                walk(child, inner, &join(path, name), judge, found);
            }
        }
        (Some(Shape::List(inner, _)), Value::List(list)) => {
            for (index, child) in list.iter().enumerate() {
                walk(child, inner, &element(path, index), judge, found);
            }
        }
        _ => {}
    }
}
