//! Tests that huge input files are refused by the program itself, within 256 MiB of memory. The kernel enforces this
//! limit. The address space is not limited, because the allocator briefly reserves 128 MiB of it for each thread.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

const MEMORY: u64 = 256 << 20;
/// Seconds of processor time after which the kernel kills the process. The limit detects hangs and does not measure
/// performance.
const TIME: u64 = 30;

/// The error output of `landfast config` for an invalid project.
#[track_caller]
fn refusal(folder: &Path) -> String {
    let mut command = Command::new("prlimit");
    command.args([format!("--data={MEMORY}"), format!("--cpu={TIME}"), "--".to_owned()]);
    command.arg(env!("CARGO_BIN_EXE_landfast")).args(["config", "-f", "compose.yaml"]).current_dir(folder);
    let output = command.env("NO_COLOR", "1").output().expect("prlimit runs: it comes with util-linux");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(output.stdout.is_empty() && printed.len() < 100_000, "{} bytes of output", printed.len());
    printed
}

/// A project with one file.
fn project(text: impl AsRef<[u8]>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yaml"), text).unwrap();
    folder
}

/// A sparse file of this size, which occupies no disk space.
fn sparse(path: &Path, size: u64) {
    File::create(path).unwrap().set_len(size).unwrap();
}

#[track_caller]
fn assert_contains(printed: &str, parts: &[&str]) {
    for part in parts {
        assert!(printed.contains(part), "`{part}` is not in: {printed}");
    }
}

#[test]
fn a_compose_file_of_100_mib() {
    let folder = tempfile::tempdir().unwrap();
    sparse(&folder.path().join("compose.yaml"), 100 << 20);
    assert_contains(&refusal(folder.path()), &["compose.yaml is larger than 16 MiB"]);
}

#[test]
fn files_of_a_gibibyte_that_a_compose_file_names() {
    for (text, place) in [
        ("services:\n  a:\n    image: a\n    env_file: [big]\n", "compose.yaml:4:16: "),
        ("include: [big]\n", "compose.yaml:1:11: "),
        ("services:\n  a:\n    extends: {file: big, service: a}\n", "compose.yaml:3:5: "),
    ] {
        let folder = project(text);
        sparse(&folder.path().join("big"), 1 << 30);
        assert_contains(&refusal(folder.path()), &[place, "big: it is larger than 16 MiB"]);
    }
    let folder = project("services: {a: {image: a}}");
    sparse(&folder.path().join(".env"), 1 << 30);
    assert_contains(&refusal(folder.path()), &[".env is larger than 16 MiB"]);
}

#[test]
fn an_env_file_larger_than_the_limit_of_a_process() {
    let folder = project("services: {a: {image: a, env_file: [e]}}");
    fs::write(folder.path().join("e"), "A=1\n".repeat(1 << 20)).unwrap();
    assert_contains(&refusal(folder.path()), &["e: the env file is larger than 2 MiB"]);
}

#[test]
fn a_file_that_never_ends() {
    let folder = project("services: {a: {image: a, env_file: [/dev/zero]}}");
    assert_contains(&refusal(folder.path()), &["/dev/zero: it is larger than 16 MiB"]);
}

#[test]
fn values_that_are_nested_ten_thousand_deep() {
    let flow = format!("x-deep: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    let mappings = format!("x-deep: {}1{}\n", "{a: ".repeat(10_000), "}".repeat(10_000));
    let lists = format!("x-deep:\n  {}1\n", "- ".repeat(10_000));
    let block = |depth| (0..depth).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
    for text in [flow, mappings, lists, block(1_000)] {
        assert_contains(
            &refusal(project(text).path()),
            &["compose.yaml:", "values are nested more than 128 levels deep"],
        );
    }
    assert_contains(&refusal(project(block(10_000)).path()), &["compose.yaml is larger than 16 MiB"]);
}

#[test]
fn a_billion_laughs() {
    let mut text = "x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "x-{level}: &a{level} [{aliases}]").unwrap();
    }
    assert_contains(&refusal(project(text).path()), &["compose.yaml:5:", "expands to more than 100000 values"]);
}

#[test]
fn circular_and_remote_includes() {
    let folder = project("include: [other.yaml]\n");
    fs::write(folder.path().join("other.yaml"), "include: [compose.yaml]\n").unwrap();
    assert_contains(&refusal(folder.path()), &["other.yaml:1:11: files include each other in a cycle", "compose.yaml"]);
    let far = project("include: ['https://example.com/stack.git']\n");
    assert_contains(&refusal(far.path()), &["compose.yaml:1:11: ", "is remote, and remote files are not fetched"]);
}

#[test]
fn binary_files_and_duplicate_keys() {
    assert_contains(&refusal(project(b"services: {a: {image: \xff}}").path()), &["compose.yaml is not UTF-8 text"]);
    let folder = project("services: {a: {image: a, env_file: [e]}}");
    fs::write(folder.path().join("e"), b"A=\xff\n").unwrap();
    assert_contains(&refusal(folder.path()), &["compose.yaml:1:37: ", "e: not UTF-8 text"]);
    let twice = project("services:\n  a:\n    image: a\n    image: b\n");
    assert_contains(&refusal(twice.path()), &["compose.yaml:4:5: key `image` is already defined at line 3"]);
}

#[test]
fn nested_and_very_many_variables() {
    let nested = format!("services: {{a: {{image: '{}x{}'}}}}", "${A:-".repeat(100_000), "}".repeat(100_000));
    assert_contains(&refusal(project(nested).path()), &["compose.yaml:1:16: invalid interpolation format in `${A:-"]);
    let open = format!("services: {{a: {{image: '{}'}}}}", "${A:-".repeat(2_000_000));
    assert_contains(&refusal(project(open).path()), &["compose.yaml:1:16: invalid interpolation format in `${A:-"]);
    let flat: String = (0..1_000_000).map(|number| format!("$V{number}")).collect();
    assert_contains(&refusal(project(format!("services: {{a: {{imag: '{flat}'}}}}")).path()), &["unknown key `imag`"]);
}

#[test]
fn a_file_with_mistakes_everywhere() {
    let keys: String = (0..40_000).map(|number| format!("    k{number}: 1\n")).collect();
    let printed = refusal(project(format!("services:\n  a:\n    image: a\n{keys}")).path());
    assert_contains(&printed, &["compose.yaml:4:5: unknown key `k0`", "and 39900 more mistakes"]);
    let twice = "    k: 1\n".repeat(40_000);
    let printed = refusal(project(format!("services:\n  a:\n    image: a\n{twice}")).path());
    assert_contains(&printed, &["compose.yaml:5:5: key `k` is already defined at line 4", "more mistakes"]);
}
