//! Sends a folder to a builder: first what is there, in order; then the contents of the files that it asks for.
//!
//! The protocol is `fsutil`'s, of BuildKit: STAT for each path and an empty one at the end, REQ with the place of a STAT,
//! DATA with the contents and an empty one at the end of the file, FIN from both.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use landfast_core::bundle::{EnvFiles, IgnoreRules};
use landfast_core::image_build::{ContextPaths, context_paths};
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};

use super::folder::{self, Entry, Kind};

/// Packets on their way.
pub(super) const PACKETS: usize = 16;
/// Bytes in one packet.
const CHUNK: usize = 64 * 1024;

/// What a builder may ask for by one name.
#[derive(Debug, Clone)]
pub(super) enum Folder {
    /// A folder of this machine, without the env files of other environments.
    Disk { root: PathBuf, env_files: EnvFiles },
    /// Files that are nowhere in this form.
    Files(Arc<BTreeMap<String, Vec<u8>>>),
}

/// What a builder asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) name: String,
    /// Patterns of paths that stay behind, as in `.dockerignore`.
    exclude: Vec<String>,
    follow: ContextPaths,
}

impl Asked {
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        let name = values(metadata, "dir-name").into_iter().next().unwrap_or_default();
        let exclude = values(metadata, "exclude-patterns");
        Self { name, exclude, follow: context_paths(&values(metadata, "followpaths")) }
    }
}

/// What is not plain ASCII is sent in the encoding of a URL's query, and a second key says so.
fn values(metadata: &MetadataMap, key: &str) -> Vec<String> {
    let is_encoded =
        metadata.get(format!("{key}-encoded")).is_some_and(|value| matches!(value.as_bytes(), b"1" | b"true"));
    let all = metadata.get_all(key).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    all.map(|value| if is_encoded { decode(&value) } else { value }).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let code = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.extend(code);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

type Packets = mpsc::Sender<Result<Packet, Status>>;

/// Sends until the builder has enough. A failure becomes the stream's last word.
pub(super) async fn send(folder: Folder, asked: Asked, requests: Streaming<Packet>, packets: Packets) {
    if let Err(status) = try_send(folder, asked, requests, &packets).await {
        // Nobody listens when the build has failed already.
        packets.send(Err(status)).await.ok();
    }
}

async fn try_send(
    folder: Folder,
    asked: Asked,
    mut requests: Streaming<Packet>,
    packets: &Packets,
) -> Result<(), Status> {
    let listing = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || list(&folder, &asked)
    });
    let entries = listing.await.map_err(|error| Status::internal(error.to_string()))??;
    let entries = Arc::new(entries);
    // It asks for files while it is still being told of others: neither waits for the other.
    let (wanted, files) = mpsc::unbounded_channel();
    let sending = tokio::task::spawn_blocking({
        let (entries, packets) = (Arc::clone(&entries), packets.clone());
        move || {
            if let Err(status) = contents(&folder, &entries, files, &packets) {
                // The builder waits for these contents: it has to be told now. It may be gone, too.
                packets.blocking_send(Err(status)).ok();
            }
        }
    });
    let telling = async {
        for entry in entries.iter() {
            say(packets, packet(PacketType::PacketStat, Some(stat(entry)))).await?;
        }
        say(packets, packet(PacketType::PacketStat, None)).await
    };
    let listening = async {
        while let Some(packet) = requests.message().await? {
            match packet.r#type() {
                PacketType::PacketReq => drop(wanted.send(packet.id)),
                PacketType::PacketFin => return Ok(true),
                PacketType::PacketErr => return Ok(false),
                PacketType::PacketStat | PacketType::PacketData => {}
            }
        }
        Ok::<_, Status>(false)
    };
    let ((), is_done) = tokio::try_join!(telling, listening)?;
    drop(wanted);
    sending.await.map_err(|error| Status::internal(error.to_string()))?;
    if is_done {
        say(packets, packet(PacketType::PacketFin, None)).await?;
    }
    Ok(())
}

async fn say(packets: &Packets, packet: Packet) -> Result<(), Status> {
    packets.send(Ok(packet)).await.map_err(|_| Status::cancelled("the build is over"))
}

fn list(folder: &Folder, asked: &Asked) -> Result<Vec<Entry>, Status> {
    match folder {
        Folder::Disk { root, env_files } => {
            let rules = IgnoreRules::of_patterns(&asked.exclude, env_files.clone()).map_err(|mistake| {
                Status::failed_precondition(format!(".dockerignore of {}: {mistake}", root.display()))
            })?;
            let listing = folder::list(root, &rules, &asked.follow);
            Ok(listing.map_err(|error| Status::failed_precondition(error.sentence()))?.entries)
        }
        Folder::Files(files) => Ok(files.iter().map(|(name, contents)| file(name, contents)).collect()),
    }
}

fn file(name: &str, contents: &[u8]) -> Entry {
    Entry { path: name.to_owned(), kind: Kind::File, mode: 0o644, size: contents.len() as u64, changed: 0 }
}

/// Sends one file after another. Blocks.
fn contents(
    folder: &Folder,
    entries: &[Entry],
    mut wanted: mpsc::UnboundedReceiver<u32>,
    packets: &Packets,
) -> Result<(), Status> {
    while let Some(id) = wanted.blocking_recv() {
        let entry = usize::try_from(id).ok().and_then(|at| entries.get(at));
        let entry = entry.ok_or_else(|| Status::invalid_argument("there is no such path"))?;
        let send = |data: Vec<u8>| {
            let packet = Packet { id, data, ..packet(PacketType::PacketData, None) };
            packets.blocking_send(Ok(packet)).map_err(|_| Status::cancelled("the build is over"))
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

/// Owners are the builder's: who works on a file here says nothing about an image.
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

/// As Go's `fs.FileMode` has it.
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
    fn what_is_asked_for_is_read_encoded_or_not() {
        let mut metadata = MetadataMap::new();
        metadata.insert("dir-name", "context".parse().expect("a value"));
        metadata.append("exclude-patterns", "%C3%A9+x".parse().expect("a value"));
        metadata.append("exclude-patterns", "100%25".parse().expect("a value"));
        metadata.insert("exclude-patterns-encoded", "1".parse().expect("a value"));
        metadata.insert("followpaths", "a%2Bb".parse().expect("a value"));
        let asked = Asked::of(&metadata);
        assert_eq!(asked.name, "context");
        assert_eq!(asked.exclude, ["é x", "100%"]);
        assert_eq!(asked.follow, ContextPaths::Paths(BTreeSet::from(["a%2Bb".to_owned()])));
    }

    #[test]
    fn a_mode_is_gos() {
        let entry = |kind, mode| Entry { path: "p".to_owned(), kind, mode, size: 0, changed: 0 };
        assert_eq!(mode(&entry(Kind::File, 0o4755)), (1 << 23) | 0o755);
        assert_eq!(mode(&entry(Kind::Folder, 0o1777)), (1 << 31) | (1 << 20) | 0o777);
        assert_eq!(mode(&entry(Kind::Link("x".to_owned()), 0o777)), (1 << 27) | 0o777);
    }
}
