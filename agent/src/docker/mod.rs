//! The Docker Engine, over its socket. No shell and no command line of Docker is used.
//!
//! [`Engine`] owns the connection: the API version, and the time limits for answers. The modules beside it have the
//! requests, one module for each kind of object.

mod anonymous;
mod builder;
mod containers;
mod create;
mod devices;
mod events;
#[cfg(test)]
pub(crate) mod fake;
mod files;
mod hooks;
mod image;
mod logs;
mod networks;
mod volumes;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use landfast_agent_core::attempts::Severity;
use landfast_agent_core::devices::drivers;

pub(crate) use builder::BuilderEnd;
pub(crate) use containers::Labels;
pub(crate) use create::Place;
#[cfg(test)]
pub(crate) use create::creation;
pub(crate) use files::PlacedContents;

pub(crate) use hooks::Hook;
pub(crate) use image::{ImageCache, lookup};
pub(crate) use logs::LogRequest;

/// Newest minor version of API 1 that this was tested with. The engine's own limits take precedence.
const NEWEST: u32 = 51;
/// Time limit for requests that a healthy engine answers at once.
const SHORT: Duration = Duration::from_secs(10);
/// Time limit for a ping.
const PROBE: Duration = Duration::from_secs(5);
/// Time limit for requests that create or change something.
const LONG: Duration = Duration::from_secs(120);
/// Time limit for requests that transfer an image. It only prevents waiting forever.
const IMAGE: Duration = Duration::from_secs(4 * 3600);

/// Error of a request to the engine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("the Docker Engine at {socket} does not answer")]
    Unreachable {
        socket: String,
        #[source]
        source: Box<bollard::errors::Error>,
    },
    #[error("the Docker Engine did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The engine refused the request, with this message.
    #[error("{message}")]
    Refused { status: u16, message: String },
    #[error("the Docker Engine sent a response that cannot be parsed")]
    Unexpected(#[source] Box<bollard::errors::Error>),
    #[error("{0}")]
    Unsupported(String),
    #[error("the command `{command}` after the start ended with status {status}: {output}")]
    Hook { command: String, status: i64, output: String },
    #[error("the command `{command}` after the start did not end within {} s", .limit.as_secs())]
    HookSlow { command: String, limit: Duration },
    #[error("cannot build an archive of the container's files")]
    Archive(#[source] std::io::Error),
}

impl EngineError {
    /// Whether another attempt may succeed.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            EngineError::Unreachable { .. } | EngineError::TimedOut(_) => Severity::Uncounted,
            EngineError::Unsupported(_)
            | EngineError::Archive(_)
            | EngineError::Hook { .. }
            | EngineError::HookSlow { .. } => Severity::Final,
            EngineError::Unexpected(_) => Severity::Counted,
            EngineError::Refused { status, message } => refusal(*status, message),
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, EngineError::Refused { status: 404, .. })
    }
}

/// Classifies a refusal by its status and message. The engine answers 4xx to requests that can never succeed, and 500 to
/// many others that will not either. A missing file is no proof: an engine that shuts down has closed its own store
/// ("failed to update store …: no such file").
fn refusal(status: u16, message: &str) -> Severity {
    let message = message.to_lowercase();
    // A container keeps its name a little longer than it is listed.
    let passes = [
        "in use by container",
        // A container keeps its endpoint a little longer than it is listed.
        "has active endpoints",
        "in progress",
        "is restarting",
        "try again",
        "context deadline",
        "context canceled",
        // A file server may start later than this host.
        "connection refused",
        "timed out",
        "no route to host",
        "host is down",
        "stale",
    ];
    let lasts = [
        "already allocated",
        "already in use",
        "runtime create failed",
        "invalid",
        "permission denied",
        "executable file",
        "cannot assign requested address",
        "no space left",
        "bind source path does not exist",
        "error while creating mount source path",
        "error while mounting volume",
        "failed to mount local volume",
        "error gathering device information",
        "could not select device driver",
        "read-only file system",
        "not a directory",
        "log driver",
    ];
    if passes.iter().any(|text| message.contains(text)) {
        Severity::Counted
    } else if (400..500).contains(&status) || lasts.iter().any(|text| message.contains(text)) {
        Severity::Final
    } else {
        Severity::Counted
    }
}

/// A connection to an engine. The engine may stop and start again.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    socket: String,
    /// Minor version of API 1; 0 until it is negotiated.
    minor: Arc<AtomicU32>,
    client: OnceLock<Docker>,
}

/// Description that the engine gives of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) version: String,
    pub(crate) api_version: String,
    pub(crate) image_store: String,
    pub(crate) os: String,
    pub(crate) architecture: String,
    /// Names of the engine's runtimes.
    pub(crate) runtimes: Vec<String>,
    /// Names of the drivers that requests for devices may use.
    pub(crate) device_drivers: Vec<String>,
}

impl Engine {
    /// Returns a client for the engine at `unix:///var/run/docker.sock`, for example. No request is sent yet.
    pub(crate) fn new(socket: &str) -> Self {
        Engine(Arc::new(Inner {
            socket: socket.to_owned(),
            minor: Arc::new(AtomicU32::new(0)),
            client: OnceLock::new(),
        }))
    }

    /// Asks the engine to describe itself, and negotiates the API version. It may be another engine than before.
    pub(crate) async fn connect(&self) -> Result<About, EngineError> {
        self.0.minor.store(0, Ordering::Relaxed);
        let client = self.client()?;
        let version = self.within(SHORT, client.version()).await?;
        let (newest, oldest) = (minor(version.api_version.as_ref()), minor(version.min_api_version.as_ref()));
        let spoken = NEWEST.min(newest.unwrap_or(NEWEST)).max(oldest.unwrap_or(0));
        self.0.minor.store(spoken, Ordering::Relaxed);
        let info = self.within(SHORT, client.info()).await?;
        let traces = devices::traces(&info);
        Ok(About {
            version: version.version.unwrap_or_default(),
            api_version: format!("1.{spoken}"),
            image_store: store(info.driver_status.as_deref().unwrap_or_default()).to_owned(),
            os: version.os.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
            device_drivers: drivers(&traces).into_iter().collect(),
            runtimes: traces.runtimes.into_iter().collect(),
        })
    }

    /// Checks that the engine answers.
    pub(crate) async fn ping(&self) -> Result<(), EngineError> {
        self.within(PROBE, self.client()?.ping()).await.map(drop)
    }

    /// Minor version of API 1 that is used.
    fn minor(&self) -> u32 {
        self.0.minor.load(Ordering::Relaxed)
    }

    /// Returns the client. Each of its requests names the negotiated version, which bollard does not do by itself.
    fn client(&self) -> Result<&Docker, EngineError> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        let minor = self.0.minor.clone();
        let client = Docker::connect_with_unix(&self.0.socket, IMAGE.as_secs(), API_DEFAULT_VERSION)
            .map_err(|error| self.error(error))?
            .with_request_modifier(move |request| pinned(request, minor.load(Ordering::Relaxed)));
        Ok(self.0.client.get_or_init(|| client))
    }

    /// Returns a client for one request that replaces bollard's body with this one.
    fn client_with_body(&self, body: Vec<u8>) -> Result<Docker, EngineError> {
        let minor = self.minor();
        let body = bytes::Bytes::from(body);
        Ok(self.client()?.clone().with_request_modifier(move |request| {
            let (parts, _) = pinned(request, minor).into_parts();
            BollardRequest::from_parts(parts, bollard::body_full(body.clone()))
        }))
    }

    /// Waits for an answer until a time limit.
    async fn within<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| self.error(error)),
            Err(_) => Err(EngineError::TimedOut(limit)),
        }
    }

    fn error(&self, error: bollard::errors::Error) -> EngineError {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                EngineError::Refused { status: status_code, message: message.trim().to_owned() }
            }
            Error::DockerStreamError { error } => EngineError::Refused { status: 500, message: error },
            Error::IOError { .. }
            | Error::HyperResponseError { .. }
            | Error::HyperLegacyError { .. }
            | Error::SocketNotFoundError(_)
            | Error::RequestTimeoutError => {
                EngineError::Unreachable { socket: self.0.socket.clone(), source: Box::new(error) }
            }
            error => EngineError::Unexpected(Box::new(error)),
        }
    }
}

/// Returns the minor version of an API version: 41 for `1.41`.
fn minor(version: Option<&String>) -> Option<u32> {
    version?.strip_prefix("1.")?.parse().ok()
}

/// Returns the kind of the image store. The containerd store names its snapshotter where the classic one describes its file
/// system.
fn store(status: &[Vec<String>]) -> &'static str {
    let containerd = status.iter().flatten().any(|text| text.starts_with("io.containerd.snapshotter"));
    if containerd { "containerd" } else { "classic" }
}

fn pinned(request: BollardRequest, minor: u32) -> BollardRequest {
    if minor == 0 {
        return request;
    }
    let (mut parts, body) = request.into_parts();
    let mut uri = parts.uri.clone().into_parts();
    let path = uri.path_and_query.as_ref().map_or("/", http::uri::PathAndQuery::as_str);
    if let Ok(path) = format!("/v1.{minor}{path}").parse() {
        uri.path_and_query = Some(path);
        if let Ok(uri) = http::Uri::from_parts(uri) {
            parts.uri = uri;
        }
    }
    BollardRequest::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_succeed_is_not_tried_again_and_what_passes_is() {
        for (status, message, severity) in [
            (500, "driver failed: Bind for 127.0.0.1:80 failed: port is already allocated", Severity::Final),
            (500, "failed to create task: OCI runtime create failed: exec: \"no-such\": not found", Severity::Final),
            (400, "invalid mount config for type \"bind\": bind source path does not exist: /x", Severity::Final),
            (
                500,
                "error while creating mount source path '/ro/x': mkdir /ro/x: read-only file system",
                Severity::Final,
            ),
            (500, "failed to mount local volume: mount /x:/var/lib/docker/volumes/x: no such file", Severity::Final),
            (500, "could not select device driver \"nvidia\" with capabilities: [[gpu]]", Severity::Final),
            (500, "error gathering device information while adding custom device \"/dev/x\"", Severity::Final),
            (409, "The container name \"/web\" is already in use by container \"6f2c\"", Severity::Counted),
            (409, "removal of container 6f2c is already in progress", Severity::Counted),
            (403, "error while removing network: network a_default id 684c has active endpoints", Severity::Counted),
            (500, "failed to update store for object type: open /var/lib/docker: no such file", Severity::Counted),
            (500, "context deadline exceeded", Severity::Counted),
            (500, "error while mounting volume 'x': mount :/x: connection refused", Severity::Counted),
            (500, "failed to mount local volume: mount :/x: connection timed out", Severity::Counted),
        ] {
            assert_eq!(refusal(status, message), severity, "{message}");
        }
    }
}
