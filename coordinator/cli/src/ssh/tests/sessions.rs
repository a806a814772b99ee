//! Tests of commands and file transfers, including hosts with unusual sshd settings or login shells.

use landfast_engine::Hint as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::*;
use super::sshd::{Sshd, SshdOptions, failure, open};

/// Checks that the session supports what joining a host needs: commands and large files.
pub(super) async fn works(session: &Session) {
    assert_eq!(session.run(["echo", "a:b", "c=d"]).await.unwrap(), "a:b c=d\n");
    let error = session.run(["ls", "/nowhere"]).await.unwrap_err().to_string();
    assert!(error.contains("`ls /nowhere`") && error.contains("No such file"), "{error}");
    assert!(session.run(["echo", "$HOME"]).await.unwrap_err().to_string().contains("cannot be sent"));
    assert!(!session.succeeds(["false"]).await.unwrap());

    let contents: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let staging = session.make_staging().await.unwrap();
    let file = format!("{staging}/file");
    let sent = std::cell::Cell::new(0);
    session.write(&file, &contents, 0o600, |bytes| sent.set(sent.get() + bytes)).await.unwrap();
    assert_eq!(sent.get(), 3_000_000);
    assert!(std::fs::read(&file).unwrap() == contents);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(session.write(&format!("{staging}/no/file"), b"x", 0o600, |_| ()).await.is_err());
    session.remove_staging(&staging).await.unwrap();
    assert!(!Path::new(&staging).exists());
}

#[tokio::test]
async fn a_session_runs_commands_and_writes_files() {
    let sshd = Sshd::start();
    let session = open(&sshd.known()).await.unwrap();
    works(&session).await;
    session.close().await;
}

#[tokio::test]
async fn a_full_disk_is_reported() {
    let sshd = Sshd::start();
    let session = open(&sshd.known()).await.unwrap();
    let error = session.write("/dev/full", &vec![1; 9_000_000], 0o600, |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("/dev/full") && error.contains("No space left"), "{error}");
}

#[tokio::test]
async fn a_host_without_sftp_and_with_one_session_at_a_time_is_supported() {
    let sshd = Sshd::with_options(&SshdOptions { settings: "MaxSessions 1", ..SshdOptions::default() });
    works(&open(&sshd.known()).await.unwrap()).await;
}

#[tokio::test]
async fn a_host_that_allows_no_session_is_reported() {
    let sshd = Sshd::with_options(&SshdOptions { settings: "MaxSessions 0", ..SshdOptions::default() });
    let error = failure(&sshd.known()).await;
    assert!(matches!(error, SshError::NoSession { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("MaxSessions"));
}

#[tokio::test]
async fn a_greeting_of_the_login_shell_is_ignored() {
    let greeting = "echo Welcome to Linux\nprintf 'no end of line'\necho a warning >&2\ntrap 'echo bye' EXIT";
    let sshd = Sshd::with_options(&SshdOptions { greeting, ..SshdOptions::default() });
    works(&open(&sshd.known()).await.unwrap()).await;
}

#[tokio::test]
async fn an_incomplete_file_is_reported() {
    let sshd = Sshd::with_options(&SshdOptions { greeting: "head -c 10 > /dev/null", ..SshdOptions::default() });
    let session = open(&sshd.known()).await.unwrap();
    let staging = session.make_staging().await.unwrap();
    let error = session.write(&format!("{staging}/file"), &[7; 100], 0o600, |_| ()).await.unwrap_err().to_string();
    session.remove_staging(&staging).await.unwrap();
    assert!(error.contains("/file cannot be written") && error.contains("of 100 bytes arrived"), "{error}");
}

#[tokio::test]
async fn a_user_without_a_shell_is_reported_with_its_output() {
    let greeting = "echo This account is not available.; exit 1";
    let error = failure(&Sshd::with_options(&SshdOptions { greeting, ..SshdOptions::default() }).known()).await;
    let text = error.to_string();
    assert!(matches!(error, SshError::Shell { .. }), "{error:?}");
    assert!(text.contains("This account is not available.") && text.contains("`id -u`"), "{text}");
}
