//! The `landfast` command: parses the arguments, runs one verb, and prints the result. `landfast-engine` acts on the
//! hosts, and `landfast-core` makes the decisions.

pub mod arguments;
mod atomic_file;
mod context;
mod contract;
mod error;
pub mod output;
mod question;
pub mod signals;
pub mod ssh;
pub mod verbs;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::output::stderr::{self, Stderr};
use crate::verbs::Arguments;
pub use context::Context;
pub use error::CliError;

/// Result of a command. The number is the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Done = 0,
    /// The command failed.
    Failed = 1,
    /// The command line is invalid, or the user did not confirm.
    Usage = 2,
    /// `plan` found changes to make.
    PlanNotEmpty = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Runs one command and prints its error, if it fails. The first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    listen_to_traces();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            stderr::line(&format!("error: cannot start the threads of the runtime: {error}"));
            return Exit::Failed.into();
        }
    };
    let signals = match runtime.block_on(async { signals::Receiver::new() }) {
        Ok((receiver, signals)) => {
            runtime.spawn(end_by_signal(receiver, signals.clone()));
            signals
        }
        Err(error) => {
            stderr::line(&format!("error: cannot install the signal handlers: {error}"));
            return Exit::Failed.into();
        }
    };
    let exit = match runtime.block_on(verbs::dispatch(arguments, signals)) {
        Ok(exit) => exit,
        Err(error) => {
            error::print(&error);
            error.exit()
        }
    };
    // Tasks on other threads (a lookup, a read of the terminal) are abandoned: their result is not needed any more.
    runtime.shutdown_background();
    exit.into()
}

/// Ends the process when a signal asks for it. It ends here and not in `main`, because the command may be blocked, such
/// as in a read of the terminal.
async fn end_by_signal(receiver: signals::Receiver, signals: signals::Signals) {
    let number = receiver.end().await;
    if signals.is_stopping() {
        stderr::line("error: interrupted before the running steps were finished");
        stderr::line("hint: `landfast status` shows what is running; run the same command again to resume");
    }
    std::process::exit(128 + i32::from(number));
}

/// Prints traces of Landfast itself on stderr if `LANDFAST_LOG` is set, such as `LANDFAST_LOG=landfast=debug`.
fn listen_to_traces() {
    let Ok(filter) = EnvFilter::try_from_env("LANDFAST_LOG") else { return };
    let colours = stderr::is_terminal();
    // Fails only if a program that uses this library has set a subscriber already.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(|| Stderr).try_init());
}

/// Prints the message of clap, or the requested help, and returns the exit code.
fn refuse(error: &clap::Error) -> ExitCode {
    // A closed output does not change the exit code.
    if let Err(unwritten) = error.print()
        && unwritten.kind() != io::ErrorKind::BrokenPipe
    {
        return Exit::Failed.into();
    }
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
