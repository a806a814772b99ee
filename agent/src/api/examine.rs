//! Implements Examine: what is at the sources of mounts, so that a plan can report what will not work.

use std::path::Path;

use tonic::Status;

use crate::error_text::in_one_line;
use crate::sources::{self, Found, Kind};
use crate::tree::Trees;
use crate::wire::{ExaminedSource, MountSource, examined_source, mount_source};

/// Maximum number of sources in one call.
const SOURCES_MAX: usize = 10_000;

/// Examines every source, in order. Blocks.
pub(super) fn examine(trees: &Trees, asked: &[MountSource]) -> Result<Vec<ExaminedSource>, Status> {
    if asked.len() > SOURCES_MAX {
        return Err(Status::invalid_argument(format!(
            "the request has {} sources; the limit is {SOURCES_MAX}",
            asked.len()
        )));
    }
    asked.iter().map(|source| one(trees, source)).collect()
}

fn one(trees: &Trees, source: &MountSource) -> Result<ExaminedSource, Status> {
    let found = match &source.place {
        Some(mount_source::Place::Host(path)) if Path::new(path).is_absolute() => sources::examine(Path::new(path)),
        Some(mount_source::Place::Host(path)) => {
            return Err(Status::invalid_argument(format!("{path:?} is not an absolute path")));
        }
        Some(mount_source::Place::Tree(tree)) => {
            trees.examine(&tree.stack, &tree.path).map_err(|error| Status::invalid_argument(in_one_line(&error)))?
        }
        None => return Err(Status::invalid_argument("a source has no path")),
    };
    Ok(examined(&found))
}

fn examined(found: &Found) -> ExaminedSource {
    use examined_source::Kind as Wire;
    let (kind, problem) = match found {
        Found::Folder => (Wire::Folder, String::new()),
        Found::Other(Kind::File) => (Wire::File, String::new()),
        Found::Other(Kind::Socket) => (Wire::Socket, String::new()),
        Found::Other(Kind::Pipe) => (Wire::Pipe, String::new()),
        Found::Other(Kind::Device) => (Wire::Device, String::new()),
        Found::Missing => (Wire::Missing, String::new()),
        Found::Impossible(error) => (Wire::Impossible, in_one_line(error)),
    };
    ExaminedSource { kind: kind.into(), problem }
}
