//! Asking before something is changed: only on a terminal, and never answered by silence.

use std::io::{BufRead as _, IsTerminal as _};

use crate::output::stderr;

use crate::CliError;

/// Whether to go on. Without a terminal there is nobody to ask, and that is a mistake in how the command was called.
pub(super) fn confirm(yes: bool, question: &str) -> Result<bool, CliError> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(
            "nobody to ask: standard input is not a terminal",
            "read the plan above, then add --yes",
        ));
    }
    if stderr::question(&format!("{question} [y/N] ")).is_err() {
        return Err(CliError::usage("nobody to ask: standard error is closed", "add --yes"));
    }
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CliError::failed("the terminal cannot be read", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
