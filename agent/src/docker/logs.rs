//! Reads the output of containers.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _};

use super::{Engine, EngineError};

/// Which output to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogRequest {
    pub(crate) follow: bool,
    /// Number of lines to read from the end; `None` for all.
    pub(crate) tail: Option<u64>,
    /// Time from which to read, in nanoseconds of Unix time.
    pub(crate) since: Option<i64>,
}

/// One line, or a part of a long one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) stderr: bool,
    /// Time of the line, in nanoseconds of Unix time; 0 if the engine did not report it.
    pub(crate) time: i64,
    pub(crate) data: Bytes,
}

impl Engine {
    pub(crate) fn logs(
        &self,
        container: &str,
        request: &LogRequest,
    ) -> Result<impl Stream<Item = Result<Line, EngineError>> + Send + use<>, EngineError> {
        let since = request.since.unwrap_or(0);
        let options = LogsOptions {
            follow: request.follow,
            stdout: true,
            stderr: true,
            // The engine accepts whole seconds only. Earlier lines of the first second are dropped below.
            since: i32::try_from(since / 1_000_000_000).unwrap_or(i32::MAX),
            until: 0,
            timestamps: true,
            tail: request.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        };
        let engine = self.clone();
        let client = self.client()?.clone();
        let container = container.to_owned();
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        // The client's stream borrows the client. It ends with the receiver: nothing may be written to an output that is
        // followed, so both ends are watched. Cancel safe: a line that was taken is sent before the next one is awaited.
        tokio::spawn(async move {
            let mut output = std::pin::pin!(client.logs(&container, Some(options)));
            loop {
                let item = tokio::select! {
                    item = output.next() => item,
                    () = sender.closed() => None,
                };
                let Some(item) = item else { break };
                let line = item.map(line).map_err(|error| engine.error(error));
                if line.as_ref().is_ok_and(|line| line.time != 0 && line.time < since) {
                    continue;
                }
                if sender.send(line).await.is_err() {
                    break;
                }
            }
        });
        Ok(tokio_stream::wrappers::ReceiverStream::new(receiver))
    }
}

/// Number of last lines that are read to show why a container ended.
const LAST_LINES: u64 = 20;
/// Maximum length of the last lines in bytes. Their end is kept.
const LAST_BYTES: usize = 8 << 10;
/// Time limit for reading the last lines. The observation of the host waits for them, and a log driver may never answer.
const LAST_LIMIT: Duration = Duration::from_secs(2);

impl Engine {
    /// Returns the last lines that a container wrote; empty if its log driver does not support reading.
    pub(crate) async fn last_lines(&self, container: &str) -> String {
        let request = LogRequest { tail: Some(LAST_LINES), ..LogRequest::default() };
        let Ok(lines) = self.logs(container, &request) else { return String::new() };
        let read = lines.take_while(|line| std::future::ready(line.is_ok())).filter_map(async |line| line.ok());
        let read = tokio::time::timeout(LAST_LIMIT, read.collect::<Vec<_>>()).await.unwrap_or_default();
        last(&read)
    }
}

fn last(lines: &[Line]) -> String {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| line.data.iter().copied()).collect();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LAST_BYTES)..]).into_owned();
    text.trim_end().to_owned()
}

fn line(output: LogOutput) -> Line {
    let stderr = matches!(output, LogOutput::StdErr { .. });
    let message = output.into_bytes();
    let stamp = message.iter().take(40).position(|byte| *byte == b' ');
    let time = stamp.and_then(|end| {
        let time: jiff::Timestamp = std::str::from_utf8(&message[..end]).ok()?.parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok()
    });
    match (stamp, time) {
        (Some(end), Some(time)) => Line { stderr, time, data: message.slice(end + 1..) },
        _ => Line { stderr, time: 0, data: message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_time_is_taken_off_a_line() {
        let message = Bytes::from_static(b"2026-11-20T17:00:00.000000001Z hello world\n");
        let line = line(LogOutput::StdErr { message });
        assert_eq!(
            line,
            Line { stderr: true, time: 1_795_194_000_000_000_001, data: Bytes::from_static(b"hello world\n") }
        );
    }

    #[test]
    fn of_a_long_output_the_end_is_kept() {
        let line = |data: String| Line { stderr: false, time: 0, data: Bytes::from(data) };
        assert_eq!(last(&[line("one\n".to_owned()), line("two\n\n".to_owned())]), "one\ntwo");
        let long = last(&[line("x".repeat(LAST_BYTES)), line("the end\n".to_owned())]);
        assert!(long.len() <= LAST_BYTES && long.ends_with("xthe end"));
    }

    #[test]
    fn a_line_without_a_time_stays_whole() {
        let message = Bytes::from_static(b"hello world\n");
        assert_eq!(
            line(LogOutput::Console { message: message.clone() }),
            Line { stderr: false, time: 0, data: message }
        );
    }
}
