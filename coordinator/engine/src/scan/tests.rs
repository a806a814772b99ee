//! Tests of scans of temporary folders.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use landfast_agreement::limits::BLOB_MAX;
use landfast_core::bundle::Content;

use super::walk::Found;
use super::{Changed, ScanError, bundle, scan, until_stable};
use crate::Hint as _;

#[test]
fn a_bundle_names_files_links_and_empty_folders_and_has_the_same_digest_each_time() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("etc/empty")).expect("a folder");
    fs::write(root.path().join("etc/app.conf"), "port=1\n").expect("a file");
    fs::write(root.path().join("run.sh"), "").expect("a file");
    fs::set_permissions(root.path().join("run.sh"), fs::Permissions::from_mode(0o755)).expect("a mode");
    symlink("etc/app.conf", root.path().join("conf")).expect("a link");

    let bundle = scan(root.path(), None).expect("a bundle");
    let paths = bundle.manifest.entries.keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(paths, ["conf", "etc/app.conf", "etc/empty", "run.sh"]);
    assert_eq!(bundle.manifest.entries["run.sh"].mode, 0o755);
    assert_eq!(bundle.manifest.entries["etc/empty"].content, Content::Folder);
    let digest = blake3::hash(b"port=1\n").to_hex().to_string();
    assert_eq!(bundle.manifest.entries["etc/app.conf"].content, Content::File { digest: digest.clone(), size: 7 });
    assert_eq!(bundle.files[&digest], root.path().join("etc/app.conf"));
    assert_eq!(bundle.digest, scan(root.path(), None).expect("a bundle").digest);
}

#[test]
fn the_local_state_is_never_part_of_a_bundle() {
    let root = tempfile::tempdir().expect("a folder");
    for folder in [".landfast/authority", "fleet/.landfast/authority"] {
        fs::create_dir_all(root.path().join(folder)).expect("a folder");
        fs::write(root.path().join(folder).join("ca-key.pem"), "secret").expect("a file");
    }
    fs::write(root.path().join(".landfastignore"), "!.landfast\n").expect("a file");
    let bundle = scan(root.path(), None).expect("a bundle");
    assert!(bundle.manifest.entries.keys().all(|path| !path.contains(".landfast/")), "{bundle:?}");
}

#[test]
fn an_invalid_pattern_is_refused() {
    let root = tempfile::tempdir().expect("a folder");
    fs::write(root.path().join(".dockerignore"), "# keys\n[*.pem\n").expect("a file");
    let error = scan(root.path(), None).expect_err("an invalid pattern").to_string();
    assert!(error.contains("/.dockerignore:2: `[*.pem`: "), "{error}");
}

#[test]
fn t16_links_out_of_the_folder_devices_and_set_uid_files_are_refused_by_name() {
    let refusal = |make: &dyn Fn(&Path)| {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("etc")).expect("a folder");
        make(&root.path().join("etc/bad"));
        let error = scan(root.path(), None).expect_err("a refusal");
        assert!(matches!(error, ScanError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("etc/bad"), "{error}");
    };
    refusal(&|path| symlink("/etc/passwd", path).expect("a link"));
    refusal(&|path| symlink("../../x", path).expect("a link"));
    refusal(&|path| {
        fs::write(path, "").expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o4755)).expect("a mode");
    });
    refusal(&|path| drop(std::os::unix::net::UnixListener::bind(path).expect("a socket")));
}

#[test]
fn f51_a_changing_folder_is_scanned_three_times_at_most() {
    let root = Path::new("/stack");
    let mut changes = 2;
    let mut attempt = || {
        changes -= 1;
        Ok(if changes >= 0 { Err(Changed(root.join("log"))) } else { Ok("stable") })
    };
    assert_eq!(until_stable(root, &mut attempt).expect("a stable folder"), "stable");
    let error = until_stable::<()>(root, || Ok(Err(Changed(root.join("log"))))).expect_err("a refusal");
    assert_eq!(error.to_string(), "/stack/log changed during each of 3 attempts to read it");
}

#[test]
fn f51_a_replaced_file_has_changed() {
    let root = tempfile::tempdir().expect("a folder");
    fs::write(root.path().join("other"), "x").expect("a file");
    // The link's target is read, but the path itself is a link.
    symlink("other", root.path().join("file")).expect("a link");
    let changed = super::hash::all(root.path(), &["file", "other"]).expect("readable").expect_err("a change");
    assert_eq!(changed, root.path().join("file"));
}

#[test]
fn a_file_that_no_agent_accepts_is_refused_without_reading_it() {
    let root = tempfile::tempdir().expect("a folder");
    let file = fs::File::create(root.path().join("disk.img")).expect("a file");
    file.set_len(BLOB_MAX + 1).expect("a sparse file");
    let refused = scan(root.path(), None).expect_err("it is too large");
    assert!(matches!(&refused, ScanError::FileTooLarge { path } if path.ends_with("disk.img")), "{refused}");
    assert!(refused.hint().expect("a hint").contains(".landfastignore"));
}

#[test]
fn a_bundle_whose_manifest_no_agent_accepts_is_refused() {
    let link = |number: usize| (format!("{number}"), Found::Link { target: "a".repeat(4_000) });
    let list = |count: usize| bundle(Path::new("/srv/app"), (0..count).map(link).collect(), &BTreeMap::new());
    assert!(list(8_000).is_ok(), "32 MB are fewer than 32 MiB");
    let refused = list(9_000).expect_err("36 MB are more than 32 MiB");
    let message = "the list of the 9000 files of /srv/app is larger than 32 MiB, which no agent accepts";
    assert_eq!(refused.to_string(), message);
}
