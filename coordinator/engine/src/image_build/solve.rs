//! Runs one build on a builder, over BuildKit's control and session connections.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    CacheOptions, CacheOptionsEntry, SolveRequest, StatusRequest, StatusResponse,
};
use hyper_util::rt::TokioIo;
use landfast_core::image_build::{Log, Request, Transcript, Vertex};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use uuid::Uuid;

use super::address::{BuilderAddress, Connection};
use super::batch::Output;
use super::session::{self, BuildInputs};
use super::{BuildError, Failure};

/// Maximum size of a message in bytes, the same as in BuildKit.
const MESSAGE: usize = 16 << 20;

/// Runs the requested build. The result is in the builder's image store, under the requested names.
pub(super) async fn solve(
    address: &BuilderAddress,
    request: &Request,
    inputs: BuildInputs,
    output: &Output<'_>,
) -> Result<(), BuildError> {
    let session = identity();
    let methods = session::methods();
    let transcript = Transcript::masking(inputs.secrets.values().map(Vec::as_slice));
    let wire = address.open(&Connection::Session { id: &session, methods: &methods }).await?;
    let _until_the_end = session::serve(wire, inputs);
    let control = control(address).await?;
    let reference = identity();
    let transcript = Mutex::new(transcript);
    let mut solving = control.clone();
    let solved = solving.solve(solve_request(request, &reference, session));
    let reporting = report_progress(control, reference.clone(), &transcript, output);
    // The last status messages arrive when the build ends.
    let (solved, ()) = tokio::join!(solved, reporting);
    match solved {
        Ok(_) => Ok(()),
        Err(status) => {
            let transcript = transcript.into_inner().unwrap_or_else(PoisonError::into_inner);
            let failed = transcript.failed();
            let message = status.message();
            let problem = transcript.masked(message.strip_prefix("failed to solve: ").unwrap_or(message));
            Err(BuildError::FailedStep(Failure { failed, problem }))
        }
    }
}

async fn control(address: &BuilderAddress) -> Result<ControlClient<Channel>, BuildError> {
    let wire = Mutex::new(Some(address.open(&Connection::Control).await?));
    let connector = service_fn(move |_| {
        let wire = wire.lock().ok().and_then(|mut wire| wire.take());
        let gone = || std::io::Error::other("the connection to the builder was lost");
        std::future::ready(wire.map(TokioIo::new).ok_or_else(gone))
    });
    let endpoint = Endpoint::from_static("http://engine");
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|error| BuildError::Engine { problem: error.to_string() })?;
    Ok(ControlClient::new(channel).max_decoding_message_size(MESSAGE).max_encoding_message_size(MESSAGE))
}

fn solve_request(request: &Request, reference: &str, session: String) -> SolveRequest {
    let import = |image: &String| CacheOptionsEntry {
        r#type: "registry".to_owned(),
        attrs: HashMap::from([("ref".to_owned(), image.clone())]),
    };
    let imports = request.cache_from.iter().map(import).collect();
    SolveRequest {
        r#ref: reference.to_owned(),
        // The engine's own exporter, which writes to the image store for containers.
        exporter_deprecated: "moby".to_owned(),
        exporter_attrs_deprecated: HashMap::from([("name".to_owned(), request.names.join(","))]),
        session,
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: request.options.clone().into_iter().collect(),
        cache: Some(CacheOptions { imports, ..CacheOptions::default() }),
        entitlements: request.entitlements.clone(),
        ..SolveRequest::default()
    }
}

/// Reports the progress of the build until it ends.
async fn report_progress(
    mut control: ControlClient<Channel>,
    reference: String,
    transcript: &Mutex<Transcript>,
    output: &Output<'_>,
) {
    let Ok(news) = control.status(StatusRequest { r#ref: reference }).await else { return };
    let mut news = news.into_inner();
    while let Ok(Some(response)) = news.message().await {
        let (vertexes, logs) = progress_of(response);
        let lines = transcript.lock().map(|mut transcript| transcript.receive(&vertexes, &logs)).unwrap_or_default();
        lines.into_iter().for_each(|line| output.line(line));
    }
}

fn progress_of(response: StatusResponse) -> (Vec<Vertex>, Vec<Log>) {
    let vertexes = response.vertexes.into_iter().map(|vertex| Vertex {
        digest: vertex.digest,
        name: vertex.name,
        started: vertex.started.map(milliseconds),
        completed: vertex.completed.map(milliseconds),
        cached: vertex.cached,
        error: vertex.error,
    });
    let logs = response
        .logs
        .into_iter()
        .map(|log| Log { vertex: log.vertex, text: String::from_utf8_lossy(&log.msg).into_owned() });
    (vertexes.collect(), logs.collect())
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.seconds.saturating_mul(1000) + i64::from(time.nanos / 1_000_000)).unwrap_or(0)
}

/// Returns a unique id.
fn identity() -> String {
    format!("landfast{}", Uuid::new_v4().simple())
}
