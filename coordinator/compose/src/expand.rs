//! Expands the short forms of a tree to long forms.
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::{Shape, for_each_child};
use crate::text::node::Node;

/// Expands each value of a tree to its long form.
pub(crate) fn expand(node: &mut Node, shape: &'static Shape) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    expand_children(node, shape, "", &mut mistakes);
    Diagnostics::check(mistakes)
}

/// Expands the values of a tree that still contains variables. A value that cannot be parsed stays as it is.
pub(crate) fn expand_readable(node: &mut Node, shape: &'static Shape) {
    expand_children(node, shape, "", &mut Vec::new());
}

fn expand_children(node: &mut Node, shape: &'static Shape, path: &str, mistakes: &mut Vec<Diagnostic>) {
    for_each_child(node, shape, path, &mut |child, shape, path, field| {
        if let Some(long) = field.and_then(|field| field.long) {
            // A file that services are extended from is not validated as a whole, only what is merged from it.
            if !shape.takes(&child.value) && !child.is_null() {
                mistakes.push(shape.mismatch(child, path));
                return;
            }
            match long(child.clone(), path) {
                Ok(long) => *child = long,
                Err(Diagnostics(more)) => mistakes.extend(more),
            }
        }
        expand_children(child, shape, path, mistakes);
    });
}
