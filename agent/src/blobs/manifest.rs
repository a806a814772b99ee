//! Decodes a [`Manifest`], with limits. A manifest that is refused here never reaches the disk.

use landfast_agent_core::tree::{Content, Digest, Entry, Invalid, LinkTarget, Manifest, Mode, TreePath};
use landfast_proto::v1;
use prost::Message;

/// Maximum number of paths in a bundle.
const ENTRIES_MAX: usize = 250_000;
/// Tag of `Manifest.entries` on the wire: field 1, length-delimited. The message has no other field.
const ENTRY_TAG: u8 = 1 << 3 | 2;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("it contains something other than entries: it comes from a newer Landfast, or is not a manifest")]
    Unknown,
    #[error("it cannot be decoded")]
    Encoding(#[from] prost::DecodeError),
    #[error("it has more than {ENTRIES_MAX} entries")]
    TooMany,
    #[error("{0} has no content")]
    Empty(String),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// Decodes a manifest entry by entry, so that ten million entries of two bytes cannot take a hundred bytes of memory each.
pub(super) fn decode(mut bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let mut entries = Vec::new();
    while let Some((&tag, rest)) = bytes.split_first() {
        if tag != ENTRY_TAG {
            return Err(ManifestError::Unknown);
        }
        if entries.len() == ENTRIES_MAX {
            return Err(ManifestError::TooMany);
        }
        bytes = rest;
        entries.push(entry(v1::Entry::decode_length_delimited(&mut bytes)?)?);
    }
    Ok(Manifest::new(entries)?)
}

fn entry(entry: v1::Entry) -> Result<(TreePath, Entry), ManifestError> {
    use v1::entry::Content as Wire;
    let path = TreePath::parse(&entry.path).map_err(Invalid::from)?;
    let content = match entry.content {
        Some(Wire::File(file)) => {
            Content::File { digest: Digest::parse(&file.digest).map_err(Invalid::from)?, size: file.size }
        }
        Some(Wire::Link(target)) => Content::Link(LinkTarget::parse(&path, &target)?),
        Some(Wire::Folder(_)) => Content::Folder,
        None => return Err(ManifestError::Empty(entry.path)),
    };
    Ok((path, Entry { mode: mode(&entry.path, entry.mode, &content)?, content }))
}

/// Checks the mode of an entry. A link has no mode of its own, so the mode of its entry is ignored.
fn mode(path: &str, mode: u32, content: &Content) -> Result<Mode, Invalid> {
    if matches!(content, Content::Link(_)) { Ok(Mode::FOLDER) } else { Mode::parse(path, mode) }
}
