//! Asks for confirmation on the terminal before something is changed. An empty answer means no.

use std::io::{BufRead as _, IsTerminal as _};

use crate::output::stderr;

use crate::CliError;

/// Returns whether the user confirms. Without a terminal and without `--yes`, this is a usage error.
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
        return Err(CliError::usage(
            "cannot ask for confirmation: standard error is closed",
            "add --yes to go on without a question",
        ));
    }
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CliError::failed("cannot read the answer from the terminal", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
