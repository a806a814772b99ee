//! What a build says of itself, as lines in the reference's plain style; and, when it fails, which step failed and its
//! last words.
use std::collections::{BTreeMap, VecDeque};

/// News of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vertex {
    /// Which one.
    pub digest: String,
    /// `[2/3] RUN make`.
    pub name: String,
    /// When it began, in Unix milliseconds.
    pub started: Option<u64>,
    /// When it ended.
    pub completed: Option<u64>,
    /// Its result was there already.
    pub cached: bool,
    /// Why it failed; empty when it did not.
    pub error: String,
}

/// Output of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Of which one.
    pub vertex: String,
    /// Whole lines or parts of them.
    pub text: String,
}

/// The step at which a build failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStep {
    /// `[2/3] RUN make`.
    pub step: String,
    /// Its last lines.
    pub output: Vec<String>,
}

/// Lines of a failed step that are worth repeating.
const LAST_WORDS: usize = 12;

/// A build so far.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// By digest.
    steps: BTreeMap<String, Step>,
    numbers: usize,
    failed: Option<String>,
    masked: Vec<String>,
}

/// What is shorter than this may stand anywhere by chance.
const SHORTEST_MASKED: usize = 4;

#[derive(Debug, Clone, Default)]
struct Step {
    /// From 1, in the order in which they began; 0 for one that has not.
    number: usize,
    name: String,
    ended: bool,
    /// What has no line end yet.
    rest: String,
    last: VecDeque<String>,
}

impl Transcript {
    /// One in which the lines of these secrets are not repeated, whatever a step prints.
    pub fn masking<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let texts = secrets.into_iter().map(String::from_utf8_lossy);
        let lines = texts.flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
        Self { masked: lines.filter(|line| line.len() >= SHORTEST_MASKED).collect(), ..Self::default() }
    }

    /// The same without secrets.
    pub fn masked(&self, line: &str) -> String {
        self.masked.iter().fold(line.to_owned(), |line, secret| line.replace(secret, "•••"))
    }

    /// What there is to say now.
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

    /// The step that failed, if one did.
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
            // What a progress bar overwrites is not for a log.
            let line = line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
            lines.push(format!("#{} {line}", step.number));
            step.last.push_back(line);
            if step.last.len() > LAST_WORDS {
                step.last.pop_front();
            }
        }
    }

    fn end(&mut self, vertex: &Vertex, lines: &mut Vec<String>) {
        let Some(step) = self.steps.get_mut(&vertex.digest).filter(|step| !step.ended) else { return };
        let Some(completed) = vertex.completed else { return };
        step.ended = true;
        if !vertex.error.is_empty() {
            // One that was given up because another failed says so, and is not the reason.
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
