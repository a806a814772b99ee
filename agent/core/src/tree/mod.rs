//! Decides how the live tree of a stack becomes its bundle: which files are written, which are deleted, and which stay
//! because they were changed on the host.
//!
//! The caller surveys the disk ([`Found`]) and carries out the [`Step`]s; every change of a file is decided here. The
//! rules: a file is deleted only if an earlier bundle brought it and it is unchanged since; other files are never touched;
//! a file that was changed on the host is never overwritten.

mod manifest;
mod path;
mod plan;

pub use landfast_agreement::Digest;
pub use manifest::{Content, Entry, Invalid, LinkTarget, Manifest, Mode};
pub use path::{InvalidPath, TreePath};
pub use plan::{Conflict, Found, Plan, Step, Survey, drift, plan, survey_paths};
