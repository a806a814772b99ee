//! Replays every input that fuzzing has kept, with the stable compiler and without libFuzzer.
//!
//! An input is a named seed, `tests/fuzz/seeds/TARGET/NAME`, or a member of the target's archive,
//! `tests/fuzz/corpus/TARGET.tar.gz`. Each is passed to the check that the fuzz target of that name runs. The head of
//! `tests/fuzz.sh` describes where the inputs come from, and how a crash becomes a regression test.

/// The checks of the fuzz targets.
#[path = "../fuzz/src/lib.rs"]
pub mod targets;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use targets::{Check, TARGETS};

/// Time in which one input must be checked; the fuzzer gives it as long.
const DEADLINE: Duration = Duration::from_secs(10);

struct Input {
    name: String,
    bytes: Vec<u8>,
}

#[test]
fn project_inputs_break_no_property() -> Result<()> {
    replay_all("project")
}

#[test]
fn interpolation_inputs_break_no_property() -> Result<()> {
    replay_all("interpolation")
}

#[test]
fn env_file_inputs_break_no_property() -> Result<()> {
    replay_all("env_file")
}

#[test]
fn each_fuzz_target_is_replayed() -> Result<()> {
    let files = sorted_files(&folder().join("fuzz_targets"))?;
    let files: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    let mut replayed = TARGETS.map(|(target, _)| target);
    replayed.sort_unstable();
    assert_eq!(files, replayed);
    Ok(())
}

#[test]
fn an_archive_that_is_missing_cut_off_damaged_or_empty_is_an_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.tar.gz");
    let refusal = |path: &Path| archived(path).err().map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(refusal(&path).contains("No such file"), "{}", refusal(&path));

    let whole = fs::read(archive("env_file"))?;
    fs::write(&path, &whole[..whole.len() - 9])?;
    assert!(refusal(&path).contains("is damaged"), "{}", refusal(&path));
    let mut changed = whole;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&path, &changed)?;
    assert!(refusal(&path).contains("is damaged"), "{}", refusal(&path));

    let nothing = tar::Builder::new(Vec::new()).into_inner()?;
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(&nothing[..], flate2::Compression::fast()).read_to_end(&mut packed)?;
    fs::write(&path, packed)?;
    assert!(refusal(&path).contains("has no inputs"), "{}", refusal(&path));
    Ok(())
}

#[test]
fn an_input_that_breaks_a_property_is_named() {
    let input = |name: &str| Input { name: name.to_owned(), bytes: name.as_bytes().to_vec() };
    let check = |bytes: &[u8]| assert_ne!(bytes, b"second");
    let broken = replay(check, [input("first"), input("second"), input("third")]);
    assert_eq!(broken, ["second: the check panicked"]);
}

/// Runs the check of a target over its seeds and its archive.
fn replay_all(target: &str) -> Result<()> {
    let (_, check) = TARGETS.into_iter().find(|(name, _)| *name == target).context("no such target")?;
    let (seeds, archived) = (seeds(&folder().join("seeds").join(target))?, archived(&archive(target))?);
    println!("{target}: {} seeds, {} archived inputs", seeds.len(), archived.len());
    let broken = replay(check, seeds.into_iter().chain(archived));
    ensure!(broken.is_empty(), "the target `{target}` fails on {} inputs:\n{}", broken.len(), broken.join("\n"));
    Ok(())
}

/// Runs a check over inputs, and returns the names of those that fail with what went wrong.
///
/// Each input has a thread of its name. So the message of a panic, or of a stack overflow, which ends the process, names
/// the input, and an input that takes too long does not hold up the rest.
fn replay(check: Check, inputs: impl IntoIterator<Item = Input>) -> Vec<String> {
    let fault = |Input { name, bytes }: Input| {
        let (done, is_done) = mpsc::channel();
        let work = move || {
            check(&bytes);
            done.send(()).expect("the test waits for the check");
        };
        thread::Builder::new().name(name.clone()).spawn(work).expect("a thread starts");
        match is_done.recv_timeout(DEADLINE) {
            Ok(()) => None,
            Err(RecvTimeoutError::Disconnected) => Some(format!("{name}: the check panicked")),
            Err(RecvTimeoutError::Timeout) => Some(format!("{name}: the check takes longer than {DEADLINE:?}")),
        }
    };
    inputs.into_iter().filter_map(fault).collect()
}

/// Reads the seeds in a folder, named by their paths.
fn seeds(folder: &Path) -> Result<Vec<Input>> {
    let files = sorted_files(folder)?;
    ensure!(!files.is_empty(), "{} has no seeds", folder.display());
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(self::folder()).unwrap_or(path).display().to_string();
        Ok(Input { name, bytes: fs::read(path)? })
    };
    files.iter().map(read).collect()
}

/// Reads the inputs in an archive, named by the archive and their names in it.
fn archived(path: &Path) -> Result<Vec<Input>> {
    let packed = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let damaged = || format!("{} is damaged; restore it, or write it anew with tests/fuzz.sh pack", path.display());
    // To the end, as the checksum is there.
    let mut plain = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut plain).with_context(damaged)?;
    let file = path.file_name().unwrap_or_default().display();
    let mut inputs = Vec::new();
    for entry in tar::Archive::new(&plain[..]).entries().with_context(damaged)? {
        let mut entry = entry.with_context(damaged)?;
        let name = format!("{file}/{}", entry.path()?.display());
        ensure!(entry.header().entry_type().is_file(), "{name} is not a file");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).with_context(damaged)?;
        inputs.push(Input { name, bytes });
    }
    ensure!(!inputs.is_empty(), "{} has no inputs", path.display());
    Ok(inputs)
}

fn archive(target: &str) -> PathBuf {
    folder().join("corpus").join(format!("{target}.tar.gz"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn sorted_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
