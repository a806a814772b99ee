//! Scans of folders made for the purpose.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use landfast_core::bundle::Content;

use super::{ScanError, scan};

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
fn the_state_beside_landfast_toml_never_travels() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join(".landfast/authority")).expect("a folder");
    fs::write(root.path().join(".landfast/authority/ca-key.pem"), "secret").expect("a file");
    fs::write(root.path().join(".landfastignore"), "!.landfast\n").expect("a file");
    let bundle = scan(root.path(), None).expect("a bundle");
    assert!(bundle.manifest.entries.keys().all(|path| !path.starts_with(".landfast/")), "{bundle:?}");
}

#[test]
fn t16_links_out_of_the_folder_devices_and_set_uid_files_are_refused_by_name() {
    let refusal = |make: &dyn Fn(&std::path::Path)| {
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
fn f51_a_file_that_never_rests_is_named_after_three_tries() {
    let root = tempfile::tempdir().expect("a folder");
    // Large enough that the writer gets in between the two looks at it.
    fs::write(root.path().join("unquiet.real"), vec![7; 64 << 20]).expect("a file");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut byte = 0_u8;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                byte = byte.wrapping_add(1);
                let file = fs::OpenOptions::new().write(true).open(root.path().join("unquiet.real")).expect("a file");
                std::os::unix::fs::FileExt::write_all_at(&file, &[byte], 0).expect("a write");
            }
        });
        let error = scan(root.path(), None);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        error.expect_err("a refusal")
    });
    assert!(matches!(&error, ScanError::Unquiet { path } if path.ends_with("unquiet.real")), "{error}");
}
