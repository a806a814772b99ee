//! What may stand where: the vocabulary in which the tables of [`keys`](crate::schema::keys) are written.
//!
//! One table drives everything: the types a key takes, how two values of it merge, what makes its elements unique, its
//! long form, whether an empty value is printed, and whether Landfast honours it.
use crate::diagnostic::Diagnostics;
use crate::text::interpolate::{element, join};
use crate::text::node::{Node, Value};

pub mod keys;
mod listing;
mod shape;
pub(crate) mod standing;
pub(crate) mod validate;

pub use listing::{Key, keys};
pub(crate) use shape::{BARE, Keys, LOOSE, Number, Shape, Unique, WHOLE, WRITTEN};

/// A mapping with known keys.
pub(crate) struct Object {
    pub(crate) fields: &'static [Field],
    pub(crate) required: &'static [&'static str],
    /// Whether `x-…` may stand here.
    pub(crate) extensions: bool,
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A known key.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) merge: Merge,
    pub(crate) index: Index,
    pub(crate) presence: Presence,
    pub(crate) standing: Standing,
    /// What it does here, when that is not what everybody expects.
    pub(crate) note: &'static str,
    /// Values that stand otherwise.
    pub(crate) cases: &'static [&'static Case],
    pub(crate) long: Option<Long>,
}

/// Turns a value into its long form.
pub(crate) type Long = fn(Node, &str) -> Result<Node, Diagnostics>;

/// How a later value meets an earlier one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// Mappings key by key, lists one after the other, anything else replaced.
    Deep,
    /// Replaced.
    Replace,
    /// As lists of `KEY=value`.
    Sequence,
    /// As lists, without what is already there.
    Hosts,
    /// By service.
    Dependencies,
    /// By name.
    Names,
    /// A text is the context.
    Build,
    /// Options belong to their driver.
    Logging,
    /// By subnet.
    Pools,
}

/// What makes an element of a list the same as another: the later one then takes its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    None,
    /// What stands before `=`.
    Key,
    /// The path in the container of a volume.
    Mount,
    /// The path in the container of a device.
    Device,
    /// The path in the container, beneath this one unless absolute.
    File(&'static str),
    Port,
    /// The value itself.
    Value,
    /// The path of an env file.
    Path,
}

/// Whether an empty value is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Only when it says something.
    OmitEmpty,
    /// When it is written, even as zero.
    Written,
    /// Only when it is false.
    UnlessTrue,
    /// Always, as an empty mapping if need be.
    Always,
    /// Always, as null if need be.
    Nullable,
}

/// What Landfast makes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does what it does with Compose.
    Honoured,
    /// Read, without effect; why.
    Ignored(&'static str),
    /// Not deployed; why, or what to write instead.
    Refused(&'static str),
}

/// Values of an honoured key that are not.
#[derive(Debug, PartialEq, Eq)]
pub struct Case {
    /// Which ones.
    pub values: &'static str,
    /// Never [`Standing::Honoured`].
    pub standing: Standing,
}

impl Case {
    const fn ignored(values: &'static str, why: &'static str) -> Self {
        Self { values, standing: Standing::Ignored(why) }
    }

    const fn refused(values: &'static str, why: &'static str) -> Self {
        Self { values, standing: Standing::Refused(why) }
    }

    /// What is said of them.
    pub const fn why(&self) -> &'static str {
        match self.standing {
            Standing::Honoured => "",
            Standing::Ignored(why) | Standing::Refused(why) => why,
        }
    }
}

/// A key with the ordinary rules.
pub(crate) const fn key(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        merge: Merge::Deep,
        index: Index::None,
        presence: Presence::OmitEmpty,
        standing: Standing::Honoured,
        note: "",
        cases: &[],
        long: None,
    }
}

impl Field {
    pub(crate) const fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }

    pub(crate) const fn index(mut self, index: Index) -> Self {
        self.index = index;
        self
    }

    pub(crate) const fn presence(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    pub(crate) const fn written(self) -> Self {
        self.presence(Presence::Written)
    }

    pub(crate) const fn ignored(mut self, why: &'static str) -> Self {
        self.standing = Standing::Ignored(why);
        self
    }

    pub(crate) const fn refused(mut self, why: &'static str) -> Self {
        self.standing = Standing::Refused(why);
        self
    }

    pub(crate) const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    pub(crate) const fn but(mut self, cases: &'static [&'static Case]) -> Self {
        self.cases = cases;
        self
    }

    pub(crate) const fn long(mut self, long: Long) -> Self {
        self.long = Some(long);
        self
    }
}

/// What is done with a child: the child itself, its shape, its path and, in an object, its field.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&mut Node, &'static Shape, &str, Option<&'static Field>);

/// Visits each known child of a node.
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
