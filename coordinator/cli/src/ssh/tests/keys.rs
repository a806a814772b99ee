//! Tests of public key authentication.

use landfast_engine::Hint as _;
use std::path::PathBuf;
use std::process::Command;

use super::super::route::Keys;
use super::super::*;
use super::sessions::works;
use super::sshd::{SshAgent, Sshd, SshdOptions, failure, make_key, open, run};

#[tokio::test]
async fn a_rejected_key_is_reported() {
    let sshd = Sshd::start();
    let with = |key: &str, keys: Keys| Hop { keys: Keys { files: vec![sshd.path(key)], ..keys }, ..sshd.known() };
    let required = || Keys { named: true, required: true, ..Keys::default() };
    let error = failure(&with("stranger", required())).await;
    assert!(matches!(&error, SshError::Login { tried, .. } if tried.contains("stranger")), "{error:?}");
    assert!(error.hint().unwrap().contains("--identity"));
    assert!(matches!(failure(&with("nothing", required())).await, SshError::Key { .. }));
    let error = failure(&with("nothing", Keys { named: true, ..Keys::default() })).await.to_string();
    assert!(error.contains("nothing (not found)"), "{error}");
    let error = failure(&with("nothing", Keys::default())).await.to_string();
    assert!(error.contains("no key, because no key was found"), "{error}");
}

#[tokio::test]
async fn an_encrypted_key_requires_ssh_agent() {
    for (kind, format) in [("ed25519", "RFC4716"), ("rsa", "PEM"), ("ecdsa", "PKCS8")] {
        let sshd = Sshd::start();
        let (open_file, locked) = (sshd.path("open"), sshd.path("locked"));
        make_key(&open_file, kind, "");
        std::fs::copy(sshd.path("open.pub"), sshd.path("authorized_keys")).unwrap();
        std::fs::copy(sshd.path("open.pub"), sshd.path("locked.pub")).unwrap();
        std::fs::copy(&open_file, &locked).unwrap();
        run(Command::new("ssh-keygen").args(["-q", "-p", "-m", format, "-N", "secret", "-f"]).arg(&locked));
        let keys = |required| Keys { files: vec![locked.clone()], named: true, required, ..Keys::default() };
        for required in [true, false] {
            let error = failure(&Hop { keys: keys(required), ..sshd.known() }).await;
            assert_eq!(matches!(error, SshError::EncryptedKey { .. }), required, "{format}: {error:?}");
            let (text, hint) = (error.to_string(), error.hint().unwrap());
            assert!(text.contains("locked") && text.contains("protected by a passphrase"), "{text}");
            assert!(hint.contains("`ssh-add ") && hint.contains("/locked`"), "{hint}");
        }
        // The agent holds the private key, and the file's public half identifies it.
        let agent = SshAgent::with(sshd.folder.path(), &[open_file]);
        let keys = Keys { agent: Some(agent.socket.clone()), ..keys(true) };
        open(&Hop { keys, ..sshd.known() }).await.unwrap();
    }
}

#[tokio::test]
async fn rsa_keys_log_in_from_a_file_and_from_ssh_agent() {
    let sshd = Sshd::start();
    make_key(&sshd.path("user_rsa"), "rsa", "");
    std::fs::copy(sshd.path("user_rsa.pub"), sshd.path("authorized_keys")).unwrap();
    // The PEM format that older versions of ssh-keygen wrote is supported too.
    std::fs::copy(sshd.path("user_rsa"), sshd.path("user_pem")).unwrap();
    run(Command::new("ssh-keygen").args(["-q", "-p", "-m", "PEM", "-N", "", "-f"]).arg(sshd.path("user_pem")));
    for file in ["user_rsa", "user_pem"] {
        let keys = Keys { files: vec![sshd.path(file)], named: true, required: true, ..Keys::default() };
        works(&open(&Hop { keys, ..sshd.known() }).await.unwrap()).await;
    }
    let agent = SshAgent::with(sshd.folder.path(), &[sshd.path("user_rsa")]);
    let keys = Keys { others: true, agent: Some(agent.socket.clone()), ..Keys::default() };
    open(&Hop { keys, ..sshd.known() }).await.unwrap();
    let log = sshd.log();
    assert_eq!(log.matches("Accepted publickey").count(), 3, "{log}");
}

#[tokio::test]
async fn a_short_rsa_key_does_not_block_other_keys() {
    let sshd = Sshd::start();
    run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f"]).arg(sshd.path("short")));
    let with = |files: &[&str], required| {
        let files = files.iter().map(|file| sshd.path(file)).collect();
        Hop { keys: Keys { files, named: required, required, ..Keys::default() }, ..sshd.known() }
    };
    open(&with(&["short", "user"], false)).await.unwrap();
    let error = failure(&with(&["short"], false)).await.to_string();
    assert!(error.contains("short (the key is not an RSA key of 2048 to 8192 bits)"), "{error}");
    assert!(matches!(failure(&with(&["short"], true)).await, SshError::Rsa { .. }));
}

#[tokio::test]
async fn only_the_named_key_of_an_agent_is_offered() {
    let sshd = Sshd::with_options(&SshdOptions { settings: "MaxAuthTries 2", ..SshdOptions::default() });
    let mut keys: Vec<PathBuf> = (0..6).map(|number| sshd.path(&format!("other{number}"))).collect();
    keys.iter().for_each(|key| make_key(key, "ed25519", ""));
    keys.push(sshd.path("user"));
    let agent = SshAgent::with(sshd.folder.path(), &keys);
    let with = |keys: Keys| Hop { keys: Keys { agent: Some(agent.socket.clone()), ..keys }, ..sshd.known() };

    let error = failure(&with(Keys { others: true, ..Keys::default() })).await;
    let (text, hint) = (error.to_string(), error.hint().unwrap());
    assert!(matches!(&error, SshError::Disconnected { .. }), "{error:?}");
    assert!(text.contains("Too many authentication failures") && text.contains("of ssh-agent"), "{text}");
    assert!(hint.contains("--identity") && hint.contains("IdentitiesOnly"), "{hint}");

    let named = |file: &str, required, others| {
        with(Keys { files: vec![sshd.path(file)], named: true, required, others, agent: None })
    };
    open(&named("user", true, false)).await.unwrap();
    open(&named("user", false, true)).await.unwrap();
    // The public key file is enough to select the key.
    open(&named("user.pub", true, false)).await.unwrap();
    std::fs::remove_file(sshd.path("user")).unwrap();
    let error = failure(&named("stranger.pub", true, false)).await;
    assert!(matches!(error, SshError::PublicOnly { .. }), "{error:?}");
    open(&named("user", false, false)).await.unwrap();
}

#[tokio::test]
async fn a_host_that_only_accepts_passwords_is_reported() {
    let settings = "PubkeyAuthentication no\nKbdInteractiveAuthentication yes";
    let error =
        failure(&Sshd::with_options(&SshdOptions { settings, ..SshdOptions::default() }).known()).await.to_string();
    assert!(error.contains("the host offers only keyboard-interactive"), "{error}");
}
