//! The keys of a Compose file, and the vocabulary that describes them.
//!
//! One table describes each key: the forms of its value, how two values merge, what identifies the elements of a list, the
//! long form, whether an empty value is printed, and whether Landfast supports the key.
mod field;
pub mod keys;
mod listing;
mod shape;
mod support;
pub(crate) mod unsupported;
pub(crate) mod validate;
mod walk;

pub(crate) use field::{
    ANY, Field, Index, Keys, Merge, NUMBER_ONLY, Number, Object, Presence, Shape, TEXT_ONLY, Unique, WHOLE, key,
};
pub use listing::{Key, keys};
pub use support::{Case, Support};
pub(crate) use walk::for_each_child;
