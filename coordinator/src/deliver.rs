//! Bringing a bundle to one host: asks what is missing, sends that and nothing else, the manifest last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use landfast_core::bundle::{Content, Manifest};
use landfast_proto::v1;
use tokio::io::AsyncReadExt as _;
use v1::push_request::Part;

use crate::connect::Agent;
use crate::output::progress::{Listener, Transfer};

/// Bytes in one message.
pub const CHUNK: usize = 512 * 1024;

/// A bundle and where its contents can be had.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub stack: String,
    pub digest: String,
    pub encoded: Vec<u8>,
    pub manifest: Manifest,
    pub contents: Contents,
}

/// Where a blob can be had.
#[derive(Debug, Clone)]
pub enum Contents {
    /// In files of this machine, by digest.
    Files(BTreeMap<String, PathBuf>),
    /// From a host that has had the bundle before.
    Host(Box<Agent>),
}

/// What one host lacks of a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Digest > size.
    pub blobs: BTreeMap<String, u64>,
    pub manifest: bool,
}

impl Lacking {
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty() && !self.manifest
    }

    pub fn bytes(&self) -> u64 {
        self.blobs.values().sum()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    #[error("{host}: files of {stack}: {problem}")]
    Refused { host: String, stack: String, problem: String },
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} changed while it was being sent", .path.display())]
    Changed { path: PathBuf },
    #[error("{host} cannot hand out {digest}: {problem}")]
    NotHandedOut { host: String, digest: String, problem: String },
}

impl DeliverError {
    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Changed { .. } => Some("run the command again when nobody writes to it"),
            Self::Refused { .. } | Self::Unreadable { .. } | Self::NotHandedOut { .. } => None,
        }
    }
}

/// One question: what of this bundle does the host lack?
pub async fn missing(agent: &Agent, parcel: &Parcel) -> Result<Lacking, DeliverError> {
    let sizes = sizes(&parcel.manifest);
    let request =
        v1::MissingRequest { digests: sizes.keys().cloned().collect(), manifests: vec![parcel.digest.clone()] };
    let answer = agent.blobs().missing(request).await.map_err(|status| refused(agent, parcel, &status))?.into_inner();
    let lacks = answer.digests.into_iter().collect::<BTreeSet<_>>();
    let blobs = sizes.into_iter().filter(|(digest, _)| lacks.contains(digest)).collect();
    Ok(Lacking { blobs, manifest: !answer.manifests.is_empty() })
}

fn sizes(manifest: &Manifest) -> BTreeMap<String, u64> {
    let files = manifest.entries.values().filter_map(|entry| match &entry.content {
        Content::File { digest, size } => Some((digest.clone(), *size)),
        Content::Link(_) | Content::Folder => None,
    });
    files.collect()
}

/// Sends what is lacking in one call.
pub async fn push(
    agent: &Agent,
    parcel: &Parcel,
    lacking: &Lacking,
    listener: &dyn Listener,
) -> Result<(), DeliverError> {
    let what = format!("{}: {} files of {}", agent.host(), lacking.blobs.len(), parcel.stack);
    let transfer: Arc<dyn Transfer> = listener.transfer(&what, lacking.bytes()).into();
    let broken = Arc::new(Mutex::new(None));
    let items = lacking.blobs.clone().into_iter().map(|(digest, size)| {
        let data = match &parcel.contents {
            Contents::Files(files) => file(files.get(&digest).cloned().unwrap_or_default(), size),
            Contents::Host(other) => remote(Agent::clone(other), digest.clone()),
        };
        stream::once(async move { Ok(head(digest, size)) }).chain(data.map_ok(Part::Data)).boxed()
    });
    let manifest = lacking.manifest.then(|| manifest(parcel));
    let parts = stream::iter(items.chain(manifest).collect::<Vec<_>>()).flatten();
    // A stream of requests cannot carry an error: it is kept aside and the stream ends.
    let requests = parts.scan((transfer, Arc::clone(&broken)), |(transfer, broken), part| {
        future::ready(match part {
            Ok(part) => {
                if let Part::Data(data) = &part {
                    transfer.advance(data.len() as u64);
                }
                Some(v1::PushRequest { part: Some(part) })
            }
            Err(error) => {
                *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        })
    });
    let answer = agent.blobs().push(requests).await;
    if let Some(error) = broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    answer.map(drop).map_err(|status| refused(agent, parcel, &status))
}

type Data<T> = BoxStream<'static, Result<T, DeliverError>>;

fn head(digest: String, size: u64) -> Part {
    let blob = v1::BlobItem { digest, size };
    Part::Item(v1::Item { kind: Some(v1::item::Kind::Blob(blob)) })
}

fn manifest(parcel: &Parcel) -> Data<Part> {
    let encoded = Bytes::from(parcel.encoded.clone());
    let head = head(parcel.digest.clone(), encoded.len() as u64);
    let parts = encoded.chunks(CHUNK).map(|part| Ok(Part::Data(encoded.slice_ref(part)))).collect::<Vec<_>>();
    stream::iter(std::iter::once(Ok(head)).chain(parts)).boxed()
}

/// A file in chunks: exactly as many bytes as its header says, or an error.
fn file(path: PathBuf, size: u64) -> Data<Bytes> {
    let chunks = stream::try_unfold((None, path, size), |(open, path, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let unreadable = |source| DeliverError::Unreadable { path: path.clone(), source };
        let mut file = match open {
            Some(file) => file,
            None => tokio::fs::File::open(&path).await.map_err(unreadable)?,
        };
        let chunk = chunk(&mut file, &path, left.min(CHUNK as u64)).await?;
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (Some(file), path, left))))
    });
    chunks.boxed()
}

async fn chunk(file: &mut tokio::fs::File, path: &Path, length: u64) -> Result<Bytes, DeliverError> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(CHUNK)];
    match file.read_exact(&mut buffer).await {
        Ok(_) => Ok(buffer.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(DeliverError::Changed { path: path.to_owned() })
        }
        Err(source) => Err(DeliverError::Unreadable { path: path.to_owned(), source }),
    }
}

/// A blob that another host has.
fn remote(agent: Agent, digest: String) -> Data<Bytes> {
    let failed = |agent: &Agent, digest: &str, status: &tonic::Status| DeliverError::NotHandedOut {
        host: agent.host().to_owned(),
        digest: digest.to_owned(),
        problem: status.message().to_owned(),
    };
    let parts = async move {
        let what = Some(v1::pull_request::What::Digest(digest.clone()));
        let answer = agent.blobs().pull(v1::PullRequest { what }).await;
        let parts = answer.map_err(|status| failed(&agent, &digest, &status))?.into_inner();
        Ok(parts.map_ok(|part| part.data).map_err(move |status| failed(&agent, &digest, &status)))
    };
    stream::once(parts).try_flatten().boxed()
}

/// The bytes of one blob that a host has: a manifest.
pub async fn blob(agent: &Agent, digest: &str) -> Result<Vec<u8>, DeliverError> {
    let parts = remote(agent.clone(), digest.to_owned());
    parts
        .try_fold(Vec::new(), |mut all, part| async move {
            Ok({
                all.extend_from_slice(&part);
                all
            })
        })
        .await
}

fn refused(agent: &Agent, parcel: &Parcel, status: &tonic::Status) -> DeliverError {
    let (host, stack) = (agent.host().to_owned(), parcel.stack.clone());
    DeliverError::Refused { host, stack, problem: status.message().to_owned() }
}
