//! Files that are complete after a crash: each has either its old or its new contents.

use std::io::{self, Write as _};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};

/// Creates a folder that only root can use, if it does not exist.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces the contents of a file atomically and durably. Only root can read the file, even while it is being written.
///
/// The new contents are written beside the file under a name that is always the same, so a crash leaves nothing that the
/// next write does not overwrite.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    for part in parts {
        out.write_all(part)?;
    }
    out.sync_all()?;
    fs_err::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Returns what follows the header and the digest of a file, if the digest matches.
pub(crate) fn body<'b>(bytes: &'b [u8], header: &[u8]) -> Option<&'b [u8]> {
    let rest = bytes.strip_prefix(header)?;
    let (digest, rest) = rest.split_at_checked(blake3::OUT_LEN * 2)?;
    let body = rest.strip_prefix(b"\n")?;
    (blake3::hash(body).to_hex().as_bytes() == digest).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_replaced_file_is_for_root_only_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state");
        std::fs::write(folder.path().join("state.new"), "of a write that was cut off").expect("written");
        for contents in ["first", "second"] {
            replace(&path, &[contents.as_bytes(), b"."]).expect("replaced");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), format!("{contents}."));
        }
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("missing").join("state");
        let error = replace(&path, &[b"x"]).expect_err("there is no such folder").to_string();
        assert!(error.contains("missing/state.new"), "{error}");
    }
}
