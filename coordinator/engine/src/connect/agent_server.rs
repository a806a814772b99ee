//! A server for tests that answers `Describe` over real TLS. The tests of joining a host include this file too.

use std::sync::Arc;

use landfast_proto::v1::agent_server::{Agent, AgentServer};
use landfast_proto::v1::{
    AssignRequest, AssignResponse, ClaimRequest, ClaimResponse, DescribeRequest, DescribeResponse, ExamineRequest,
    ExamineResponse, HeldFabricRequest, HeldFabricResponse, LogsRequest, LogsResponse, RecordRequest, RecordResponse,
    ReleaseRequest, ReleaseResponse, Report, WatchRequest,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// An agent that answers `Describe` with a fixed result, and implements no other method.
struct FakeAgent(Result<DescribeResponse, Status>);

#[tonic::async_trait]
impl Agent for FakeAgent {
    type WatchStream = ReceiverStream<Result<Report, Status>>;
    type LogsStream = ReceiverStream<Result<LogsResponse, Status>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        self.0.clone().map(Response::new)
    }
    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn claim(&self, _: Request<ClaimRequest>) -> Result<Response<ClaimResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn release(&self, _: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn assign(&self, _: Request<AssignRequest>) -> Result<Response<AssignResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn record(&self, _: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn held_fabric(&self, _: Request<HeldFabricRequest>) -> Result<Response<HeldFabricResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn examine(&self, _: Request<ExamineRequest>) -> Result<Response<ExamineResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn logs(&self, _: Request<LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Serves connections until the test ends.
pub(crate) fn serve_on(listener: TcpListener, config: Arc<ServerConfig>, answer: Result<DescribeResponse, Status>) {
    let (sender, incoming) = tokio::sync::mpsc::channel::<Result<_, std::io::Error>>(8);
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(config);
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                if let Ok(mut tls) = acceptor.accept(tcp).await {
                    let (mut near, far) = tokio::io::duplex(64 * 1024);
                    drop(sender.send(Ok(far)).await);
                    drop(tokio::io::copy_bidirectional(&mut tls, &mut near).await);
                }
            });
        }
    });
    let server = tonic::transport::Server::builder().add_service(AgentServer::new(FakeAgent(answer)));
    tokio::spawn(server.serve_with_incoming(ReceiverStream::new(incoming)));
}
