//! Assembles lines from the parts of an instance's output.

use landfast_proto::v1::LogsResponse;
use landfast_proto::v1::logs_response::Stream;

/// One line of output, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) instance: String,
    pub(super) stream: &'static str,
    /// Unix time in nanoseconds, or 0 if it is unknown.
    pub(super) time: i64,
    pub(super) text: String,
}

/// Received parts of unfinished lines, by stream.
#[derive(Debug)]
pub(super) struct Lines {
    instance: String,
    started: [Option<(i64, Vec<u8>)>; 2],
}

/// Maximum length of a line in bytes. Longer lines are split, so that an agent cannot exhaust the memory (T42).
const LONGEST: usize = 256 * 1024;

const STREAMS: [&str; 2] = ["stdout", "stderr"];

impl Lines {
    pub(super) fn of(instance: String) -> Self {
        Self { instance, started: [None, None] }
    }

    /// Adds a part and returns the lines that it completes.
    pub(super) fn add(&mut self, part: &LogsResponse) -> Vec<Line> {
        let stream = usize::from(part.stream() == Stream::Stderr);
        let mut ready = Vec::new();
        for piece in part.data.split_inclusive(|byte| *byte == b'\n') {
            let (_, text) = self.started[stream].get_or_insert_with(|| (part.time, Vec::new()));
            text.extend_from_slice(piece);
            if piece.ends_with(b"\n") || text.len() >= LONGEST {
                ready.extend(self.end(stream));
            }
        }
        ready
    }

    /// Returns the unfinished lines at the end of the output.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        (0..STREAMS.len()).filter_map(|stream| self.end(stream)).collect()
    }

    /// Returns the unfinished lines and a line that reports why the output was interrupted.
    pub(super) fn broken(&mut self, problem: &str) -> Vec<Line> {
        let mut lines = self.rest();
        let text = format!("(landfast: the log stream was interrupted: {problem})");
        lines.push(Line { instance: self.instance.clone(), stream: STREAMS[1], time: 0, text });
        lines
    }

    fn end(&mut self, stream: usize) -> Option<Line> {
        let (time, text) = self.started[stream].take()?;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = String::from_utf8_lossy(text).into_owned();
        Some(Line { instance: self.instance.clone(), stream: STREAMS[stream], time, text })
    }
}

#[cfg(test)]
mod tests {
    use landfast_proto::v1::LogsResponse;

    use super::{LONGEST, Lines};

    fn part(stream: i32, time: i64, data: &str) -> LogsResponse {
        LogsResponse { stream, time, data: data.to_owned().into() }
    }

    #[test]
    fn lines_are_put_together_by_stream_and_the_last_needs_no_end() {
        let mut lines = Lines::of("web/app.1".to_owned());
        assert_eq!(lines.add(&part(1, 5, "he")), []);
        let stderr = lines.add(&part(2, 6, "oops\r\nmore"));
        assert_eq!(
            stderr.iter().map(|line| (line.stream, line.text.as_str())).collect::<Vec<_>>(),
            [("stderr", "oops")]
        );
        let stdout = lines.add(&part(1, 7, "llo\n\n"));
        assert_eq!(
            stdout.iter().map(|line| (line.time, line.text.as_str())).collect::<Vec<_>>(),
            [(5, "hello"), (7, "")]
        );
        assert_eq!(lines.rest().len(), 1);
    }

    #[test]
    fn t42_a_line_without_an_end_is_cut() {
        let mut lines = Lines::of("web/app.1".to_owned());
        let long = "x".repeat(LONGEST / 2);
        assert_eq!(lines.add(&part(1, 1, &long)), []);
        assert_eq!(lines.add(&part(1, 1, &long))[0].text.len(), LONGEST);
    }
}
