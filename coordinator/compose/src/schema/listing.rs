//! The table of keys as a flat list, for documentation and tests.
use super::keys::PROJECT;
use super::{Case, Object, Shape, Support};
use crate::text::interpolate::join;

/// A key of the Compose specification, and whether Landfast supports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Dotted path, with `*` for a name that the user chooses and `[]` for an index: `services.*.ports[].published`.
    pub path: String,
    /// Whether the key is supported. A key below an unsupported key has the support of that key.
    pub support: Support,
    /// How the key differs from Compose or what it requires; empty when there is nothing to add.
    pub note: &'static str,
    /// Values that are ignored or refused although the key is supported.
    pub cases: Vec<&'static Case>,
}

/// Every key that a Compose file may have, in the order of their names. Extension keys (`x-…`) are left out.
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    list(&PROJECT, "", Support::Supported, &mut keys);
    keys
}

fn list(object: &Object, path: &str, parent: Support, keys: &mut Vec<Key>) {
    let mut fields: Vec<_> = object.fields.iter().collect();
    fields.sort_by_key(|field| field.name);
    for field in fields {
        let path = join(path, field.name);
        let support = if parent == Support::Supported { field.support } else { parent };
        let cases = if support == Support::Supported { field.cases.to_vec() } else { Vec::new() };
        keys.push(Key { path: path.clone(), support, note: field.note, cases });
        list_inner(&field.shape, &path, support, keys);
    }
}

fn list_inner(shape: &Shape, path: &str, parent: Support, keys: &mut Vec<Key>) {
    match shape {
        Shape::Object(object) => list(object, path, parent, keys),
        Shape::Map(_, inner) => list_inner(inner, &join(path, "*"), parent, keys),
        Shape::List(inner, _) => list_inner(inner, &format!("{path}[]"), parent, keys),
        Shape::Nullable(inner) => list_inner(inner, path, parent, keys),
        Shape::Short(forms) => forms.iter().for_each(|form| list_inner(form, path, parent, keys)),
        _ => {}
    }
}
