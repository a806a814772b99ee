//! Several builds in one run, on hosts with an old builder: they run in parallel, fail together, and leave nothing
//! behind.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, wait_until};

use crate::fixtures::demo;

/// Each of the first two builds waits for the other to begin.
const MEETING: &str = r#"
services:
  one:
    build:
      context: .
      additional_contexts: {shared: ../shared}
      dockerfile_inline: |
        FROM landfast/small:1
        COPY --from=shared note.txt /note.txt
        RUN --mount=type=cache,id=meeting,target=/meeting touch /meeting/one; for i in $$(seq 600); do [ -e /meeting/two ] && exit 0; sleep 0.1; done; exit 8
  two:
    build:
      context: .
      dockerfile_inline: |
        FROM landfast/small:1
        RUN --mount=type=cache,id=meeting,target=/meeting touch /meeting/two; for i in $$(seq 600); do [ -e /meeting/one ] && exit 0; sleep 0.1; done; exit 8
  also-two:
    image: demo-two
    build:
      context: .
      dockerfile_inline: |
        FROM landfast/small:1
        RUN --mount=type=cache,id=meeting,target=/meeting touch /meeting/two; for i in $$(seq 600); do [ -e /meeting/one ] && exit 0; sleep 0.1; done; exit 8
  after:
    build:
      context: .
      dockerfile_inline: |
        FROM demo-two
        RUN echo after
"#;

/// The first build fails while the second is running. The third is based on the first.
const FAILING: &str = r#"
services:
  broken:
    build:
      context: .
      dockerfile_inline: |
        FROM landfast/small:1
        RUN --mount=type=cache,id=failing,target=/meeting for i in $$(seq 600); do [ -e /meeting/slow ] && exit 7; sleep 0.1; done; exit 8
  slow:
    build:
      context: .
      additional_contexts: {shared: ../shared}
      dockerfile_inline: |
        FROM landfast/small:1
        COPY --from=shared note.txt /note.txt
        RUN --mount=type=cache,id=failing,target=/meeting touch /meeting/slow; sleep 54321
  waiting:
    build:
      context: .
      dockerfile_inline: |
        FROM demo-broken
        RUN echo never
"#;

fn fleet<'lab>(lab: &'lab Lab, compose: &str) -> Result<Fleet<'lab>> {
    for host in lab.hosts() {
        host.docker(&["builder", "prune", "-af"])?.succeeds()?;
    }
    let fleet = demo(lab, compose, "")?;
    fleet.write("shared/note.txt", "a note\n")?;
    fleet.install_agents()?;
    Ok(fleet)
}

fn folder_images(host: &Host) -> Result<String> {
    Ok(host.docker(&["image", "ls", "-q", "landfast-context"])?.succeeds()?.stdout)
}

#[test]
fn independent_builds_run_in_parallel_and_equal_builds_run_once() -> Result<()> {
    let lab = Lab::of(2)?;
    let built = fleet(&lab, MEETING)?.landfast(&["build"])?.succeeds()?;
    ensure!(built.stderr.contains("built: demo-after, demo-two, demo-one"), "each image should be built once: {built}");
    for name in ["demo-one: #", "demo-two: #", "demo-after: #"] {
        ensure!(built.stderr.contains(name), "the output should have lines of {name}: {built}");
    }
    let begun = built.stderr.find("build image demo-after\n");
    ensure!(built.stderr.rfind("demo-two: #") < begun, "demo-after should begin when its base exists: {built}");
    for host in lab.hosts() {
        assert_eq!(folder_images(host)?, "", "{}", host.name());
    }
    Ok(())
}

#[test]
fn when_a_build_fails_the_others_are_cancelled_and_nothing_is_left() -> Result<()> {
    let lab = Lab::of(2)?;
    let failed = fleet(&lab, FAILING)?.landfast(&["build"])?.exits(1)?;
    for part in [
        "not built, because another build failed: demo-slow, demo-waiting",
        "image demo-broken could not",
        "exit code: 7",
    ] {
        ensure!(failed.stderr.contains(part), "it should say {part}: {failed}");
    }
    for host in lab.hosts() {
        wait_until("the cancelled step has ended", Duration::from_secs(60), || {
            Ok(host.run(&["pgrep", "-f", "sleep 54321"])?.code != 0)
        })?;
        assert_eq!(folder_images(host)?, "", "{}", host.name());
    }
    Ok(())
}

/// The agent closes its connection to the engine together with the coordinator's, and the engine cancels the build.
#[test]
fn when_the_coordinator_is_killed_its_build_ends_on_the_host() -> Result<()> {
    let lab = Lab::of(1)?;
    let slow = "services:\n  slow:\n    build:\n      context: .\n      dockerfile_inline: |\n        FROM landfast/small:1\n        \
                RUN sleep 54322\n";
    let fleet = fleet(&lab, slow)?;
    let building = fleet.start(&["build"])?;
    let runs = |expected: bool| {
        let host = lab.host("alpha")?;
        wait_until(if expected { "the step runs" } else { "the step has ended" }, Duration::from_secs(60), || {
            Ok((host.run(&["pgrep", "-f", "sleep 54322"])?.code == 0) == expected)
        })
    };
    runs(true)?;
    building.kill()?;
    runs(false)
}
