//! Closing the output (`landfast up 2>&1 | head -1`) stops the output only: the operation continues, and the exit code
//! stays the same.

use std::io::{BufRead as _, BufReader, PipeReader};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use crate::commands::web;
use crate::fleet::Fleet;

/// The command with standard output and standard error in one pipe.
fn command(fleet: &Fleet, arguments: &[&str]) -> (tokio::process::Command, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfast"));
    command.args(arguments).current_dir(fleet.path()).env_clear().env("DOCKER_HOST", "unix:///nonexistent");
    command.env("LANDFAST_LOG", "landfast=debug");
    command.stdin(Stdio::null()).stdout(writer.try_clone().expect("a pipe")).stderr(writer);
    (command, reader)
}

/// Runs the command with a closed output.
async fn unread(fleet: &Fleet, arguments: &[&str]) -> ExitStatus {
    let (mut command, reader) = command(fleet, arguments);
    drop(reader);
    command.kill_on_drop(true).status().await.expect("the command runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_a_closed_output_completes() {
    let fleet = web().await;
    assert_eq!(unread(&fleet, &["plan"]).await.code(), Some(3));
    assert_eq!(unread(&fleet, &["up"]).await.code(), Some(2), "no terminal to confirm on");
    assert_eq!(unread(&fleet, &["up", "--yes"]).await.code(), Some(0));
    assert_eq!(fleet.host("alpha").instances(), ["web/app.1"]);
    for (arguments, code) in [
        (&["status"][..], 0),
        (&["plan"], 0),
        (&["up", "--yes", "--format", "json"], 0),
        (&["logs", "app"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["fly"], 2),
        (&["up", "nosuch", "--yes"], 2),
        (&["-C", "nowhere", "plan"], 1),
    ] {
        assert_eq!(unread(&fleet, arguments).await.code(), Some(code), "{arguments:?}");
    }
    assert_eq!(unread(&fleet, &["down", "--yes"]).await.code(), Some(0));
    assert_eq!(fleet.host("alpha").instances(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_can_close_the_output_after_the_first_line() {
    let fleet = web().await;
    fleet.host("alpha").with(|state| state.unhealthy.insert("web/app.1".to_owned()));
    let (mut command, reader) = command(&fleet, &["up", "--yes"]);
    let mut process = command.env_remove("LANDFAST_LOG").spawn().expect("the command runs");
    drop(command);
    let read = tokio::task::spawn_blocking(move || BufReader::new(reader).lines().next());
    assert_eq!(
        read.await.expect("it ends").expect("a line").expect("text"),
        "1. create network infra_net on alpha: it spans the fleet; gateway 172.19.255.1"
    );
    // The rollout prints its next line only after this.
    fleet.host("alpha").with(|state| state.unhealthy.clear());
    assert_eq!(process.wait().await.expect("it ends").code(), Some(0));
    assert_eq!(fleet.host("alpha").instances(), ["web/app.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn following_a_log_ends_when_its_reader_does() {
    let fleet = web().await;
    fleet.up().await.expect("done");
    let followed = tokio::time::timeout(Duration::from_secs(20), unread(&fleet, &["logs", "-f", "app"])).await;
    assert_eq!(followed.expect("it ends").code(), Some(0));
}
