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
            "cannot ask for confirmation: standard input is not a terminal",
            "review the plan above, then run the command again with --yes",
        ));
    }
    if stderr::question(&format!("{question} [y/N] ")).is_err() {
        return Err(CliError::usage("cannot ask for confirmation: standard error is closed", "add --yes to go on without a question"));
    }
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CliError::failed("cannot read the answer from the terminal", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
