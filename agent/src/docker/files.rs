//! Puts files into a container before its start. They are sent as an archive over the engine's socket, so their contents
//! are in no argument and on no disk except the container's own.

use std::borrow::Cow;

use bollard::query_parameters::UploadToContainerOptions;

use super::{Engine, EngineError, LONG};
use crate::wire;

/// A file to put into a container, with its contents.
pub(crate) struct PlacedContents<'a> {
    pub(crate) file: &'a wire::PlacedFile,
    pub(crate) contents: Cow<'a, [u8]>,
}

impl Engine {
    /// Puts files into a container that does not run. Existing files with their names are replaced.
    pub(crate) async fn put_files(&self, container: &str, files: &[PlacedContents<'_>]) -> Result<(), EngineError> {
        let archive = archive(files).map_err(EngineError::Archive)?;
        let options = UploadToContainerOptions { path: "/".to_owned(), ..UploadToContainerOptions::default() };
        let upload = self.client()?.upload_to_container(container, Some(options), bollard::body_full(archive.into()));
        self.within(LONG, upload).await
    }
}

/// Builds an archive of the files alone. The engine creates the folders above them if they are missing, and leaves existing
/// ones as they are.
fn archive(files: &[PlacedContents<'_>]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for PlacedContents { file, contents } in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(file.uid.into());
        header.set_gid(file.gid.into());
        archive.append_data(&mut header, file.target.trim_start_matches('/'), contents.as_ref())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn placed<'a>(file: &'a wire::PlacedFile, contents: &'a [u8]) -> PlacedContents<'a> {
        PlacedContents { file, contents: contents.into() }
    }

    #[test]
    fn each_file_is_in_the_archive_as_it_is_to_be_in_the_container() {
        let key = wire::PlacedFile {
            target: "/run/secrets/key".to_owned(),
            mode: 0o400,
            uid: 70,
            gid: 71,
            ..wire::PlacedFile::default()
        };
        let long = wire::PlacedFile {
            target: format!("/{}conf", "deep/".repeat(60)),
            mode: 0o444,
            ..wire::PlacedFile::default()
        };
        let bytes = archive(&[placed(&key, b"hunter2\n"), placed(&long, b"")]).expect("in memory");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().expect("an archive").map(|entry| entry.expect("whole"));

        let mut first = entries.next().expect("two");
        let header = first.header();
        assert_eq!((header.mode().ok(), header.uid().ok(), header.gid().ok()), (Some(0o400), Some(70), Some(71)));
        assert_eq!(first.path().expect("is text").to_str(), Some("run/secrets/key"));
        let mut contents = String::new();
        first.read_to_string(&mut contents).expect("is text");
        assert_eq!(contents, "hunter2\n");
        drop(first);
        let second = entries.next().expect("two");
        assert_eq!(second.path().expect("is text").to_str(), long.target.strip_prefix('/'));
        assert!(entries.next().is_none());
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        let file = wire::PlacedFile { target: "/../etc/passwd".to_owned(), ..wire::PlacedFile::default() };
        assert!(archive(&[placed(&file, b"")]).is_err());
    }
}
