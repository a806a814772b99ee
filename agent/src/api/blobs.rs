//! Implements Missing, Push, Pull and Fetch: blobs and images that are received and sent.

use std::io;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures::stream::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;
use tonic::{Request, Response, Status, Streaming};

use super::Context;
use super::agent::engine_status;
use crate::blobs::{BlobError, Incoming};
use crate::error_text::in_one_line;
use crate::observe::blocking;
use crate::wire::{
    Blobs, FetchRequest, FetchResponse, ImageItem, MissingRequest, MissingResponse, PullRequest, PullResponse,
    PushRequest, PushResponse, item, pull_request, push_request,
};

/// Size in bytes of the parts that are sent.
const PART: usize = 512 << 10;

pub(super) struct BlobsService(Context);

/// The item whose bytes are being received.
enum Receiving {
    Nothing,
    Blob(Box<Incoming>),
    Image(Loading),
    /// An image that the engine has already. Its bytes are ignored.
    Known,
}

/// An archive that is being loaded into the engine.
struct Loading {
    item: ImageItem,
    archive: mpsc::Sender<io::Result<Bytes>>,
    load: JoinHandle<Result<(), Status>>,
}

impl BlobsService {
    pub(super) fn new(context: Context) -> Self {
        BlobsService(context)
    }

    async fn begin(&self, kind: item::Kind) -> Result<Receiving, Status> {
        match kind {
            item::Kind::Blob(blob) => {
                let Context { blobs, secrets, .. } = self.0.clone();
                let incoming = blocking(move || match blob.secret {
                    true => secrets.receive(&blob.digest, blob.size),
                    false => blobs.receive(&blob.digest, blob.size),
                });
                let incoming = incoming.await;
                Ok(Receiving::Blob(Box::new(incoming.map_err(|error| blob_status(&error))?)))
            }
            item::Kind::Image(image) => self.begin_image(image).await,
        }
    }

    async fn begin_image(&self, item: ImageItem) -> Result<Receiving, Status> {
        if self.settle(&item).await? {
            return Ok(Receiving::Known);
        }
        let (archive, parts) = mpsc::channel(8);
        let engine = self.0.engine.clone();
        let load = tokio::spawn(async move {
            engine.load_image(ReceiverStream::new(parts)).await.map_err(|error| engine_status(&error))
        });
        Ok(Receiving::Image(Loading { item, archive, load }))
    }

    /// Whether the engine has the image. If it does, the image has its reference afterwards.
    async fn settle(&self, item: &ImageItem) -> Result<bool, Status> {
        let status = |error| engine_status(&error);
        if self.0.engine.fingerprint(&item.reference).await.map_err(status)?.as_ref() == Some(&item.fingerprint) {
            return Ok(true);
        }
        let images = self.0.engine.list_images(&self.0.images).await.map_err(status)?;
        let Some(image) = images.images.into_iter().find(|image| image.fingerprint == item.fingerprint) else {
            return Ok(false);
        };
        if !item.reference.contains('@') {
            self.0.engine.tag_image(&image.id, &item.reference).await.map_err(status)?;
            self.0.images.forget_list();
        }
        Ok(true)
    }

    /// Completes the item that was being received. Returns whether it is new to the host.
    async fn end(&self, receiving: Receiving) -> Result<bool, Status> {
        match receiving {
            Receiving::Nothing | Receiving::Known => Ok(false),
            Receiving::Blob(incoming) => blocking(move || incoming.finish()).await.map_err(|error| blob_status(&error)),
            Receiving::Image(loading) => {
                drop(loading.archive);
                loading.load.await.map_err(|_| Status::internal("loading the image was interrupted"))??;
                // The engine's event may arrive later than an Assign that needs the image.
                self.0.images.forget_list();
                if self.settle(&loading.item).await? {
                    return Ok(true);
                }
                let ImageItem { reference, fingerprint } = loading.item;
                Err(Status::data_loss(format!(
                    "the archive does not contain image {reference} as planned (fingerprint {fingerprint})"
                )))
            }
        }
    }

    async fn image(&self, reference: &str) -> Result<Response<PullStream>, Status> {
        let status = |error| engine_status(&error);
        if self.0.engine.fingerprint(reference).await.map_err(status)?.is_none() {
            return Err(Status::not_found(format!("the engine of this host does not have image {reference}")));
        }
        let archive = self.0.engine.export_image(reference).map_err(status)?;
        // The engine sends small parts. Those that are available together are sent together.
        let parts = archive.ready_chunks(16).map(|parts| {
            let mut data = BytesMut::new();
            for part in parts {
                data.extend_from_slice(&part.map_err(|error| engine_status(&error))?);
            }
            Ok(PullResponse { data: data.freeze() })
        });
        Ok(Response::new(parts.boxed()))
    }
}

type PullStream = Pin<Box<dyn Stream<Item = Result<PullResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Blobs for BlobsService {
    type PullStream = PullStream;

    async fn missing(&self, request: Request<MissingRequest>) -> Result<Response<MissingResponse>, Status> {
        let MissingRequest { digests, manifests, secrets: asked } = request.into_inner();
        let Context { blobs, secrets, .. } = self.0.clone();
        let missing = blocking(move || {
            let (digests, secrets) = (blobs.missing_blobs(&digests)?, secrets.missing(&asked)?);
            Ok(MissingResponse { digests, manifests: blobs.missing_manifests(&manifests)?, secrets })
        });
        missing.await.map(Response::new).map_err(|error| blob_status(&error))
    }

    async fn push(&self, request: Request<Streaming<PushRequest>>) -> Result<Response<PushResponse>, Status> {
        let mut parts = request.into_inner();
        let mut receiving = Receiving::Nothing;
        let mut stored = 0;
        while let Some(part) = parts.message().await? {
            match part.part {
                Some(push_request::Part::Item(item)) => {
                    let kind = item.kind.ok_or_else(|| Status::invalid_argument("an item has no kind"))?;
                    let whole = std::mem::replace(&mut receiving, Receiving::Nothing);
                    stored += u64::from(self.end(whole).await?);
                    receiving = self.begin(kind).await?;
                }
                Some(push_request::Part::Data(data)) => receiving = take(receiving, data).await?,
                None => return Err(Status::invalid_argument("a message is neither an item nor data")),
            }
        }
        stored += u64::from(self.end(receiving).await?);
        Ok(Response::new(PushResponse { stored }))
    }

    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullStream>, Status> {
        match request.into_inner().what {
            Some(pull_request::What::Digest(digest)) => {
                let store = self.0.blobs.clone();
                file(blocking(move || store.file(&digest)).await)
            }
            Some(pull_request::What::Secret(digest)) => {
                let store = self.0.secrets.clone();
                file(blocking(move || store.file(&digest)).await)
            }
            Some(pull_request::What::Image(reference)) => self.image(&reference).await,
            None => Err(Status::invalid_argument("the request has neither a digest nor an image")),
        }
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let FetchRequest { reference, platform } = request.into_inner();
        let unavailable = |error| Status::unavailable(in_one_line(&error));
        self.0.engine.pull_image(&reference, &platform).await.map_err(unavailable)?;
        self.0.images.forget_list();
        let image = self.0.engine.image(&reference).await.map_err(unavailable)?;
        let image =
            image.ok_or_else(|| Status::unavailable(format!("the engine pulled {reference} and does not list it")))?;
        Ok(Response::new(FetchResponse { fingerprint: image.fingerprint.clone(), image: Some(image) }))
    }
}

/// Streams a blob that was opened.
fn file(opened: Result<std::fs::File, BlobError>) -> Result<Response<PullStream>, Status> {
    let file = opened.map_err(|error| blob_status(&error))?;
    let parts = ReaderStream::with_capacity(tokio::fs::File::from_std(file), PART);
    let parts = parts.map(|part| match part {
        Ok(data) => Ok(PullResponse { data }),
        Err(error) => Err(Status::internal(error.to_string())),
    });
    Ok(Response::new(parts.boxed()))
}

async fn take(receiving: Receiving, data: Bytes) -> Result<Receiving, Status> {
    match receiving {
        Receiving::Nothing => Err(Status::invalid_argument("data was sent before any item")),
        Receiving::Known => Ok(Receiving::Known),
        Receiving::Blob(mut incoming) => {
            let taken = blocking(move || incoming.write(&data).map(|()| incoming)).await;
            taken.map(Receiving::Blob).map_err(|error| blob_status(&error))
        }
        Receiving::Image(loading) => {
            if loading.archive.send(Ok(data)).await.is_err() {
                // The engine has ended the loading, and reports why.
                loading.load.await.map_err(|_| Status::internal("loading the image was interrupted"))??;
                return Ok(Receiving::Known);
            }
            Ok(Receiving::Image(loading))
        }
    }
}

fn blob_status(error: &BlobError) -> Status {
    let message = in_one_line(error);
    match error {
        BlobError::Name(_) | BlobError::TooLarge { .. } | BlobError::Manifest { .. } => {
            Status::invalid_argument(message)
        }
        BlobError::Absent(_) => Status::not_found(message),
        BlobError::Damaged(_) | BlobError::Mismatch(_) | BlobError::Size { .. } => Status::data_loss(message),
        BlobError::NoRoom { .. } => Status::resource_exhausted(message),
        BlobError::Io(_) => Status::internal(message),
    }
}
