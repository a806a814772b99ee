//! The services of all simulated agents. A connection says which host a call is for.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use landfast_proto::UnitKey;
use landfast_proto::v1::agent_server::Agent;
use landfast_proto::v1::blobs_server::Blobs;
use landfast_proto::v1::{self, item, push_request, unit};
use prost::Message;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status, Streaming};

use super::agent::{Held, Host};
use super::counters::FABRIC;
use super::report;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The services, which have no state of their own.
#[derive(Clone, Copy)]
pub(crate) struct Service;

/// Returns the host that a call is for.
fn host_of<T>(request: &Request<T>) -> Result<Arc<Host>, Status> {
    request.extensions().get::<Arc<Host>>().cloned().ok_or_else(|| Status::internal("the connection has no host"))
}

/// Answers a call, and counts its messages.
fn count<A: Message, B: Message>(host: &Host, method: &'static str, request: &A, response: B) -> Response<B> {
    host.counters.called(method, request.encoded_len() + response.encoded_len());
    Response::new(response)
}

#[tonic::async_trait]
impl Agent for Service {
    type WatchStream = Answers<v1::Report>;
    type LogsStream = Answers<v1::LogsResponse>;

    async fn describe(&self, request: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        let host = host_of(&request)?;
        let request = request.into_inner();
        let description = host.describe(request.with_held);
        Ok(count(&host, "describe", &request, description))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let host = host_of(&request)?;
        let reports = WatchStream::new(host.changes.subscribe()).map(move |()| {
            let report = report::report(&host.state());
            host.counters.called("watch", report.encoded_len());
            Ok(report)
        });
        Ok(Response::new(reports.boxed()))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Result<Response<v1::ClaimResponse>, Status> {
        let host = host_of(&request)?;
        let request = request.into_inner();
        let answer = host.claim(request.clone());
        Ok(count(&host, "claim", &request, answer))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Result<Response<v1::ReleaseResponse>, Status> {
        let host = host_of(&request)?;
        let request = request.into_inner();
        host.release(&request);
        Ok(count(&host, "release", &request, v1::ReleaseResponse {}))
    }

    async fn assign(&self, request: Request<v1::AssignRequest>) -> Result<Response<v1::AssignResponse>, Status> {
        let host = host_of(&request)?;
        let request = request.into_inner();
        let answer = host.assign(&request).map_err(Status::failed_precondition)?;
        let is_fabric =
            |unit: &v1::Unit| matches!(unit.contents, Some(unit::Contents::Fabric(_) | unit::Contents::FabricDelta(_)));
        if !request.units.is_empty() && request.units.iter().all(is_fabric) {
            return Ok(count(&host, FABRIC, &request, answer));
        }
        // The fabric may travel with other units: it is counted by itself.
        let fabric = request.units.iter().filter(|unit| is_fabric(unit)).map(Message::encoded_len).sum::<usize>();
        if fabric > 0 {
            host.counters.called(FABRIC, fabric);
        }
        host.counters.called("assign", request.encoded_len() - fabric + answer.encoded_len());
        Ok(Response::new(answer))
    }

    async fn record(&self, request: Request<v1::RecordRequest>) -> Result<Response<v1::RecordResponse>, Status> {
        let host = host_of(&request)?;
        let request = request.into_inner();
        for record in &request.records {
            host.state().releases.insert((record.stack.clone(), record.number), record.clone());
        }
        Ok(count(&host, "record", &request, v1::RecordResponse {}))
    }

    async fn held_fabric(
        &self,
        request: Request<v1::HeldFabricRequest>,
    ) -> Result<Response<v1::HeldFabricResponse>, Status> {
        let host = host_of(&request)?;
        let unit = host.state().units.get(&UnitKey::Fabric).map(Held::encode);
        Ok(count(&host, "held_fabric", &request.into_inner(), v1::HeldFabricResponse { unit }))
    }

    /// At every path is a folder.
    async fn examine(&self, request: Request<v1::ExamineRequest>) -> Result<Response<v1::ExamineResponse>, Status> {
        let host = host_of(&request)?;
        let request = request.into_inner();
        let folder = v1::examined_source::Kind::Folder.into();
        let found = |_: &v1::MountSource| v1::ExaminedSource { kind: folder, problem: String::new() };
        let sources = request.sources.iter().map(found).collect();
        Ok(count(&host, "examine", &request, v1::ExamineResponse { sources }))
    }

    async fn logs(&self, _: Request<v1::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        Err(Status::unimplemented("simulated instances write nothing"))
    }
}

#[tonic::async_trait]
impl Blobs for Service {
    type PullStream = Answers<v1::PullResponse>;

    async fn missing(&self, request: Request<v1::MissingRequest>) -> Result<Response<v1::MissingResponse>, Status> {
        let host = host_of(&request)?;
        let request = request.into_inner();
        let state = host.state();
        let lacks = |all: &[String]| all.iter().filter(|it| !state.blobs.contains(*it)).cloned().collect();
        let answer = v1::MissingResponse {
            digests: lacks(&request.digests),
            manifests: lacks(&request.manifests),
            secrets: lacks(&request.secrets),
        };
        drop(state);
        Ok(count(&host, "missing", &request, answer))
    }

    async fn push(&self, request: Request<Streaming<v1::PushRequest>>) -> Result<Response<v1::PushResponse>, Status> {
        let host = host_of(&request)?;
        let mut parts = request.into_inner();
        let mut items: Vec<(v1::BlobItem, blake3::Hasher)> = Vec::new();
        let mut bytes = 0;
        while let Some(part) = parts.message().await? {
            bytes += part.encoded_len();
            match part.part {
                Some(push_request::Part::Item(v1::Item { kind: Some(item::Kind::Blob(blob)) })) => {
                    items.push((blob, blake3::Hasher::new()));
                }
                Some(push_request::Part::Data(data)) => {
                    let (_, hasher) =
                        items.last_mut().ok_or_else(|| Status::invalid_argument("data before an item"))?;
                    hasher.update(&data);
                }
                _ => return Err(Status::unimplemented("simulated hosts have all images")),
            }
        }
        let stored = items.len() as u64;
        for (blob, hasher) in items {
            if hasher.finalize().to_hex().as_str() != blob.digest {
                return Err(Status::data_loss(format!("{} has other contents", blob.digest)));
            }
            host.state().blobs.insert(blob.digest);
        }
        let answer = v1::PushResponse { stored };
        host.counters.called("push", bytes + answer.encoded_len());
        Ok(Response::new(answer))
    }

    async fn pull(&self, _: Request<v1::PullRequest>) -> Result<Response<Self::PullStream>, Status> {
        Err(Status::not_found("simulated hosts keep no contents"))
    }

    async fn fetch(&self, _: Request<v1::FetchRequest>) -> Result<Response<v1::FetchResponse>, Status> {
        Err(Status::unavailable("simulated hosts reach no registry"))
    }
}
