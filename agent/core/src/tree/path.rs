//! A path inside a bundle: relative, plain, and safe to print. No other string becomes a path on the disk.

use std::fmt;

/// Length of the longest name that Linux file systems accept, in bytes.
const NAME_MAX: usize = 255;
/// Length of the longest path, in bytes. It leaves room for the state folder under the kernel's limit of 4096.
const PATH_MAX: usize = 3072;
/// Maximum depth of a path. It is more than real folders have, and it limits how many folders a manifest can imply.
const DEPTH_MAX: usize = 64;

/// A relative path with `/` between its parts. No part is empty, `.` or `..`, and none has control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreePath(String);

/// Error of parsing a string that is not a [`TreePath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} {why}")]
pub struct InvalidPath {
    /// The string as it was received. It must be escaped when it is printed.
    pub path: String,
    /// What is wrong with the string.
    pub why: &'static str,
}

impl TreePath {
    /// Checks a string from a manifest.
    ///
    /// # Errors
    ///
    /// [`InvalidPath`] says what is wrong with the string.
    pub fn parse(path: &str) -> Result<Self, InvalidPath> {
        match fault(path) {
            None => Ok(Self(path.to_owned())),
            Some(why) => Err(InvalidPath { path: path.to_owned(), why }),
        }
    }

    /// Returns the path as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Returns the folder that the path is in; `None` for the root of the tree.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Iterates over every folder above the path, nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether the path is in `folder`, at any depth.
    #[must_use]
    pub fn is_beneath(&self, folder: &Self) -> bool {
        self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns how many folders are above the path.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.matches('/').count()
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.len() > PATH_MAX {
        return Some("is longer than 3072 bytes");
    }
    if path.starts_with('/') {
        return Some("is absolute");
    }
    if path.chars().any(char::is_control) {
        return Some("has a control character in it");
    }
    if path.split('/').count() > DEPTH_MAX {
        return Some("has more than 64 parts");
    }
    path.split('/').find_map(part_fault)
}

fn part_fault(part: &str) -> Option<&'static str> {
    match part {
        "" => Some("has an empty part"),
        "." | ".." => Some("has a `.` or `..` part"),
        _ if part.len() > NAME_MAX => Some("has a part longer than 255 bytes"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t16_a_path_that_could_leave_the_tree_or_garble_a_terminal_is_refused() {
        let long_name = "a".repeat(256);
        let long_path = "a/".repeat(2000) + "a";
        let deep_path = "a/".repeat(64) + "a";
        for path in [
            "",
            "/",
            "/etc/passwd",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "./a",
            "a/.",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            "a\x1b[2J",
            "a\u{7f}",
            "a\u{9b}31m",
            &long_name,
            &long_path,
            &deep_path,
        ] {
            let refusal = TreePath::parse(path).expect_err(path);
            assert!(!refusal.to_string().chars().any(char::is_control), "{path:?} garbles its own refusal");
        }
    }

    #[test]
    fn ordinary_and_odd_but_harmless_paths_are_taken() {
        for path in ["a", "a/b", "...", "..a", "a..", ".env", "a b", "Ünï/çødé", "-rf", "a\\b", "conf.d/10-x.conf"]
        {
            assert_eq!(TreePath::parse(path).expect(path).as_str(), path);
        }
    }

    #[test]
    fn a_path_knows_its_folders() {
        let path = TreePath::parse("a/b/c").expect("a path");
        assert_eq!(path.ancestors().map(|p| p.to_string()).collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!((path.name(), path.depth()), ("c", 2));
        let sibling = TreePath::parse("a/bc").expect("a path");
        assert!(!sibling.is_beneath(&TreePath::parse("a/b").expect("a path")));
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_beneath_the_root(path in "[a./\\\\ \u{0}-\u{20}]{0,12}|\\PC{0,20}") {
            if let Ok(path) = TreePath::parse(&path) {
                let parts = std::path::Path::new(path.as_str()).components().collect::<Vec<_>>();
                prop_assert!(parts.iter().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(parts.len(), path.depth() + 1);
            }
        }
    }
}
