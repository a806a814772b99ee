# Short names for common tasks. `just --list` shows them.

oldest := `sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml`

# The tools that tests/setup.sh installs.
export PATH := env("LANDFAST_CACHE", justfile_directory() / "target/lab-cache") / "bin:" + env("PATH")

default: check

# Checks the format and the lints.
check crate="":
    cargo fmt --all -- --check
    cargo clippy {{ if crate == "" { "--workspace" } else { "-p " + crate } }} --all-targets -- -D warnings

# Runs all tests that need no lab, or the tests of one crate.
test crate="":
    {{ if crate == "" { "./tests/run.sh units" } else { "cargo test -p " + crate } }}

# Builds the documentation of all crates, private items included.
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items

# Checks all crates with the oldest compiler that the workspace supports.
msrv:
    cargo +{{ oldest }} check --workspace --lib --bins --target-dir target/oldest-compiler

# Checks licences, sources and bans of dependencies.
deny:
    cargo deny check bans licenses sources

# Runs everything, or only the scenarios whose name contains NAME.
lab name="":
    ./tests/run.sh {{ if name == "" { "" } else { "scenarios " + name } }}
