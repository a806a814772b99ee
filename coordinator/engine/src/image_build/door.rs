//! The way to a builder: an engine's socket, whose HTTP connections become plain streams of bytes; or a host's agent, which
//! passes such streams on.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{self, StreamExt as _};
use http::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use landfast_proto::v1::open_request::Part;
use landfast_proto::v1::{ControlEnd, OpenRequest, SessionEnd};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::ReaderStream;
use tonic::transport::server::Connected;

use crate::connect::Agent;
use crate::wire::problem;

use super::BuildError;

/// Where a builder is.
#[derive(Debug, Clone)]
pub enum Door {
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
    /// Behind a host's agent.
    Host(Box<Agent>),
}

/// One of the two connections of a build.
pub(super) enum End<'a> {
    /// The builder's questions: files, secrets.
    Session { id: &'a str, methods: &'a [String] },
    /// What is asked of the builder.
    Control,
}

impl Door {
    /// From what `DOCKER_HOST` says.
    pub fn of(host: &str) -> Option<Self> {
        match host.split_once("://")? {
            ("unix", path) => Some(Self::Unix(PathBuf::from(path))),
            ("tcp" | "http", address) => Some(Self::Tcp(address.trim_end_matches('/').to_owned())),
            _ => None,
        }
    }

    /// Opens a connection to the builder.
    pub(super) async fn open(&self, end: &End<'_>) -> Result<Wire, BuildError> {
        match self {
            Self::Unix(path) => upgrade(UnixStream::connect(path).await.map_err(unreachable)?, end).await,
            Self::Tcp(address) => upgrade(TcpStream::connect(address).await.map_err(unreachable)?, end).await,
            Self::Host(agent) => through(agent, end).await,
        }
    }
}

fn unreachable(error: std::io::Error) -> BuildError {
    BuildError::Engine { problem: error.to_string() }
}

/// Asks for the connection to become another one.
async fn upgrade<S>(stream: S, end: &End<'_>) -> Result<Wire, BuildError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| BuildError::Engine { problem: error.to_string() };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // It ends when the upgraded stream is dropped; an error of it shows there.
    tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(request(end)?).await.map_err(failed)?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let problem = match answer.status() {
            StatusCode::NOT_FOUND => "it has no BuildKit".to_owned(),
            status => format!("it answers {status}"),
        };
        return Err(BuildError::Engine { problem });
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(failed)?;
    Ok(Wire(Box::new(TokioIo::new(upgraded))))
}

/// Bytes on their way through an agent.
const BUFFER: usize = 256 << 10;

async fn through(agent: &Agent, end: &End<'_>) -> Result<Wire, BuildError> {
    let first = match end {
        End::Session { id, methods } => Part::Session(SessionEnd { id: (*id).to_owned(), methods: methods.to_vec() }),
        End::Control => Part::Control(ControlEnd {}),
    };
    let (near, far) = tokio::io::duplex(BUFFER);
    let (from, mut to) = tokio::io::split(far);
    let data =
        ReaderStream::with_capacity(from, BUFFER / 4).filter_map(|part| std::future::ready(part.ok().map(Part::Data)));
    let parts = stream::once(std::future::ready(first)).chain(data);
    let requests = parts.map(|part| OpenRequest { part: Some(part) });
    let failed =
        |status: tonic::Status| BuildError::Engine { problem: format!("{}: {}", agent.host(), problem(&status)) };
    let mut answers = agent.builder().open(requests).await.map_err(failed)?.into_inner();
    tokio::spawn(async move {
        while let Ok(Some(answer)) = answers.message().await {
            if to.write_all(&answer.data).await.is_err() {
                break;
            }
        }
        // Whoever reads finds the end.
        to.shutdown().await.ok();
    });
    Ok(Wire(Box::new(near)))
}

fn request(end: &End<'_>) -> Result<Request<String>, BuildError> {
    let path = match end {
        End::Session { .. } => "/session",
        End::Control => "/grpc",
    };
    let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, "engine");
    request = request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "h2c");
    if let End::Session { id, methods } = end {
        request =
            request.header("X-Docker-Expose-Session-Uuid", *id).header("X-Docker-Expose-Session-Name", "landfast");
        for method in *methods {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
    }
    request.body(String::new()).map_err(|error| BuildError::Engine { problem: error.to_string() })
}

/// A stream of bytes to the builder.
pub(super) struct Wire(Box<dyn Duplex>);

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
