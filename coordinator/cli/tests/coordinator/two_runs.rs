//! Two runs in one folder: one uses the store, and the other one is told so, waits, or only reads.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::commands::web;

#[tokio::test(flavor = "multi_thread")]
async fn f65_a_second_run_in_one_folder_is_told_who_uses_the_store_and_a_plan_is_shown() {
    let fleet = web().await;
    let store = fleet.engine().folder.store_for("up web").expect("a store");
    let refused = fleet.landfast(&["up", "--yes"]).await;
    let text = fleet.stable(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(
        text.contains(".landfast/state.redb is in use by anna@") && text.contains("`landfast up web`, since 20"),
        "{text}"
    );
    assert!(text.contains("hint: run the command again when the other one has ended, or pass --wait 10m"), "{text}");
    let plan = fleet.landfast(&["plan"]).await;
    assert_eq!(plan.status.code(), Some(3), "{}", fleet.stable(&plan.stderr));
    assert!(fleet.landfast(&["history"]).await.status.success());
    drop(store);
    assert!(fleet.landfast(&["up", "--yes"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn f65_a_second_run_in_one_folder_waits_until_the_first_one_has_ended() {
    let fleet = web().await;
    let store = fleet.engine().folder.store_for("up web").expect("a store");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfast"));
    command.args(["up", "--yes", "--wait", "60s"]).current_dir(fleet.path()).env_clear().stdin(Stdio::null());
    command.env("DOCKER_HOST", "unix:///nonexistent").stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let first = lines.next_line().await.expect("text").expect("a line");
    assert!(first.contains("waiting: ") && first.contains("is in use by anna@"), "{first}");
    drop(store);
    let mut rest = Vec::new();
    while let Some(line) = lines.next_line().await.expect("text") {
        rest.push(line);
    }
    assert!(child.wait().await.expect("ends").success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("done: ")), "{rest:?}");
}
