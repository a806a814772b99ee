//! The properties that the fuzz targets check.
//!
//! Nothing here needs a fuzzer: the targets in `fuzz_targets/` pass what libFuzzer makes up to these checks, and
//! `tests/tests/fuzz_corpus.rs`, which takes this file in as a module, replays the kept inputs through them.

mod env_file;
mod interpolation;
mod project;

/// The loader that is fuzzed. The checks use it by this name alone.
pub(crate) use landfast_compose as compose;

/// A check of one input. It panics when the input breaks a property of the target.
pub type Check = fn(&[u8]);

/// Name of each target, as its file in `fuzz_targets/` has it, and its check.
pub const TARGETS: [(&str, Check); 3] =
    [("project", project::check), ("interpolation", interpolation::check), ("env_file", env_file::check)];

pub use env_file::check as check_env_file;
pub use interpolation::check as check_interpolation;
pub use project::check as check_project;

/// The part of an input that is text: all bytes before the first that is not UTF-8.
fn text_of(input: &[u8]) -> &str {
    match str::from_utf8(input) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&input[..error.valid_up_to()]).unwrap_or_default(),
    }
}
