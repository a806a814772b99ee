//! Manifests. A manifest's digest is that of its encoding, so there is one encoding: entries in path order.

use landfast_agreement::digest;
use landfast_core::bundle::{Content, Entry, Manifest};
use landfast_proto::v1;
use prost::Message as _;

/// The bytes that travel.
pub fn encode_manifest(manifest: &Manifest) -> Vec<u8> {
    let entries = manifest.entries.iter().map(|(path, entry)| {
        let content = match &entry.content {
            Content::File { digest, size } => {
                v1::entry::Content::File(v1::File { digest: digest.clone(), size: *size })
            }
            Content::Link(target) => v1::entry::Content::Link(target.clone()),
            Content::Folder => v1::entry::Content::Folder(true),
        };
        v1::Entry { path: path.clone(), mode: entry.mode, content: Some(content) }
    });
    v1::Manifest { entries: entries.collect() }.encode_to_vec()
}

/// The manifest in these bytes, if it is one.
pub fn decode_manifest(bytes: &[u8]) -> Option<Manifest> {
    let message = v1::Manifest::decode(bytes).ok()?;
    let entries = message.entries.into_iter().map(|entry| {
        let content = match entry.content? {
            v1::entry::Content::File(file) => Content::File { digest: file.digest, size: file.size },
            v1::entry::Content::Link(target) => Content::Link(target),
            v1::entry::Content::Folder(_) => Content::Folder,
        };
        Some((entry.path, Entry { mode: entry.mode, content }))
    });
    Some(Manifest { entries: entries.collect::<Option<_>>()? })
}

/// The bundle's name.
pub fn manifest_digest(encoded: &[u8]) -> String {
    digest(encoded).into()
}

#[cfg(test)]
mod tests {
    use landfast_core::bundle::{Content, Entry, Manifest};

    use super::{decode_manifest, encode_manifest};

    #[test]
    fn a_manifest_comes_back_from_the_wire_as_it_was() {
        let file = Content::File { digest: "ab".to_owned(), size: 2 };
        let contents = [("a/b", file), ("empty", Content::Folder), ("link", Content::Link("a/b".to_owned()))];
        let entry = |(path, content): (&str, Content)| (path.to_owned(), Entry { mode: 0o644, content });
        let manifest = Manifest { entries: contents.map(entry).into_iter().collect() };
        assert_eq!(decode_manifest(&encode_manifest(&manifest)), Some(manifest));
        assert_eq!(decode_manifest(b"no message"), None);
    }
}
