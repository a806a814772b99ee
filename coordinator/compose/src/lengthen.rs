//! From short forms to long ones.
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::{Shape, for_each_child};
use crate::text::node::Node;

/// Gives each value of a tree its long form.
pub(crate) fn lengthen(node: &mut Node, shape: &'static Shape) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    lengthen_children(node, shape, "", &mut mistakes);
    Diagnostics::check(mistakes)
}

/// The same where variables are left in: what cannot be read for them stays as it is.
pub(crate) fn lengthen_readable(node: &mut Node, shape: &'static Shape) {
    lengthen_children(node, shape, "", &mut Vec::new());
}

fn lengthen_children(node: &mut Node, shape: &'static Shape, path: &str, mistakes: &mut Vec<Diagnostic>) {
    for_each_child(node, shape, path, &mut |child, shape, path, field| {
        if let Some(long) = field.and_then(|field| field.long) {
            // The file of a template is not validated as a whole: what it lends is, once it is merged.
            if !shape.takes(&child.value) && !child.is_null() {
                mistakes.push(shape.mismatch(child, path));
                return;
            }
            match long(child.clone(), path) {
                Ok(long) => *child = long,
                Err(Diagnostics(more)) => mistakes.extend(more),
            }
        }
        lengthen_children(child, shape, path, mistakes);
    });
}
