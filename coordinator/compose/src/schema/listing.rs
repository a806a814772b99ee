//! The table of keys as a list: what a reader, a test or a page can go through.
use super::keys::PROJECT;
use super::{Case, Object, Shape, Support};
use crate::text::interpolate::join;

/// A key of the Compose specification, and what Landfast makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Dotted, with `*` for a name of the user's choice and `[]` for a place in a list: `services.*.ports[].published`.
    pub path: String,
    /// What is made of it; a key beneath one that is not honoured stands as that one does.
    pub support: Support,
    /// What it does here, when that is not what everybody expects; else empty.
    pub note: &'static str,
    /// Values that stand otherwise.
    pub cases: Vec<&'static Case>,
}

/// Every key that a Compose file may have, extensions (`x-…`) aside, by name.
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    list(&PROJECT, "", Support::Supported, &mut keys);
    keys
}

fn list(object: &Object, path: &str, around: Support, keys: &mut Vec<Key>) {
    let mut fields: Vec<_> = object.fields.iter().collect();
    fields.sort_by_key(|field| field.name);
    for field in fields {
        let path = join(path, field.name);
        let support = if around == Support::Supported { field.support } else { around };
        let cases = if support == Support::Supported { field.cases.to_vec() } else { Vec::new() };
        keys.push(Key { path: path.clone(), support, note: field.note, cases });
        beneath(&field.shape, &path, support, keys);
    }
}

fn beneath(shape: &Shape, path: &str, around: Support, keys: &mut Vec<Key>) {
    match shape {
        Shape::Object(object) => list(object, path, around, keys),
        Shape::Map(_, inner) => beneath(inner, &join(path, "*"), around, keys),
        Shape::List(inner, _) => beneath(inner, &format!("{path}[]"), around, keys),
        Shape::Nullable(inner) => beneath(inner, path, around, keys),
        Shape::Short(forms) => forms.iter().for_each(|form| beneath(form, path, around, keys)),
        _ => {}
    }
}
