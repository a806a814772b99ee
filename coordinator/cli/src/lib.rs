//! The `landfast` command: reads arguments, runs one verb, and prints what comes of it. Effects on hosts are made by
//! `landfast-engine`, decisions by `landfast-core`.

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

/// How a command ended; its number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done = 0,
    /// It failed, and the message says where and what to do next.
    Failed = 1,
    /// The command line or the answer to a question was not one to go on with.
    Usage = 2,
    /// `plan` found something to do.
    PlanNotEmpty = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Runs one command from its arguments, program name first, and prints why when it fails.
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
    // What still runs on other threads (a lookup, a read of the terminal) has nothing left to say.
    runtime.shutdown_background();
    exit.into()
}

/// Ends the process when a signal asks for it. The command may be blocked, such as in a read of the terminal, so the process
/// ends here and not in `main`.
async fn end_by_signal(receiver: signals::Receiver, signals: signals::Signals) {
    let number = receiver.end().await;
    if signals.is_stopping() {
        stderr::line("error: interrupted before the running steps were finished");
        stderr::line("hint: `landfast status` shows what is running; run the same command again to resume");
    }
    std::process::exit(128 + i32::from(number));
}

/// For those who look for a mistake in landfast itself: `LANDFAST_LOG=landfast=debug` says on stderr what takes how long.
fn listen_to_traces() {
    let Ok(filter) = EnvFilter::try_from_env("LANDFAST_LOG") else { return };
    // It can only be there already, when the library is used by something else.
    let colours = stderr::is_terminal();
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(|| Stderr).try_init());
}

/// clap has written its message, or the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    // A reader that went away does not change what the command line was.
    if let Err(unwritten) = error.print()
        && unwritten.kind() != io::ErrorKind::BrokenPipe
    {
        return Exit::Failed.into();
    }
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
