//! The keys of a Compose file, and the vocabulary that describes them.
//!
//! One table drives everything: the types a key takes, how two values of it merge, what makes its elements unique, its
//! long form, whether an empty value is printed, and whether Landfast supports it.
mod field;
pub mod keys;
mod listing;
mod shape;
mod support;
pub(crate) mod unsupported;
pub(crate) mod validate;
mod walk;

pub(crate) use field::{
    BARE, Field, Index, Keys, LOOSE, Merge, Number, Object, Presence, Shape, Unique, WHOLE, WRITTEN, key,
};
pub use listing::{Key, keys};
pub use support::{Case, Support};
pub(crate) use walk::for_each_child;
