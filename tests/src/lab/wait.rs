//! Waits for a condition with a deadline, so that no test sleeps for a guessed time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until the condition holds. `what` completes the sentence "waited 30s until …".
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, limit, || Ok(holds()?.then_some(())))
}

/// Waits until `look` returns a value. Its errors count as "not yet"; after `limit`, the last one is reported.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    let mut last = String::from("it did not hold");
    loop {
        match look() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => last = format!("{error:#}"),
        }
        if began.elapsed() > limit {
            bail!("waited {limit:.0?} until {what}: {last}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until the condition holds, checking as often as possible: for states that last only a moment.
pub fn catch(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds()? {
        if began.elapsed() > limit {
            bail!("waited {limit:.0?} and never saw that {what}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
