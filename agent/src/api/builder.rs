//! Implements Open and Discard. Open passes a connection to the engine's builder on as bytes; the coordinator and the
//! builder speak their own protocol over it.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::Context;
use super::agent::engine_status;
use crate::docker::{BuilderEnd, Engine, EngineError, ImageCache};
use crate::wire::{Builder, DiscardRequest, DiscardResponse, OpenRequest, OpenResponse, SessionEnd, open_request};

/// Number of bytes in one message.
const PART: usize = 64 << 10;
/// Number of messages that wait for the caller.
const PARTS: usize = 4;
/// Maximum number of connections at a time. A build has two.
const CONNECTIONS: usize = 64;
/// Prefix of the references of images that stand for a folder during a build.
const FOLDER_IMAGES: &str = "landfast-context:";

pub(super) struct BuilderService {
    engine: Engine,
    images: Arc<ImageCache>,
    stop: CancellationToken,
    places: Arc<Semaphore>,
}

impl BuilderService {
    pub(super) fn new(context: Context) -> Self {
        Self::of(context.engine, context.images, context.stop)
    }

    fn of(engine: Engine, images: Arc<ImageCache>, stop: CancellationToken) -> Self {
        Self { engine, images, stop, places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

#[tonic::async_trait]
impl Builder for BuilderService {
    type OpenStream = ReceiverStream<Result<OpenResponse, Status>>;

    async fn open(&self, request: Request<Streaming<OpenRequest>>) -> Result<Response<Self::OpenStream>, Status> {
        let mut requests = request.into_inner();
        let end = match requests.message().await?.and_then(|first| first.part) {
            Some(open_request::Part::Session(SessionEnd { id, methods })) => BuilderEnd::Session { id, methods },
            Some(open_request::Part::Control(_)) => BuilderEnd::Control,
            Some(open_request::Part::Data(_)) | None => {
                return Err(Status::invalid_argument("the first message must name the connection to open"));
            }
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "all {CONNECTIONS} connections to the builder are in use: try again later"
            ))
        })?;
        let builder = self.engine.open_builder(&end).await.map_err(|error| builder_status(&error))?;
        let (answers, answer) = mpsc::channel(PARTS);
        let tunnel = Tunnel { images: Arc::clone(&self.images), stop: self.stop.clone(), _place: place };
        tokio::spawn(tunnel.pass(builder, requests, answers));
        Ok(Response::new(ReceiverStream::new(answer)))
    }

    async fn discard(&self, request: Request<DiscardRequest>) -> Result<Response<DiscardResponse>, Status> {
        let image = request.into_inner().image;
        if !is_folder_image(&image) {
            return Err(Status::invalid_argument(format!(
                "{image} was not removed: its name does not begin with {FOLDER_IMAGES}"
            )));
        }
        self.engine.remove_image(&image).await.map_err(|error| engine_status(&error))?;
        self.images.forget_list();
        Ok(Response::new(DiscardResponse {}))
    }
}

fn is_folder_image(image: &str) -> bool {
    let tag = image.strip_prefix(FOLDER_IMAGES).unwrap_or_default();
    !tag.is_empty() && tag.chars().all(|c| c.is_ascii_alphanumeric())
}

fn builder_status(error: &EngineError) -> Status {
    match error {
        EngineError::Unsupported(problem) => Status::failed_precondition(problem.clone()),
        error => engine_status(error),
    }
}

type Answers = mpsc::Sender<Result<OpenResponse, Status>>;

/// One connection that is passed on.
struct Tunnel {
    images: Arc<ImageCache>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Tunnel {
    /// Passes bytes on until the builder ends the connection, the caller goes away or sends something other than data, or
    /// the agent ends. The builder's side is closed then, even if the caller still reads.
    async fn pass(
        self,
        builder: impl AsyncRead + AsyncWrite + Send,
        requests: Streaming<OpenRequest>,
        answers: Answers,
    ) {
        let problem = {
            let (from, to) = tokio::io::split(builder);
            // Cancel safe: dropping the other futures ends the connection.
            tokio::select! {
                problem = write_builder(requests, to) => Some(problem),
                problem = self.read_builder(from, &answers) => problem,
                () = answers.closed() => None,
                () = self.stop.cancelled() => Some(Status::unavailable("the agent is shutting down")),
            }
        };
        drop(self);
        if let Some(problem) = problem {
            // The caller may be gone.
            answers.send(Err(problem)).await.ok();
        }
    }

    /// Passes on what the builder sends, until it ends or there is a problem.
    async fn read_builder(&self, mut from: impl AsyncRead + Unpin, answers: &Answers) -> Option<Status> {
        let mut part = BytesMut::new();
        loop {
            part.reserve(PART);
            let read = from.read_buf(&mut part).await;
            // What was built is in the engine before the builder reports it.
            self.images.forget_list();
            match read {
                Ok(0) => return None,
                Ok(_) => answers.send(Ok(OpenResponse { data: part.split().freeze() })).await.ok()?,
                Err(error) => return Some(Status::unavailable(error.to_string())),
            }
        }
    }
}

/// Passes on what the caller sends, and returns what is wrong with it. The end of the caller's data is no error, because
/// the builder may have more to send.
async fn write_builder(mut requests: Streaming<OpenRequest>, mut to: impl AsyncWrite + Unpin) -> Status {
    loop {
        let data = match requests.message().await {
            Ok(Some(OpenRequest { part: Some(open_request::Part::Data(data)) })) => data,
            Ok(Some(_)) => return Status::invalid_argument("all messages after the first must be data"),
            Err(problem) => return problem,
            Ok(None) => {
                // The builder may have ended the connection before.
                to.shutdown().await.ok();
                return std::future::pending().await;
            }
        };
        if to.write_all(&data).await.is_err() {
            // The other direction reports the reason.
            return std::future::pending().await;
        }
    }
}

#[cfg(test)]
mod tests;
