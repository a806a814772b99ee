//! Walks the known children of a node.
use super::field::{Field, Shape};
use crate::text::interpolate::{element, join};
use crate::text::node::{Node, Value};

/// A function of a child: the node, its shape, its dotted path and, in an object, its field.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&mut Node, &'static Shape, &str, Option<&'static Field>);

/// Calls a function for each child of a node that the shape knows.
pub(crate) fn for_each_child(node: &mut Node, shape: &'static Shape, path: &str, visit: Visit) {
    match (shape.form_of(&node.value), &mut node.value) {
        (Some(Shape::Object(object)), Value::Map(map)) => {
            for (name, child) in map {
                if let Some(field) = object.field(name) {
                    visit(child, &field.shape, &join(path, name), Some(field));
                }
            }
        }
        (Some(Shape::Map(_, inner)), Value::Map(map)) => {
            for (name, child) in map {
                visit(child, inner, &join(path, name), None);
            }
        }
        (Some(Shape::List(inner, _)), Value::List(list)) => {
            for (index, child) in list.iter_mut().enumerate() {
                visit(child, inner, &element(path, index), None);
            }
        }
        _ => {}
    }
}
