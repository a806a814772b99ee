//! Connections to a builder: through an engine's socket, where an HTTP connection is upgraded to a plain byte stream,
//! or through a host's agent, which forwards such a stream.

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

/// Address of a builder.
#[derive(Debug, Clone)]
pub enum BuilderAddress {
    Unix(PathBuf),
    /// Host and port of an engine.
    Tcp(String),
    /// The engine of a host, through its agent.
    Host(Box<Agent>),
}

/// The two connections that a build requires.
pub(super) enum Connection<'a> {
    /// The session, over which the builder requests files, secrets and logins.
    Session { id: &'a str, methods: &'a [String] },
    /// The control connection, over which the build is requested.
    Control,
}

impl BuilderAddress {
    /// Parses the value of `DOCKER_HOST`. Returns `None` for unsupported schemes.
    pub fn of(host: &str) -> Option<Self> {
        match host.split_once("://")? {
            ("unix", path) => Some(Self::Unix(PathBuf::from(path))),
            ("tcp" | "http", address) => Some(Self::Tcp(address.trim_end_matches('/').to_owned())),
            _ => None,
        }
    }

    /// Opens a connection to the builder.
    pub(super) async fn open(&self, end: &Connection<'_>) -> Result<BuilderStream, BuildError> {
        match self {
            Self::Unix(path) => upgrade(UnixStream::connect(path).await.map_err(unreachable)?, end).await,
            Self::Tcp(address) => upgrade(TcpStream::connect(address).await.map_err(unreachable)?, end).await,
            Self::Host(agent) => open_through_agent(agent, end).await,
        }
    }
}

fn unreachable(error: std::io::Error) -> BuildError {
    BuildError::Engine { problem: error.to_string() }
}

/// Requests an HTTP upgrade to a byte stream.
async fn upgrade<S>(stream: S, end: &Connection<'_>) -> Result<BuilderStream, BuildError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| BuildError::Engine { problem: error.to_string() };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // The task ends when the upgraded stream is dropped. Errors are returned by the stream.
    tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(request(end)?).await.map_err(failed)?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let problem = match answer.status() {
            StatusCode::NOT_FOUND => "it does not support BuildKit".to_owned(),
            status => format!("it responded with {status}"),
        };
        return Err(BuildError::Engine { problem });
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(failed)?;
    Ok(BuilderStream(Box::new(TokioIo::new(upgraded))))
}

/// Buffer size of a stream through an agent, in bytes.
const BUFFER: usize = 256 << 10;

async fn open_through_agent(agent: &Agent, end: &Connection<'_>) -> Result<BuilderStream, BuildError> {
    let first = match end {
        Connection::Session { id, methods } => {
            Part::Session(SessionEnd { id: (*id).to_owned(), methods: methods.to_vec() })
        }
        Connection::Control => Part::Control(ControlEnd {}),
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
        // Shutting down the stream signals its end to the reader.
        to.shutdown().await.ok();
    });
    Ok(BuilderStream(Box::new(near)))
}

fn request(end: &Connection<'_>) -> Result<Request<String>, BuildError> {
    let path = match end {
        Connection::Session { .. } => "/session",
        Connection::Control => "/grpc",
    };
    let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, "engine");
    request = request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "h2c");
    if let Connection::Session { id, methods } = end {
        request =
            request.header("X-Docker-Expose-Session-Uuid", *id).header("X-Docker-Expose-Session-Name", "landfast");
        for method in *methods {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
    }
    request.body(String::new()).map_err(|error| BuildError::Engine { problem: error.to_string() })
}

/// A byte stream to the builder.
pub(super) struct BuilderStream(Box<dyn Duplex>);

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Connected for BuilderStream {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for BuilderStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for BuilderStream {
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
