//! Progress of a command on stderr: bars on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use landfast_engine::event::{Event, Listener};

use super::{escape, stderr, words};

/// Prints the progress of a command.
pub trait Printer: Send + Sync {
    /// Prints one thing that happened, as a sentence.
    fn say(&self, line: &str);
    /// Prints a problem that stops nothing.
    fn warn(&self, line: &str);
    /// Begins to show a transfer of `total` bytes; 0 means that the size is not known.
    fn transfer(&self, what: &str, total: u64) -> Box<dyn Bytes>;
}

/// A transfer that is shown until it is dropped.
pub trait Bytes: Send + Sync {
    /// Adds bytes that were sent.
    fn advance(&self, bytes: u64);
}

/// Returns the printer for the stderr of this process.
pub fn printer(quiet: bool) -> Box<dyn Printer> {
    match (quiet, stderr::is_terminal()) {
        (true, _) => Box::new(Quiet),
        (false, true) => Box::new(Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))),
        (false, false) => Box::new(Lines),
    }
}

/// Prints the events of a run.
pub struct ProgressPrinter {
    printer: Box<dyn Printer>,
    transfers: Mutex<BTreeMap<u64, Box<dyn Bytes>>>,
}

impl ProgressPrinter {
    /// Makes a printer of events from a printer of lines.
    pub fn new(printer: Box<dyn Printer>) -> Self {
        Self { printer, transfers: Mutex::default() }
    }

    fn transfers(&self) -> MutexGuard<'_, BTreeMap<u64, Box<dyn Bytes>>> {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for ProgressPrinter {
    type Target = dyn Printer;

    fn deref(&self) -> &Self::Target {
        &*self.printer
    }
}

impl Listener for ProgressPrinter {
    fn report(&self, event: Event) {
        match event {
            Event::TransferStarted { id, content, bytes } => {
                let shown = self.printer.transfer(&words::content(&content), bytes.unwrap_or(0));
                self.transfers().insert(id, shown);
            }
            Event::TransferAdvanced { id, bytes } => {
                if let Some(shown) = self.transfers().get(&id) {
                    shown.advance(bytes);
                }
            }
            Event::TransferEnded { id } => drop(self.transfers().remove(&id)),
            Event::Warning(warning) => self.printer.warn(&words::warning(&warning)),
            event => self.printer.say(&words::event(&event)),
        }
    }
}

/// Printer that prints only warnings.
struct Quiet;

impl Printer for Quiet {
    fn say(&self, _line: &str) {}

    fn warn(&self, line: &str) {
        stderr::line(&format!("warning: {}", escape::lines(line)));
    }

    fn transfer(&self, _what: &str, _total: u64) -> Box<dyn Bytes> {
        Box::new(Quiet)
    }
}

impl Bytes for Quiet {
    fn advance(&self, _bytes: u64) {}
}

/// Printer that writes plain lines, for output that is not a terminal.
struct Lines;

impl Printer for Lines {
    fn say(&self, line: &str) {
        stderr::line(&escape::lines(line));
    }

    fn warn(&self, line: &str) {
        stderr::line(&format!("warning: {}", escape::lines(line)));
    }

    fn transfer(&self, what: &str, total: u64) -> Box<dyn Bytes> {
        let what = escape::line(what).into_owned();
        match total {
            0 => stderr::line(&what),
            // Small transfers end too soon to be worth a line.
            1..WORTH_A_LINE => {}
            total => stderr::line(&format!("{what}: {}", indicatif::BinaryBytes(total))),
        }
        Box::new(Tally { what, total, state: Mutex::new((0, Instant::now())) })
    }
}

const WORTH_A_LINE: u64 = 1 << 20;

/// Progress of one transfer, printed as a line every few seconds.
struct Tally {
    what: String,
    total: u64,
    state: Mutex<(u64, Instant)>,
}

const TALLY_EVERY: Duration = Duration::from_secs(5);

impl Bytes for Tally {
    fn advance(&self, bytes: u64) {
        let Ok(mut state) = self.state.lock() else { return };
        state.0 += bytes;
        if state.1.elapsed() < TALLY_EVERY {
            return;
        }
        state.1 = Instant::now();
        let done = indicatif::BinaryBytes(state.0);
        match self.total {
            0 => stderr::line(&format!("{}: {done} so far", self.what)),
            total => stderr::line(&format!("{}: {done} of {}", self.what, indicatif::BinaryBytes(total))),
        }
    }
}

/// Printer for a terminal: a bar for each transfer, and lines above the bars.
struct Bars(MultiProgress);

impl Bars {
    /// Prints a line above the bars. `MultiProgress::suspend` panics when the terminal is closed, but `println` returns an
    /// error.
    fn print(&self, line: &str) {
        match self.0.is_hidden() {
            true => stderr::line(line),
            false => drop(self.0.println(line)),
        }
    }
}

impl Printer for Bars {
    fn say(&self, line: &str) {
        self.print(&escape::lines(line));
    }

    fn warn(&self, line: &str) {
        self.print(&format!("warning: {}", escape::lines(line)));
    }

    fn transfer(&self, what: &str, total: u64) -> Box<dyn Bytes> {
        let (bar, template) = match total {
            0 => (ProgressBar::new_spinner(), "{spinner} {msg} {bytes} {bytes_per_sec}"),
            total => (ProgressBar::new(total), "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}"),
        };
        let style = ProgressStyle::with_template(template).expect("the templates above are well-formed");
        let bar = self.0.add(bar.with_style(style).with_message(escape::line(what).into_owned()));
        Box::new(Bar(bar))
    }
}

struct Bar(ProgressBar);

impl Bytes for Bar {
    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
