//! Progress of a build as lines in the plain style of Docker Compose, and the failed step with its last output.
use std::collections::{BTreeMap, VecDeque};

/// State of one build step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vertex {
    /// Digest that identifies the step.
    pub digest: String,
    /// Name of the step, such as `[2/3] RUN make`.
    pub name: String,
    /// Start time as Unix milliseconds.
    pub started: Option<u64>,
    /// End time as Unix milliseconds.
    pub completed: Option<u64>,
    /// Whether the result came from the cache.
    pub cached: bool,
    /// Error message; empty if the step did not fail.
    pub error: String,
}

/// Output of a build step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Digest of the step.
    pub vertex: String,
    /// Text of complete or partial lines.
    pub text: String,
}

/// The step at which a build failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStep {
    /// Name of the step, such as `[2/3] RUN make`.
    pub step: String,
    /// Last lines of its output.
    pub output: Vec<String>,
}

/// Maximum number of lines to repeat from a failed step.
const MAX_LAST_LINES: usize = 12;

/// Progress of a build so far.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// Steps by digest.
    steps: BTreeMap<String, Step>,
    numbers: usize,
    failed: Option<String>,
    masked: Vec<String>,
}

/// Minimum length of a line to mask: shorter text may occur by chance.
const MIN_MASKED: usize = 4;

#[derive(Debug, Clone, Default)]
struct Step {
    /// Number in the order of starts, from 1; 0 for a step that has not started.
    number: usize,
    name: String,
    ended: bool,
    /// Start of a line that is not complete yet.
    rest: String,
    last: VecDeque<String>,
}

impl Transcript {
    /// Creates a transcript that masks the lines of these secrets.
    pub fn masking<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let texts = secrets.into_iter().map(String::from_utf8_lossy);
        let lines = texts.flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
        Self { masked: lines.filter(|line| line.len() >= MIN_MASKED).collect(), ..Self::default() }
    }

    /// Returns a line with secrets masked.
    pub fn masked(&self, line: &str) -> String {
        self.masked.iter().fold(line.to_owned(), |line, secret| line.replace(secret, "•••"))
    }

    /// Receives news from the builder and returns the lines to print.
    pub fn receive(&mut self, vertexes: &[Vertex], logs: &[Log]) -> Vec<String> {
        let mut lines = Vec::new();
        for vertex in vertexes {
            self.begin(vertex, &mut lines);
        }
        for log in logs {
            self.log(log, &mut lines);
        }
        for vertex in vertexes {
            self.end(vertex, &mut lines);
        }
        lines.iter().map(|line| self.masked(line)).collect()
    }

    /// Returns the failed step, if there is one.
    pub fn failed(&self) -> Option<FailedStep> {
        let step = self.steps.get(self.failed.as_ref()?)?;
        let rest = (!step.rest.is_empty()).then(|| step.rest.clone());
        let output = step.last.iter().chain(&rest).map(|line| self.masked(line));
        Some(FailedStep { step: self.masked(&step.name), output: output.collect() })
    }

    fn begin(&mut self, vertex: &Vertex, lines: &mut Vec<String>) {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        step.name.clone_from(&vertex.name);
        if step.number == 0 && (vertex.started.is_some() || vertex.cached) {
            self.numbers += 1;
            step.number = self.numbers;
            lines.push(format!("#{} {}", step.number, step.name));
        }
    }

    fn log(&mut self, log: &Log, lines: &mut Vec<String>) {
        let Some(step) = self.steps.get_mut(&log.vertex) else { return };
        step.rest.push_str(&log.text);
        while let Some(end) = step.rest.find('\n') {
            let line = step.rest.drain(..=end).collect::<String>();
            // A progress bar overwrites its line, so only the last state is printed.
            let line = line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
            lines.push(format!("#{} {line}", step.number));
            step.last.push_back(line);
            if step.last.len() > MAX_LAST_LINES {
                step.last.pop_front();
            }
        }
    }

    fn end(&mut self, vertex: &Vertex, lines: &mut Vec<String>) {
        let Some(step) = self.steps.get_mut(&vertex.digest).filter(|step| !step.ended) else { return };
        let Some(completed) = vertex.completed else { return };
        step.ended = true;
        if !vertex.error.is_empty() {
            // A step that was cancelled because another one failed is not the cause.
            if self.failed.is_none() && !vertex.error.contains("context canceled") {
                self.failed = Some(vertex.digest.clone());
            }
            lines.push(format!("#{} ERROR: {}", step.number, vertex.error));
        } else if vertex.cached {
            lines.push(format!("#{} CACHED", step.number));
        } else {
            let took = completed.saturating_sub(vertex.started.unwrap_or(completed));
            lines.push(format!("#{} DONE {}.{}s", step.number, took / 1000, took % 1000 / 100));
        }
    }
}
