//! Sends a bundle to one host: asks which parts the host lacks, and sends only these, the manifest last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use landfast_core::bundle::{Content, Manifest};
use landfast_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use v1::pull_request::What;
use v1::push_request::Part;

use crate::EngineError;
use crate::Hint;
use crate::connect::Agent;
use crate::event::{self, Listener, Transfer};
use crate::wire::problem;

/// Maximum size of the data in one message, in bytes.
pub const CHUNK: usize = 512 * 1024;

/// A bundle, and the source of its contents.
#[derive(Debug, Clone)]
pub struct BundleSource {
    /// Name of the stack.
    pub stack: String,
    /// Digest of the encoded manifest.
    pub digest: String,
    /// Encoded manifest.
    pub encoded: Vec<u8>,
    /// Decoded manifest.
    pub manifest: Manifest,
    /// Source of the file contents.
    pub contents: Contents,
}

/// Source of a bundle's file contents.
#[derive(Debug, Clone)]
pub enum Contents {
    /// Files on this machine, keyed by digest.
    Files(BTreeMap<String, PathBuf>),
    /// A host that already has the bundle.
    Host(Box<Agent>),
}

/// The parts of a bundle that a host lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingContent {
    /// Sizes of the missing blobs in bytes, keyed by digest.
    pub blobs: BTreeMap<String, u64>,
    /// Whether the manifest is missing.
    pub manifest: bool,
}

impl MissingContent {
    /// Whether the host has the whole bundle.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty() && !self.manifest
    }

    /// Total size of the missing blobs in bytes.
    pub fn bytes(&self) -> u64 {
        self.blobs.values().sum()
    }
}

/// A failure to send a bundle to a host.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The host refused the bundle, or the connection failed.
    #[error("the files of {stack} cannot be sent to {host}: {problem}")]
    Refused { host: String, stack: String, problem: String },
    /// A local file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A local file changed while it was being sent.
    #[error("{} changed while it was being sent", .path.display())]
    Changed { path: PathBuf },
    /// Another host cannot provide a blob of the bundle.
    #[error("{host} cannot provide the blob {digest}: {problem}")]
    NotHandedOut { host: String, digest: String, problem: String },
}

impl Hint for DeliverError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Changed { .. } => Some("run the command again when no other program writes to the file".to_owned()),
            Self::Refused { .. } | Self::Unreadable { .. } | Self::NotHandedOut { .. } => None,
        }
    }
}

/// Asks a host which parts of a bundle it lacks.
pub async fn missing(agent: &Agent, bundle: &BundleSource) -> Result<MissingContent, DeliverError> {
    let sizes = sizes(&bundle.manifest);
    let request = v1::MissingRequest {
        digests: sizes.keys().cloned().collect(),
        manifests: vec![bundle.digest.clone()],
        secrets: Vec::new(),
    };
    let answer = agent.blobs().missing(request).await.map_err(|status| refused(agent, bundle, &status))?.into_inner();
    let lacks = answer.digests.into_iter().collect::<BTreeSet<_>>();
    let blobs = sizes.into_iter().filter(|(digest, _)| lacks.contains(digest)).collect();
    Ok(MissingContent { blobs, manifest: !answer.manifests.is_empty() })
}

fn sizes(manifest: &Manifest) -> BTreeMap<String, u64> {
    let files = manifest.entries.values().filter_map(|entry| match &entry.content {
        Content::File { digest, size } => Some((digest.clone(), *size)),
        Content::Link(_) | Content::Folder => None,
    });
    files.collect()
}

/// Sends the missing parts in one call.
pub async fn push(
    agent: &Agent,
    bundle: &BundleSource,
    missing: &MissingContent,
    listener: &Arc<dyn Listener>,
) -> Result<(), DeliverError> {
    let content = event::Content::Files {
        host: agent.host().to_owned(),
        stack: bundle.stack.clone(),
        count: missing.blobs.len(),
    };
    let transfer = Arc::new(Transfer::start(listener, content, missing.bytes()));
    let broken = Arc::new(Mutex::new(None));
    let batches = ReceiverStream::new(load(bundle, missing));
    // A stream of requests cannot carry an error. The error is stored, and the stream ends.
    let requests = batches.flat_map(stream::iter).scan((transfer, Arc::clone(&broken)), |(transfer, broken), part| {
        future::ready(match part {
            Ok(part) => {
                if let Part::Data(data) = &part {
                    transfer.advance(data.len());
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
    answer.map(drop).map_err(|status| refused(agent, bundle, &status))
}

type Data<T> = BoxStream<'static, Result<T, DeliverError>>;
type Batch = Vec<Result<Part, DeliverError>>;

/// Maximum size of a batch in bytes. Small files are sent in batches, because an HTTP/2 server mistakes thousands of
/// small frames for an attack.
const BATCH: usize = 256 * 1024;
/// Number of batches to read ahead, so that disk and network work at the same time.
const BATCHES: usize = 4;

/// Reads the missing parts in batches, the manifest last. Stops when the receiver is dropped.
fn load(bundle: &BundleSource, missing: &MissingContent) -> mpsc::Receiver<Batch> {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let manifest = if missing.manifest { manifest(bundle) } else { Batch::new() };
    let blobs = missing.blobs.clone();
    match &bundle.contents {
        Contents::Files(files) => {
            let blobs = blobs.into_iter().map(|(digest, size)| (files.get(&digest).cloned(), digest, size));
            let blobs = blobs.collect::<Vec<_>>();
            let reader = move || {
                let files = blobs.into_iter().flat_map(|(path, digest, size)| {
                    let data = file(path.unwrap_or_default(), size).map(|data| data.map(Part::Data));
                    std::iter::once(Ok(head(digest, size))).chain(data)
                });
                let mut batches = Batches(files.chain(manifest));
                // The receiver is dropped when the call has failed.
                while batches.next().is_some_and(|batch| sender.blocking_send(batch).is_ok()) {}
            };
            drop(tokio::task::spawn_blocking(reader));
        }
        Contents::Host(other) => {
            let other = Agent::clone(other);
            let reader = async move {
                let blobs = stream::iter(blobs).flat_map(move |(digest, size)| {
                    let data = remote(other.clone(), digest.clone()).map_ok(Part::Data);
                    stream::once(future::ready(Ok(head(digest, size)))).chain(data)
                });
                let mut batches = std::pin::pin!(blobs.chain(stream::iter(manifest)).ready_chunks(BATCH / 256));
                while let Some(batch) = batches.next().await {
                    if sender.send(batch).await.is_err() {
                        break;
                    }
                }
            };
            drop(tokio::spawn(reader));
        }
    }
    receiver
}

/// Groups parts into batches.
struct Batches<I>(I);

impl<I: Iterator<Item = Result<Part, DeliverError>>> Iterator for Batches<I> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        /// Estimated size of a part without its data, in bytes.
        const PART: usize = 100;
        let (mut batch, mut size) = (Batch::new(), 0);
        while size < BATCH {
            let Some(part) = self.0.next() else { break };
            size += PART + if let Ok(Part::Data(data)) = &part { data.len() } else { 0 };
            batch.push(part);
        }
        (!batch.is_empty()).then_some(batch)
    }
}

fn head(digest: String, size: u64) -> Part {
    item(v1::BlobItem { digest, size, secret: false })
}

fn item(blob: v1::BlobItem) -> Part {
    Part::Item(v1::Item { kind: Some(v1::item::Kind::Blob(blob)) })
}

fn manifest(bundle: &BundleSource) -> Batch {
    let encoded = Bytes::from(bundle.encoded.clone());
    let head = head(bundle.digest.clone(), encoded.len() as u64);
    let parts = encoded.chunks(CHUNK).map(|part| Ok(Part::Data(encoded.slice_ref(part))));
    std::iter::once(Ok(head)).chain(parts).collect()
}

/// Reads exactly `size` bytes of a file in chunks, or fails. Blocks.
fn file(path: PathBuf, size: u64) -> impl Iterator<Item = Result<Bytes, DeliverError>> {
    let (mut open, mut left) = (None, size);
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let chunk = chunk(&mut open, &path, left.min(CHUNK as u64));
        left = chunk.as_ref().map_or(0, |chunk| left - chunk.len() as u64);
        Some(chunk)
    })
}

fn chunk(open: &mut Option<File>, path: &Path, length: u64) -> Result<Bytes, DeliverError> {
    let unreadable = |source| DeliverError::Unreadable { path: path.to_owned(), source };
    let file = match open {
        Some(file) => file,
        None => open.insert(File::open(path).map_err(unreadable)?),
    };
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(CHUNK)];
    match file.read_exact(&mut buffer) {
        Ok(()) => Ok(buffer.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(DeliverError::Changed { path: path.to_owned() })
        }
        Err(source) => Err(unreadable(source)),
    }
}

/// Streams a blob from another host.
fn remote(agent: Agent, digest: String) -> Data<Bytes> {
    pull(agent, digest.clone(), What::Digest(digest))
}

fn pull(agent: Agent, digest: String, what: What) -> Data<Bytes> {
    let failed = |agent: &Agent, digest: &str, status: &tonic::Status| DeliverError::NotHandedOut {
        host: agent.host().to_owned(),
        digest: digest.to_owned(),
        problem: problem(status),
    };
    let parts = async move {
        let answer = agent.blobs().pull(v1::PullRequest { what: Some(what) }).await;
        let parts = answer.map_err(|status| failed(&agent, &digest, &status))?.into_inner();
        Ok(parts.map_ok(|part| part.data).map_err(move |status| failed(&agent, &digest, &status)))
    };
    stream::once(parts).try_flatten().boxed()
}

/// Sends one blob that is in memory, such as a deployment.
pub(crate) async fn push_blob(agent: &Agent, digest: &str, body: &[u8]) -> Result<(), EngineError> {
    push_item(agent, head(digest.to_owned(), body.len() as u64), body, "record").await
}

/// Sends one secret blob.
pub(crate) async fn push_secret(agent: &Agent, digest: &str, body: &[u8]) -> Result<(), EngineError> {
    let blob = v1::BlobItem { digest: digest.to_owned(), size: body.len() as u64, secret: true };
    push_item(agent, item(blob), body, "send a secret").await
}

async fn push_item(agent: &Agent, head: Part, body: &[u8], step: &'static str) -> Result<(), EngineError> {
    let body = Bytes::copy_from_slice(body);
    let data = body.chunks(CHUNK).map(|part| Part::Data(body.slice_ref(part)));
    let requests: Vec<_> = std::iter::once(head).chain(data).map(|part| v1::PushRequest { part: Some(part) }).collect();
    let answer = agent.blobs().push(stream::iter(requests)).await;
    answer.map(drop).map_err(|status| EngineError::Host {
        host: agent.host().to_owned(),
        step,
        problem: problem(&status),
    })
}

/// Downloads a blob from a host, such as a manifest.
pub async fn blob(agent: &Agent, digest: &str) -> Result<Vec<u8>, DeliverError> {
    whole(remote(agent.clone(), digest.to_owned())).await
}

/// Downloads a secret blob from a host.
pub(crate) async fn secret(agent: &Agent, digest: &str) -> Result<Vec<u8>, DeliverError> {
    whole(pull(agent.clone(), digest.to_owned(), What::Secret(digest.to_owned()))).await
}

async fn whole(parts: Data<Bytes>) -> Result<Vec<u8>, DeliverError> {
    parts
        .try_fold(Vec::new(), |mut all, part| async move {
            Ok({
                all.extend_from_slice(&part);
                all
            })
        })
        .await
}

fn refused(agent: &Agent, bundle: &BundleSource, status: &tonic::Status) -> DeliverError {
    let (host, stack) = (agent.host().to_owned(), bundle.stack.clone());
    DeliverError::Refused { host, stack, problem: problem(status) }
}
