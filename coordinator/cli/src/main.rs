//! The `landfast` command: installs the TLS provider, reads the arguments, and turns the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    landfast_certs::install_provider();
    landfast::run(std::env::args_os())
}
