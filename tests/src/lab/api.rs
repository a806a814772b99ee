//! Client for the HTTP API of a host's engine. It adds nothing to the calls, so their cost is the engine's own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Read timeout of a call. The slowest call loads a large image.
const LIMIT: Duration = Duration::from_secs(120);

/// API of an engine, reached over its socket. Each call opens its own connection.
#[derive(Debug, Clone)]
pub struct Api {
    pub(crate) socket: PathBuf,
}

impl Api {
    /// Sends `GET path` and returns the JSON answer.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, None)
    }

    /// Sends `POST path` with an optional JSON body. Returns null if the answer is empty.
    pub fn post(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call("POST", path, body)
    }

    /// Sends `DELETE path` and returns the answer.
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.call("DELETE", path, None)
    }

    /// Loads an image archive into the engine.
    pub(crate) fn load(&self, archive: &Path) -> Result<()> {
        let mut file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
        let mut stream = self.open()?;
        let size = file.metadata()?.len();
        send_head(&mut stream, "POST", "/images/load?quiet=1", "application/x-tar", size)?;
        std::io::copy(&mut file, &mut stream)?;
        let answer = String::from_utf8_lossy(&read_answer(&mut stream, "load")?).into_owned();
        ensure!(!answer.contains("errorDetail"), "the engine refused {}: {answer}", archive.display());
        Ok(())
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut stream = self.open()?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        send_head(&mut stream, method, path, "application/json", body.len() as u64)?;
        stream.write_all(body.as_bytes())?;
        let answer = read_answer(&mut stream, &format!("{method} {path}"))?;
        if answer.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).with_context(|| format!("the answer to {method} {path} is not JSON"))
    }

    fn open(&self) -> Result<UnixStream> {
        let stream =
            UnixStream::connect(&self.socket).with_context(|| format!("cannot reach {}", self.socket.display()))?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(stream)
    }
}

fn send_head(stream: &mut UnixStream, method: &str, path: &str, kind: &str, size: u64) -> Result<()> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    Ok(())
}

/// Returns the body of a successful answer. Fails with the engine's message otherwise.
fn read_answer(stream: &mut UnixStream, what: &str) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").with_context(|| format!("{what}: no answer"))?;
    let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
    let status: u16 = head.split_whitespace().nth(1).unwrap_or_default().parse().context("the answer has no status")?;
    let raw = &all[end + 4..];
    let body = if head.contains("transfer-encoding: chunked") { unchunk(raw)? } else { raw.to_vec() };
    if !(200..400).contains(&status) {
        bail!("{what}: {status} {}", String::from_utf8_lossy(&body).trim());
    }
    Ok(body)
}

fn unchunk(mut raw: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = raw.windows(2).position(|two| two == b"\r\n").context("a chunk has no size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..line])?.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        let start = line + 2;
        body.extend_from_slice(raw.get(start..start + size).context("a chunk is shorter than its size")?);
        raw = raw.get(start + size + 2..).context("a chunk has no line ending")?;
    }
}

#[cfg(test)]
mod tests {
    use super::unchunk;

    #[test]
    fn chunks_become_one_body() {
        assert_eq!(unchunk(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").expect("well-formed chunks"), b"abcde");
    }
}
