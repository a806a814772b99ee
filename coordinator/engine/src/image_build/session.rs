//! Serves the builder's requests during a build: context files, secrets and logins at registries. The builder sends
//! them over a connection that the coordinator opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::{FileSync, FileSyncServer};
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use futures::stream::{BoxStream, StreamExt as _};
use landfast_core::image_build::Login;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::address::BuilderStream;
use super::logins::Logins;
use super::sync::{self, Folder, FolderRequest};

/// The inputs that a build may request.
#[derive(Clone)]
pub(super) struct BuildInputs {
    /// Folders, keyed by the name that the builder uses.
    pub(super) folders: BTreeMap<String, Folder>,
    /// Secrets, keyed by id. Without `Debug`, because they must not be printed.
    pub(super) secrets: BTreeMap<String, Vec<u8>>,
    /// Logins at registries.
    pub(super) logins: Arc<Logins>,
}

/// The gRPC methods that a session announces.
pub(super) fn methods() -> Vec<String> {
    let methods = [
        "/moby.filesync.v1.FileSync/DiffCopy",
        "/moby.buildkit.secrets.v1.Secrets/GetSecret",
        "/moby.filesync.v1.Auth/Credentials",
    ];
    methods.map(str::to_owned).into()
}

/// Serves requests until the returned sender is dropped.
pub(super) fn serve(stream: BuilderStream, inputs: BuildInputs) -> oneshot::Sender<()> {
    let (done, until_done) = oneshot::channel::<()>();
    let incoming = futures::stream::once(async { Ok::<_, std::io::Error>(stream) }).chain(futures::stream::pending());
    let server = Server::builder()
        .add_service(HealthServer::new(HealthService))
        .add_service(FileSyncServer::new(inputs.clone()))
        .add_service(AuthServer::new(inputs.clone()))
        .add_service(SecretsServer::new(inputs));
    tokio::spawn(async move {
        let until_done = async { drop(until_done.await) };
        if let Err(error) = server.serve_with_incoming_shutdown(incoming, until_done).await {
            tracing::debug!(%error, "session of a build ended");
        }
    });
    done
}

#[tonic::async_trait]
impl FileSync for BuildInputs {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;
    type TarStreamStream = BoxStream<'static, Result<Packet, Status>>;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Self::DiffCopyStream>, Status> {
        let folder_request = FolderRequest::of(request.metadata());
        let folder = self.folders.get(&folder_request.name).cloned();
        let folder =
            folder.ok_or_else(|| Status::not_found(format!("this build has no folder {}", folder_request.name)))?;
        let (packets, answer) = mpsc::channel(sync::PACKETS);
        tokio::spawn(sync::send(folder, folder_request, request.into_inner(), packets));
        Ok(Response::new(ReceiverStream::new(answer)))
    }

    async fn tar_stream(
        &self,
        _request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("folders are sent file by file"))
    }
}

#[tonic::async_trait]
impl Secrets for BuildInputs {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        let data = self.secrets.get(&id).cloned();
        let data = data.ok_or_else(|| Status::not_found(format!("`build.secrets` does not contain {id}")))?;
        Ok(Response::new(GetSecretResponse { data }))
    }
}

/// A builder that receives a user name and a password requests tokens by itself.
#[tonic::async_trait]
impl Auth for BuildInputs {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let login = self.logins.of(&host).await.map_err(|error| Status::failed_precondition(error.to_string()))?;
        let answer = login.map_or_else(CredentialsResponse::default, |Login { user, secret }| CredentialsResponse {
            username: user,
            secret,
        });
        Ok(Response::new(answer))
    }

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("request credentials instead"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("request credentials instead"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("request credentials instead"))
    }
}

/// Answers the builder's health checks.
struct HealthService;

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(&self, _request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("use Check: the session has only one service"))
    }

    async fn watch(&self, _request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("use Check"))
    }
}
