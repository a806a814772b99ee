//! Every kind of source, existing or not, with and without permission to create it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use super::*;

/// A folder with one object of each kind, and a socket with a listener.
struct Place {
    folder: tempfile::TempDir,
    _socket: UnixListener,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").expect("written");
        fs::create_dir(at("folder")).expect("made");
        let socket = UnixListener::bind(at("socket")).expect("bound");
        for (target, link) in [("file", "to-file"), ("socket", "to-socket"), ("folder", "to-folder")] {
            symlink(target, at(link)).expect("linked");
        }
        symlink("/dev/null", at("to-device")).expect("linked");
        symlink("nothing", at("to-nothing")).expect("linked");
        Place { folder, _socket: socket }
    }

    fn at(&self, name: &str) -> PathBuf {
        if name.starts_with('/') { name.into() } else { self.folder.path().join(name) }
    }

    /// Prepares a source and returns the result, without the path of the folder.
    fn prepared(&self, name: &str, create: bool) -> String {
        let message = match prepare(&self.at(name), create) {
            Ok(()) => "ready".to_owned(),
            Err(error) => error.to_string(),
        };
        message.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

#[test]
fn what_is_there_is_mounted_as_it_is_with_leave_to_make_it_or_without() {
    let place = Place::new();
    for name in ["file", "folder", "socket", "/dev/null", "to-file", "to-socket", "to-folder", "to-device"] {
        let before = fs::symlink_metadata(place.at(name)).expect("there").file_type();
        for create in [true, false] {
            assert_eq!(place.prepared(name, create), "ready", "{name}, create {create}");
        }
        assert_eq!(fs::symlink_metadata(place.at(name)).expect("there").file_type(), before, "{name}");
    }
}

#[test]
fn what_is_missing_is_made_a_folder_with_its_parents_where_that_is_allowed() {
    let place = Place::new();
    for name in ["missing", "deep/er/still", "to-folder/inside"] {
        let message = place.prepared(name, false);
        assert_eq!(
            message,
            format!("{name} does not exist, and the mount does not allow it to be created: create it on the host")
        );
        assert!(!place.at(name).exists(), "{name} was made all the same");
        assert_eq!(place.prepared(name, true), "ready");
    }
    for name in ["missing", "deep", "deep/er", "deep/er/still", "folder/inside"] {
        let mode = fs::metadata(place.at(name)).expect("made").permissions().mode() & 0o777;
        assert_eq!(mode, 0o755, "{name}");
    }
}

#[test]
fn what_cannot_be_made_says_what_is_in_the_way() {
    let place = Place::new();
    for (name, message) in [
        ("to-nothing", "to-nothing is a link to nothing, which is missing"),
        ("to-nothing/inside", "to-nothing is a link to nothing, which is missing"),
        ("file/inside", "file/inside cannot be created: file is not a folder"),
        ("socket/deep/inside", "socket/deep/inside cannot be created: socket is not a folder"),
    ] {
        for create in [true, false] {
            assert_eq!(place.prepared(name, create), message);
        }
        assert_eq!(prepare(&place.at(name), true).expect_err("impossible").severity(), Severity::Final);
    }
}

#[test]
fn kinds_are_distinguished() {
    let place = Place::new();
    let message = |name: &str| format!("{:?}", examine(&place.at(name)));
    for (name, kind) in [
        ("file", "Other(File)"),
        ("to-socket", "Other(Socket)"),
        ("to-device", "Other(Device)"),
        ("to-folder", "Folder"),
        ("missing", "Missing"),
    ] {
        assert_eq!(message(name), kind, "{name}");
    }
}

#[test]
fn only_a_full_disk_is_tried_again() {
    let failed = |kind: ErrorKind| SourceError::NotMade { path: "/srv/x".into(), source: kind.into() };
    assert_eq!(failed(ErrorKind::StorageFull).severity(), Severity::Counted);
    assert_eq!(failed(ErrorKind::PermissionDenied).severity(), Severity::Final);
}
