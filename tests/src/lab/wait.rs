//! Waiting for a condition with a deadline: no test sleeps for a time it guessed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks. A look is cheap; a test that waits is not.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until the condition holds. `what` completes the sentence "waited 30s until …".
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, limit, || Ok(holds()?.then_some(())))
}

/// Waits until there is a value. Errors of the look count as "not yet"; the last one is told when time is up.
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

/// Waits until the condition holds, looking as often as it can: for moments that are over at once.
pub fn catch(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds()? {
        if began.elapsed() > limit {
            bail!("never caught the moment when {what}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
