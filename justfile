# Short names for what a change needs. Each crate checks alone.

default: check

check crate="":
    cargo fmt --all -- --check
    cargo clippy {{ if crate == "" { "--workspace" } else { "-p " + crate } }} --all-targets -- -D warnings

test crate="":
    cargo test {{ if crate == "" { "--workspace" } else { "-p " + crate } }} --lib --bins

lab:
    ./tests/run.sh

deny:
    cargo deny check bans licenses sources
