//! Open: a connection to the engine's builder, passed on as bytes. What goes over it is between coordinator and builder.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{Stream, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;
use tonic::{Request, Response, Status, Streaming};

use super::Context;
use super::agent::engine_status;
use crate::docker::BuilderEnd;
use crate::wire::{Builder, OpenRequest, OpenResponse, SessionEnd, open_request};

/// Bytes in one message.
const PART: usize = 64 << 10;

pub(super) struct BuilderService(Context);

impl BuilderService {
    pub(super) fn new(context: Context) -> Self {
        BuilderService(context)
    }
}

#[tonic::async_trait]
impl Builder for BuilderService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<OpenResponse, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<OpenRequest>>) -> Result<Response<Self::OpenStream>, Status> {
        let mut requests = request.into_inner();
        let end = match requests.message().await?.and_then(|first| first.part) {
            Some(open_request::Part::Session(SessionEnd { id, methods })) => BuilderEnd::Session { id, methods },
            Some(open_request::Part::Control(_)) => BuilderEnd::Control,
            Some(open_request::Part::Data(_)) | None => {
                return Err(Status::invalid_argument("the first message says which connection is opened"));
            }
        };
        let builder = self.0.engine.open_builder(&end).await.map_err(|error| engine_status(&error))?;
        let (from, mut to) = tokio::io::split(builder);
        let there = tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                let Some(open_request::Part::Data(data)) = request.part else { break };
                if to.write_all(&data).await.is_err() {
                    break;
                }
            }
            // The builder may have ended it before.
            to.shutdown().await.ok();
        });
        let images = Arc::clone(&self.0.images);
        let back = ReaderStream::with_capacity(from, PART).map(move |part| {
            // What is built is in the engine before it is told of.
            images.forget_list();
            part.map(|data| OpenResponse { data }).map_err(|error| Status::unavailable(error.to_string()))
        });
        let back = back.take_until(self.0.stop.clone().cancelled_owned());
        // Whoever goes away takes the connection along.
        let guard = AbortOnDrop(there);
        let back = back.map(move |part| {
            let _alive = &guard;
            part
        });
        Ok(Response::new(back.boxed()))
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
