//! The user's logins at registries: from Docker's `config.json` and the credential helpers that it names, which run
//! like the docker command runs them. Each registry is looked up once per operation.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use landfast_core::image_build::{Credentials, Helper, HelperError, Login, LoginSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::event::{Event, Listener, Warning};

/// Time limit of a credential helper. Some helpers ask the user first.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum size of a helper's answer in bytes. A token has a few thousand.
const MAX_ANSWER: u64 = 64 << 10;

/// A failure to get a login. The messages contain no secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error(transparent)]
    Helper(#[from] HelperError),
    #[error("{program}, the credential helper for {server} in config.json, is not in PATH")]
    Missing { program: String, server: String },
    #[error("{program} cannot be run: {reason}")]
    CannotRun { program: String, reason: std::io::Error },
    #[error("{program} did not answer for {server} within {} s", .limit.as_secs())]
    Timeout { program: String, server: String, limit: Duration },
    #[error("the answer of {program} for {server} is larger than 64 KiB")]
    AnswerTooLarge { program: String, server: String },
}

type Answer = Result<Option<Login>, Arc<LoginError>>;

/// The logins of an operation. Without `Debug`, because they must not be printed.
pub struct Logins {
    credentials: Credentials,
    environment: BTreeMap<String, String>,
    timeout: Duration,
    /// Answers keyed by registry. The lock lets only one helper run at a time, because two may ask the user the same
    /// question.
    answers: Mutex<BTreeMap<String, Answer>>,
}

impl Logins {
    /// Reads the logins that `docker login` stored, as far as the file is readable.
    pub fn read(environment: &BTreeMap<String, String>, listener: &Arc<dyn Listener>) -> Arc<Self> {
        let folder = environment.get("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| Some(Path::new(environment.get("HOME")?).join(".docker")));
        let read = folder.map(|folder| folder.join("config.json")).and_then(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            match Credentials::parse(&text) {
                Ok(credentials) => Some(credentials),
                Err(problem) => {
                    let problem = problem.to_string();
                    listener.report(Event::Warning(Warning::LoginsUnreadable { path, problem }));
                    None
                }
            }
        });
        Arc::new(Self::new(read.unwrap_or_default(), environment.clone(), HELPER_TIMEOUT))
    }

    fn new(credentials: Credentials, environment: BTreeMap<String, String>, timeout: Duration) -> Self {
        Self { credentials, environment, timeout, answers: Mutex::default() }
    }

    /// The login for the registry with this host name. `None` means anonymous access.
    pub(super) async fn of(&self, host: &str) -> Answer {
        let mut answers = self.answers.lock().await;
        if let Some(answer) = answers.get(host) {
            return answer.clone();
        }
        let answer = self.ask(host).await.map_err(Arc::new);
        answers.insert(host.to_owned(), answer.clone());
        answer
    }

    async fn ask(&self, host: &str) -> Result<Option<Login>, LoginError> {
        match self.credentials.of(host)? {
            LoginSource::None => Ok(None),
            LoginSource::Login(login) => Ok(Some(login)),
            LoginSource::Helper(helper) => self.run(&helper).await,
        }
    }

    async fn run(&self, helper: &Helper) -> Result<Option<Login>, LoginError> {
        let Helper { program, server } = helper.clone();
        let path = self.environment.get("PATH").map(String::as_str).unwrap_or_default();
        let Some(file) = find(&program, path) else { return Err(LoginError::Missing { program, server }) };
        let answer = tokio::time::timeout(self.timeout, run_helper(&file, &server, &self.environment)).await;
        let slow = || LoginError::Timeout { program: program.clone(), server: server.clone(), limit: self.timeout };
        let (succeeded, output) =
            answer.map_err(|_| slow())?.map_err(|reason| LoginError::CannotRun { program: program.clone(), reason })?;
        if output.len() as u64 > MAX_ANSWER {
            return Err(LoginError::AnswerTooLarge { program, server });
        }
        Ok(helper.answered(succeeded, &output)?)
    }
}

/// Finds a program in `PATH`. Relative folders are skipped: the user does not intend to run programs from the current
/// folder.
fn find(program: &str, path: &str) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    folders.map(|folder| Path::new(folder).join(program)).find(is_program)
}

/// Runs a credential helper and reads its answer, up to one byte more than the maximum. The helper is killed when the
/// future is dropped. Its standard error is inherited, like with the docker command.
async fn run_helper(
    file: &Path,
    server: &str,
    environment: &BTreeMap<String, String>,
) -> std::io::Result<(bool, Vec<u8>)> {
    let mut command = Command::new(file);
    command.arg("get").env_clear().envs(environment).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input reports that in its answer.
        input.write_all(server.as_bytes()).await.ok();
    }
    let mut output = Vec::new();
    if let Some(answer) = child.stdout.take() {
        answer.take(MAX_ANSWER + 1).read_to_end(&mut output).await?;
    }
    if output.len() as u64 > MAX_ANSWER {
        return Ok((false, output));
    }
    Ok((child.wait().await?.success(), output))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a program `docker-credential-fake` that runs this script.
    fn fake(script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("script"), format!("#!/bin/sh\n{script}\n")).expect("written");
        // Another process installs the file. A file that this process or one of its children has open for writing
        // cannot be executed.
        let mut install = std::process::Command::new("install");
        install.args(["-m", "700", "script", "docker-credential-fake"]).current_dir(folder.path());
        assert!(install.status().expect("it runs").success());
        folder
    }

    fn logins(folder: &Path, store: &str) -> Logins {
        let credentials = Credentials::parse(&format!(r#"{{"credsStore": "{store}"}}"#)).expect("it is well formed");
        let path = format!(".:nowhere:{}:/usr/bin:/bin", folder.display());
        let environment = [("PATH", path), ("FAKE", folder.display().to_string())];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Logins::new(credentials, environment, HELPER_TIMEOUT)
    }

    async fn of(logins: &Logins, host: &str) -> Result<Option<(String, String)>, String> {
        let answer = logins.of(host).await.map_err(|error| error.to_string())?;
        Ok(answer.map(|Login { user, secret }| (user, secret)))
    }

    #[tokio::test]
    async fn a_helper_receives_the_registry_and_runs_once() {
        let folder = fake(
            r#"read -r server; echo "$* $server" >>"$FAKE/calls"
            echo "{\"ServerURL\": \"$server\", \"Username\": \"anna\", \"Secret\": \"of $server\"}""#,
        );
        let logins = logins(folder.path(), "fake");
        for host in ["lan:5000", "lan:5000", "registry-1.docker.io"] {
            let expected = if host == "lan:5000" { host } else { "https://index.docker.io/v1/" };
            assert_eq!(of(&logins, host).await, Ok(Some(("anna".to_owned(), format!("of {expected}")))));
        }
        let calls = std::fs::read_to_string(folder.path().join("calls")).expect("it was called");
        assert_eq!(calls, "get lan:5000\nget https://index.docker.io/v1/\n");
    }

    #[tokio::test]
    async fn a_helper_without_a_login_is_not_a_failure() {
        let folder = fake("echo credentials not found in native keychain; exit 1");
        assert_eq!(of(&logins(folder.path(), "fake"), "lan").await, Ok(None));
    }

    #[tokio::test]
    async fn the_reason_of_a_failed_helper_is_reported() {
        for (script, expected) in [
            ("echo the store is locked; exit 2", "docker-credential-fake has no login for lan: the store is locked"),
            ("exec <&-; exit 1", "it failed without a message"),
            ("echo sesame", "it is not JSON"),
            ("kill -9 $$", "it failed without a message"),
            ("head -c 70000 /dev/zero; exec sleep 1000", "is larger than 64 KiB"),
        ] {
            let folder = fake(script);
            let error = of(&logins(folder.path(), "fake"), "lan").await.expect_err(script);
            assert!(error.contains(expected) && !error.contains("sesame"), "{script}: {error}");
        }
    }

    #[tokio::test]
    async fn a_helper_that_does_not_answer_is_killed() {
        let folder = fake("echo $$ >\"$FAKE/pid\"; exec sleep 1000");
        let logins = Logins { timeout: Duration::from_secs(1), ..logins(folder.path(), "fake") };
        let error = of(&logins, "lan").await.expect_err("it sleeps");
        assert!(error.contains("docker-credential-fake did not answer for lan within 1 s"), "{error}");
        let pid = std::fs::read_to_string(folder.path().join("pid")).expect("it was started");
        let stat = PathBuf::from("/proc").join(pid.trim()).join("stat");
        let ended = async {
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ended).await.expect("it is gone");
    }

    #[tokio::test]
    async fn a_missing_helper_is_reported() {
        let folder = fake("");
        let missing = of(&logins(folder.path(), "gone"), "lan").await.expect_err("it is not there");
        assert_eq!(missing, "docker-credential-gone, the credential helper for lan in config.json, is not in PATH");
        let refused = of(&logins(folder.path(), "../script"), "lan").await.expect_err("it is a path");
        assert!(refused.contains("\"../script\" in config.json is not a valid name"), "{refused}");
        let not_a_program = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.path().join("docker-credential-fake"), not_a_program).expect("set");
        assert!(
            of(&logins(folder.path(), "fake"), "lan").await.expect_err("it is no program").contains("is not in PATH")
        );
    }
}
