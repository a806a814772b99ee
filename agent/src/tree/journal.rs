//! The journal beside a live tree: which bundle the tree is, or which one it is becoming. It is the only record that
//! survives a crash.

use std::fs;
use std::io;
use std::path::Path;

use landfast_agent_core::tree::Digest;

use super::TreeError;
use crate::durable;

const FILE: &str = "journal";

/// State of a live tree. It is saved as a whole, so what is read is always the last record that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    /// The tree is this bundle. `None` means that it holds no bundle.
    Settled(Option<Digest>),
    /// The tree is becoming `target`, and may hold files of all bundles in `brought`.
    Underway { brought: Vec<Digest>, target: Option<Digest> },
}

impl Default for Journal {
    fn default() -> Self {
        Self::Settled(None)
    }
}

impl Journal {
    /// Iterates over all bundles that may have left files in the tree.
    pub(super) fn brought(&self) -> impl Iterator<Item = &Digest> {
        let (settled, underway, target) = match self {
            Self::Settled(digest) => (digest.as_ref(), &[][..], None),
            Self::Underway { brought, target } => (None, &brought[..], target.as_ref()),
        };
        settled.into_iter().chain(underway).chain(target.filter(|target| !underway.contains(target)))
    }

    /// Returns the record to save before the first file changes.
    pub(super) fn towards(&self, target: Option<Digest>) -> Self {
        Self::Underway { brought: self.brought().cloned().collect(), target }
    }

    /// Reads the record; [`Journal::default`] if there is none.
    pub(super) fn load(folder: &Path) -> Result<Self, TreeError> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text).map_err(|why| TreeError::Journal { path, why }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(TreeError::Journal { path, why: "not text" })
            }
            Err(source) => Err(TreeError::Io { path, source }),
        }
    }

    /// Saves the record. It is durable when this returns.
    pub(super) fn save(&self, folder: &Path) -> Result<(), TreeError> {
        let path = folder.join(FILE);
        durable::replace(&path, &[self.print().as_bytes()]).map_err(TreeError::io(&path))
    }

    fn print(&self) -> String {
        let line =
            |word: &str, digest: Option<&Digest>| format!("{word} {}\n", digest.map_or("nothing", Digest::as_str));
        let body = match self {
            Self::Settled(digest) => line("is", digest.as_ref()),
            Self::Underway { brought, target } => {
                let brought = brought.iter().map(|digest| line("from", Some(digest)));
                brought.chain([line("to", target.as_ref())]).collect()
            }
        };
        let check = blake3::hash(body.as_bytes()).to_hex();
        format!("{body}check {check}\n")
    }
}

fn parse(text: &str) -> Result<Journal, &'static str> {
    let (body, check) = text.rsplit_once("check ").ok_or("cut off")?;
    if check.trim_end() != blake3::hash(body.as_bytes()).to_hex().as_str() {
        return Err("its checksum is wrong");
    }
    let mut brought = Vec::new();
    for line in body.lines() {
        let (word, digest) = line.split_once(' ').ok_or("a line without a digest")?;
        let digest = match digest {
            "nothing" => None,
            digest => Some(Digest::parse(digest).map_err(|_| "not a digest")?),
        };
        match word {
            "is" => return Ok(Journal::Settled(digest)),
            "from" => brought.extend(digest),
            "to" => return Ok(Journal::Underway { brought, target: digest }),
            _ => return Err("an unknown word"),
        }
    }
    Err("empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: &str) -> Digest {
        Digest::parse(&digit.repeat(64)).expect("a digest")
    }

    #[test]
    fn a_journal_is_read_as_it_was_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let underway = Journal::Settled(Some(digest("a"))).towards(Some(digest("b")));
        for journal in [Journal::default(), Journal::Settled(Some(digest("a"))), underway.towards(None), underway] {
            journal.save(folder.path()).expect("saved");
            assert_eq!(Journal::load(folder.path()).expect("loaded"), journal);
        }
    }

    #[test]
    fn a_tree_that_was_interrupted_twice_remembers_all_that_may_be_in_it() {
        let twice = Journal::Settled(Some(digest("a"))).towards(Some(digest("b"))).towards(Some(digest("c")));
        assert_eq!(twice.brought().cloned().collect::<Vec<_>>(), [digest("a"), digest("b"), digest("c")]);
        assert_eq!(twice.towards(Some(digest("c"))), twice.towards(Some(digest("c"))).towards(Some(digest("c"))));
    }

    #[test]
    fn f12_a_damaged_journal_is_refused_and_named() {
        let folder = tempfile::tempdir().expect("a folder");
        Journal::Settled(Some(digest("a"))).save(folder.path()).expect("saved");
        let path = folder.path().join(FILE);
        let good = fs::read(&path).expect("read");
        let mut flipped = good.clone();
        flipped[5] = b'b'; // Still a digest.
        let not_text = vec![0xff; 40];
        for bad in [&[][..], &good[..good.len() / 2], &flipped, &not_text] {
            fs::write(&path, bad).expect("written");
            let error = Journal::load(folder.path()).expect_err("refused").to_string();
            assert!(error.contains(&*path.to_string_lossy()), "{error}");
        }
    }
}
