//! Opens connections to the builder inside the engine: connections of its socket that become plain streams of bytes.

use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::{Engine, EngineError};

/// One of the two connections of a build.
pub(crate) enum BuilderEnd {
    /// The connection on which the builder sends its requests.
    Session { id: String, methods: Vec<String> },
    /// The connection on which the builder receives requests.
    Control,
}

impl Engine {
    /// Opens a connection to the builder.
    pub(crate) async fn open_builder(
        &self,
        end: &BuilderEnd,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + use<>, EngineError> {
        let path = self.0.socket.strip_prefix("unix://").unwrap_or(&self.0.socket);
        let away = |source: bollard::errors::Error| self.error(source);
        let stream = UnixStream::connect(path).await.map_err(|error| away(error.into()))?;
        let lost = |error: hyper::Error| away(std::io::Error::other(error).into());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        // The connection ends with the upgraded stream, which also reports its errors.
        tokio::spawn(connection.with_upgrades());
        let answer = sender.send_request(request(end)?).await.map_err(lost)?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            StatusCode::NOT_FOUND => return Err(EngineError::Unsupported("this engine has no BuildKit".to_owned())),
            status => {
                return Err(EngineError::Unsupported(format!(
                    "the engine's builder cannot be opened: the engine answered {status}"
                )));
            }
        }
        Ok(TokioIo::new(hyper::upgrade::on(answer).await.map_err(lost)?))
    }
}

fn request(end: &BuilderEnd) -> Result<Request<String>, EngineError> {
    let path = match end {
        BuilderEnd::Session { .. } => "/session",
        BuilderEnd::Control => "/grpc",
    };
    let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, "engine");
    request = request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "h2c");
    let wrong = || EngineError::Unsupported("a session's id and methods are plain words".to_owned());
    if let BuilderEnd::Session { id, methods } = end {
        request = request.header("X-Docker-Expose-Session-Uuid", HeaderValue::from_str(id).map_err(|_| wrong())?);
        request = request.header("X-Docker-Expose-Session-Name", "landfast");
        for method in methods {
            let method = HeaderValue::from_str(method).map_err(|_| wrong())?;
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
    }
    request.body(String::new()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_word_is_no_header() {
        let end = |id: &str| BuilderEnd::Session { id: id.to_owned(), methods: vec!["/a/B".to_owned()] };
        let request = request(&end("one")).expect("a plain word");
        assert_eq!(
            (request.uri().path(), request.headers()["x-docker-expose-session-uuid"].as_bytes()),
            ("/session", &b"one"[..])
        );
        assert!(super::request(&end("one\r\nHost: other")).is_err());
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_away() {
        let opened = Engine::new("unix:///nowhere/docker.sock").open_builder(&BuilderEnd::Control).await;
        assert!(matches!(opened.err(), Some(EngineError::Unreachable { .. })));
    }
}
