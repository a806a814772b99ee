//! Decides how a stack's live tree becomes its bundle: which files are written, which deleted, and which are left
//! because somebody changed them on the host.
//!
//! The shell looks at the disk ([`Found`]) and carries out [`Step`]s; everything it may do to a file is decided here.
//! The rules: a file is deleted only if an earlier bundle brought it and it is still as it was brought; what is beside
//! the bundle's files is never touched; a file changed on the host is never overwritten.

mod manifest;
mod path;
mod plan;

pub use manifest::{Content, Digest, Entry, Invalid, LinkTarget, Manifest, Mode};
pub use path::{InvalidPath, TreePath};
pub use plan::{Conflict, Found, Plan, Step, Survey, drift, plan, survey_paths};
