//! Sends a folder to a builder: first all entries in order, then the contents of the files that the builder requests.
//!
//! The protocol is BuildKit's `fsutil`: a STAT packet for each entry and an empty one at the end, REQ packets with the
//! index of an entry, DATA packets with the contents and an empty one at the end of each file, and FIN from both sides.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use landfast_core::bundle::{EnvFiles, IgnoreRules};
use landfast_core::image_build::{ContextPaths, context_paths};
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};

use super::folder::{self, Entry, Kind};

/// Number of buffered packets.
pub(super) const PACKETS: usize = 16;
/// Maximum size of the data in a packet, in bytes.
const CHUNK: usize = 64 * 1024;

/// A folder that the builder may request by name.
#[derive(Debug, Clone)]
pub(super) enum Folder {
    /// A folder on this machine, without the env files of other environments.
    Disk { root: PathBuf, env_files: EnvFiles },
    /// Generated files, keyed by path.
    Files(Arc<BTreeMap<String, Vec<u8>>>),
}

/// A builder's request for a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FolderRequest {
    pub(super) name: String,
    /// Patterns of paths to leave out, as in `.dockerignore`.
    exclude: Vec<String>,
    follow: ContextPaths,
}

impl FolderRequest {
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        let name = values(metadata, "dir-name").into_iter().next().unwrap_or_default();
        let exclude = values(metadata, "exclude-patterns");
        Self { name, exclude, follow: context_paths(&values(metadata, "followpaths")) }
    }
}

/// Values of a metadata key. Values with characters outside ASCII are percent-encoded like a URL's query, which a
/// second key announces.
fn values(metadata: &MetadataMap, key: &str) -> Vec<String> {
    let is_encoded =
        metadata.get(format!("{key}-encoded")).is_some_and(|value| matches!(value.as_bytes(), b"1" | b"true"));
    let all = metadata.get_all(key).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    all.map(|value| if is_encoded { decode(&value) } else { value }).collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

type Packets = mpsc::Sender<Result<Packet, Status>>;

/// Sends the folder until the builder ends the transfer. An error is sent as the last item of the stream.
pub(super) async fn send(folder: Folder, request: FolderRequest, requests: Streaming<Packet>, packets: Packets) {
    if let Err(status) = try_send(folder, request, requests, &packets).await {
        // The receiver is dropped if the build has already failed.
        packets.send(Err(status)).await.ok();
    }
}

async fn try_send(
    folder: Folder,
    request: FolderRequest,
    mut requests: Streaming<Packet>,
    packets: &Packets,
) -> Result<(), Status> {
    let listing = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || list(&folder, &request)
    });
    let entries = listing.await.map_err(|error| Status::internal(error.to_string()))??;
    let entries = Arc::new(entries);
    // The builder requests files while it still receives entries, so both run concurrently.
    let (requested, files) = mpsc::unbounded_channel();
    let sending = tokio::task::spawn_blocking({
        let (entries, packets) = (Arc::clone(&entries), packets.clone());
        move || {
            if let Err(status) = contents(&folder, &entries, files, &packets) {
                // The builder waits for these contents, so the error is sent at once. The receiver may be dropped.
                packets.blocking_send(Err(status)).ok();
            }
        }
    });
    let sending_entries = async {
        for entry in entries.iter() {
            send_packet(packets, packet(PacketType::PacketStat, Some(stat(entry)))).await?;
        }
        send_packet(packets, packet(PacketType::PacketStat, None)).await
    };
    let receiving = async {
        while let Some(packet) = requests.message().await? {
            match packet.r#type() {
                PacketType::PacketReq => drop(requested.send(packet.id)),
                PacketType::PacketFin => return Ok(true),
                PacketType::PacketErr => return Ok(false),
                PacketType::PacketStat | PacketType::PacketData => {}
            }
        }
        Ok::<_, Status>(false)
    };
    let ((), is_done) = tokio::try_join!(sending_entries, receiving)?;
    drop(requested);
    sending.await.map_err(|error| Status::internal(error.to_string()))?;
    if is_done {
        send_packet(packets, packet(PacketType::PacketFin, None)).await?;
    }
    Ok(())
}

async fn send_packet(packets: &Packets, packet: Packet) -> Result<(), Status> {
    packets.send(Ok(packet)).await.map_err(|_| Status::cancelled("the build has ended"))
}

fn list(folder: &Folder, request: &FolderRequest) -> Result<Vec<Entry>, Status> {
    match folder {
        Folder::Disk { root, env_files } => {
            let rules = IgnoreRules::of_patterns(&request.exclude, env_files.clone()).map_err(|mistake| {
                Status::failed_precondition(format!(".dockerignore of {}: {mistake}", root.display()))
            })?;
            let listing = folder::list(root, &rules, &request.follow);
            Ok(listing.map_err(|error| Status::failed_precondition(error.with_cause()))?.entries)
        }
        Folder::Files(files) => Ok(files.iter().map(|(name, contents)| file(name, contents)).collect()),
    }
}

fn file(name: &str, contents: &[u8]) -> Entry {
    Entry { path: name.to_owned(), kind: Kind::File, mode: 0o644, size: contents.len() as u64, changed: 0 }
}

/// Sends the contents of the requested files, one after another. Blocks.
fn contents(
    folder: &Folder,
    entries: &[Entry],
    mut requested: mpsc::UnboundedReceiver<u32>,
    packets: &Packets,
) -> Result<(), Status> {
    while let Some(id) = requested.blocking_recv() {
        let entry = usize::try_from(id).ok().and_then(|at| entries.get(at));
        let entry = entry.ok_or_else(|| Status::invalid_argument("no entry with this index"))?;
        let send = |data: Vec<u8>| {
            let packet = Packet { id, data, ..packet(PacketType::PacketData, None) };
            packets.blocking_send(Ok(packet)).map_err(|_| Status::cancelled("the build has ended"))
        };
        match folder {
            Folder::Files(files) => {
                for chunk in files.get(&entry.path).map_or(&[][..], Vec::as_slice).chunks(CHUNK) {
                    send(chunk.to_vec())?;
                }
            }
            Folder::Disk { root, .. } => {
                let path = root.join(&entry.path);
                let unreadable =
                    |error: std::io::Error| Status::failed_precondition(format!("{}: {error}", path.display()));
                let mut file = std::fs::File::open(&path).map_err(unreadable)?;
                loop {
                    let mut chunk = Vec::with_capacity(CHUNK);
                    file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk).map_err(unreadable)?;
                    if chunk.is_empty() {
                        break;
                    }
                    send(chunk)?;
                }
            }
        }
        send(Vec::new())?;
    }
    Ok(())
}

fn packet(kind: PacketType, stat: Option<Stat>) -> Packet {
    Packet { r#type: kind.into(), stat, ..Packet::default() }
}

/// Converts an entry to a STAT. The owner is omitted, because local owners have no meaning in an image.
fn stat(entry: &Entry) -> Stat {
    let linkname = if let Kind::Link(target) = &entry.kind { target.clone() } else { String::new() };
    Stat {
        path: entry.path.clone(),
        mode: mode(entry),
        size: i64::try_from(entry.size).unwrap_or(i64::MAX),
        mod_time: entry.changed,
        linkname,
        ..Stat::default()
    }
}

/// Converts the permissions to Go's `fs.FileMode`.
fn mode(entry: &Entry) -> u32 {
    let kind = match entry.kind {
        Kind::File => 0,
        Kind::Folder => 1 << 31,
        Kind::Link(_) => 1 << 27,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.iter().filter(|(unix, _)| entry.mode & unix != 0).map(|(_, go)| go).sum::<u32>();
    kind | special | (entry.mode & 0o777)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn encoded_and_plain_metadata_is_decoded() {
        let mut metadata = MetadataMap::new();
        metadata.insert("dir-name", "context".parse().expect("a value"));
        metadata.append("exclude-patterns", "%C3%A9+x".parse().expect("a value"));
        metadata.append("exclude-patterns", "100%25".parse().expect("a value"));
        metadata.insert("exclude-patterns-encoded", "1".parse().expect("a value"));
        metadata.insert("followpaths", "a%2Bb".parse().expect("a value"));
        let request = FolderRequest::of(&metadata);
        assert_eq!(request.name, "context");
        assert_eq!(request.exclude, ["é x", "100%"]);
        assert_eq!(request.follow, ContextPaths::Paths(BTreeSet::from(["a%2Bb".to_owned()])));
    }

    #[test]
    fn a_mode_is_converted_to_go() {
        let entry = |kind, mode| Entry { path: "p".to_owned(), kind, mode, size: 0, changed: 0 };
        assert_eq!(mode(&entry(Kind::File, 0o4755)), (1 << 23) | 0o755);
        assert_eq!(mode(&entry(Kind::Folder, 0o1777)), (1 << 31) | (1 << 20) | 0o777);
        assert_eq!(mode(&entry(Kind::Link("x".to_owned()), 0o777)), (1 << 27) | 0o777);
    }
}
