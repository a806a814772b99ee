//! What a run says while it goes on: bars on a terminal, plain lines elsewhere, always on stderr.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use landfast_engine::listener::{Listener, Transfer};

use super::{escape, stderr};

/// The listener for this process's stderr.
pub fn listener(quiet: bool) -> Box<dyn Listener> {
    match (quiet, stderr::is_terminal()) {
        (true, _) => Box::new(Quiet),
        (false, true) => Box::new(Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))),
        (false, false) => Box::new(Lines),
    }
}

/// Says nothing but warnings.
struct Quiet;

impl Listener for Quiet {
    fn say(&self, _line: &str) {}

    fn warn(&self, line: &str) {
        stderr::line(&format!("warning: {}", escape::lines(line)));
    }

    fn transfer(&self, _what: &str, _total: u64) -> Box<dyn Transfer> {
        Box::new(Quiet)
    }
}

impl Transfer for Quiet {
    fn advance(&self, _bytes: u64) {}
}

/// One line for each thing.
struct Lines;

impl Listener for Lines {
    fn say(&self, line: &str) {
        stderr::line(&escape::lines(line));
    }

    fn warn(&self, line: &str) {
        stderr::line(&format!("warning: {}", escape::lines(line)));
    }

    fn transfer(&self, what: &str, total: u64) -> Box<dyn Transfer> {
        let what = escape::line(what).into_owned();
        match total {
            0 => stderr::line(&what),
            // Over before the line is read.
            1..WORTH_A_LINE => {}
            total => stderr::line(&format!("{what}: {}", indicatif::BinaryBytes(total))),
        }
        Box::new(Tally { what, total, state: Mutex::new((0, Instant::now())) })
    }
}

const WORTH_A_LINE: u64 = 1 << 20;

/// A line every few seconds, for transfers that take longer than that.
struct Tally {
    what: String,
    total: u64,
    state: Mutex<(u64, Instant)>,
}

const TALLY_EVERY: Duration = Duration::from_secs(5);

impl Transfer for Tally {
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

/// A bar for each transfer, lines above them.
struct Bars(MultiProgress);

impl Bars {
    /// Above the bars. `MultiProgress::suspend` panics when the terminal is gone, `println` returns the error.
    fn print(&self, line: &str) {
        match self.0.is_hidden() {
            true => stderr::line(line),
            false => drop(self.0.println(line)),
        }
    }
}

impl Listener for Bars {
    fn say(&self, line: &str) {
        self.print(&escape::lines(line));
    }

    fn warn(&self, line: &str) {
        self.print(&format!("warning: {}", escape::lines(line)));
    }

    fn transfer(&self, what: &str, total: u64) -> Box<dyn Transfer> {
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

impl Transfer for Bar {
    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
