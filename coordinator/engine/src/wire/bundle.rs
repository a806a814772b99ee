//! Encoding of manifests. The digest of a manifest is that of its encoding, so the encoding is unique: entries are in
//! path order.

use landfast_agreement::digest;
use landfast_core::bundle::{Content, Entry, Manifest};
use landfast_proto::v1;
use prost::Message as _;

/// Encodes a manifest.
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

/// Decodes a manifest. Returns `None` for invalid bytes.
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

/// The digest of an encoded manifest, which identifies the bundle.
pub fn manifest_digest(encoded: &[u8]) -> String {
    digest(encoded).into()
}

#[cfg(test)]
mod tests {
    use landfast_core::bundle::{Content, Entry, Manifest};

    use super::{decode_manifest, encode_manifest};

    #[test]
    fn a_manifest_survives_encoding() {
        let file = Content::File { digest: "ab".to_owned(), size: 2 };
        let contents = [("a/b", file), ("empty", Content::Folder), ("link", Content::Link("a/b".to_owned()))];
        let entry = |(path, content): (&str, Content)| (path.to_owned(), Entry { mode: 0o644, content });
        let manifest = Manifest { entries: contents.map(entry).into_iter().collect() };
        assert_eq!(decode_manifest(&encode_manifest(&manifest)), Some(manifest));
        assert_eq!(decode_manifest(b"no message"), None);
    }
}
