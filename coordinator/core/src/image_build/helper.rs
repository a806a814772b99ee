//! The programs that keep logins in a safe place, `docker-credential-NAME`: what one may be called, and what its answer means.
//! It is given the registry on standard input and answers JSON on standard output, or says there why not.
use serde::Deserialize;

use super::login::Login;

/// What a program says that has no login for a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// Stands for the name when the secret is an identity token.
const TOKEN: &str = "<token>";
/// Characters of what a program says that are worth repeating.
const WORDS: usize = 300;

/// A program to ask, and the registry to ask it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    /// A file's name and no path: `docker-credential-pass`.
    pub program: String,
    /// As logins are kept.
    pub server: String,
}

/// Why a program's login is not to be had. No part of a login is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelperError {
    /// A name with which it could be anything.
    #[error("{0:?} in config.json is no name of a program: letters, digits, `-`, `_` and `.` make one")]
    Name(String),
    /// It could not, and says why.
    #[error("{program} has no login for {server}: {said}")]
    Refused {
        /// Its name.
        program: String,
        /// The registry.
        server: String,
        /// In its words.
        said: String,
    },
    /// It answered something else.
    #[error("{program} answered for {server} with what is no login: {problem}")]
    Garbage {
        /// Its name.
        program: String,
        /// The registry.
        server: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    user: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

impl Helper {
    /// The program of this name, for this registry.
    ///
    /// # Errors
    /// The name could lead elsewhere than to a program of that kind.
    pub(super) fn new(name: &str, server: &str) -> Result<Self, HelperError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.chars().all(is_plain) {
            return Err(HelperError::Name(name.to_owned()));
        }
        Ok(Self { program: format!("docker-credential-{name}"), server: server.to_owned() })
    }

    /// What its answer means; no login when it has none.
    ///
    /// # Errors
    /// It failed, or answered something else than a login.
    pub fn answered(&self, succeeded: bool, output: &[u8]) -> Result<Option<Login>, HelperError> {
        if !succeeded {
            return self.refused(output);
        }
        let garbage =
            |problem| HelperError::Garbage { program: self.program.clone(), server: self.server.clone(), problem };
        // What follows the answer is nobody's business.
        let answer = serde_json::Deserializer::from_slice(output).into_iter().next();
        let answer: Answer = match answer {
            Some(Ok(answer)) => answer,
            Some(Err(error)) if error.is_data() => return Err(garbage("it is not of that shape")),
            Some(Err(_)) => return Err(garbage("it is not JSON")),
            None => return Err(garbage("it is empty")),
        };
        match (answer.user.as_str(), answer.secret.is_empty()) {
            ("", true) => Ok(None),
            ("", false) => Err(garbage("it has no name")),
            (_, true) => Err(garbage("it has no secret")),
            (TOKEN, _) => Ok(Some(Login { user: String::new(), secret: answer.secret })),
            _ => Ok(Some(Login { user: answer.user, secret: answer.secret })),
        }
    }

    fn refused(&self, output: &[u8]) -> Result<Option<Login>, HelperError> {
        let output = String::from_utf8_lossy(output);
        let said = match output.trim() {
            NOT_FOUND => return Ok(None),
            "" => "it failed without a word".to_owned(),
            // An answer is not for printing, even of one that failed afterwards.
            said if said.contains('{') => "it failed".to_owned(),
            said => said.chars().take(WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect(),
        };
        Err(HelperError::Refused { program: self.program.clone(), server: self.server.clone(), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helper() -> Helper {
        Helper::new("pass", "lan:5000").expect("a good name")
    }

    fn answered(succeeded: bool, output: &str) -> Result<Option<(String, String)>, String> {
        let login = helper().answered(succeeded, output.as_bytes()).map_err(|error| error.to_string())?;
        Ok(login.map(|Login { user, secret }| (user, secret)))
    }

    #[test]
    fn an_answer_is_a_name_and_a_secret_or_a_token() {
        let login = |user: &str| Ok(Some((user.to_owned(), "sesame".to_owned())));
        let anna = r#"{"ServerURL": "lan:5000", "Username": "anna", "Secret": "sesame"}"#;
        assert_eq!(answered(true, anna), login("anna"));
        assert_eq!(answered(true, &format!("{anna}\nbye\n")), login("anna"));
        assert_eq!(answered(true, r#"{"Username": "<token>", "Secret": "sesame"}"#), login(""));
    }

    #[test]
    fn without_a_login_a_registry_is_asked_without_a_name() {
        assert_eq!(answered(false, "credentials not found in native keychain\n"), Ok(None));
        assert_eq!(answered(true, r#"{"ServerURL": "", "Username": "", "Secret": ""}"#), Ok(None));
        assert_eq!(answered(true, "{}"), Ok(None));
    }

    #[test]
    fn what_is_no_answer_is_told_without_what_is_in_it() {
        for (succeeded, output, expected) in [
            (true, "", "with what is no login: it is empty"),
            (true, "sesame", "it is not JSON"),
            (true, r#"{"Username": "anna", "Secret": "sesame""#, "it is not JSON"),
            (true, r#"{"Username": "anna", "Secret": ["sesame"]}"#, "it is not of that shape"),
            (true, r#"["sesame"]"#, "it has no secret"),
            (true, r#"{"Username": "sesame"}"#, "it has no secret"),
            (true, r#"{"Secret": "sesame"}"#, "it has no name"),
            (
                false,
                r#"{"Username": "anna", "Secret": "sesame"}"#,
                "docker-credential-pass has no login for lan:5000: it failed",
            ),
            (false, "", "it failed without a word"),
            (false, "the store\x1b[2J is locked\n", "has no login for lan:5000: the store [2J is locked"),
        ] {
            let error = answered(succeeded, output).expect_err(output);
            assert!(error.contains(expected) && !error.contains("sesame"), "{output}: {error}");
        }
        assert!(answered(false, &"long".repeat(1000)).expect_err("it failed").len() < 400);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["/bin/sh", "../x", "a/b", "a b", "a\0", "a;b", "a\nb", "ä"] {
            assert_eq!(Helper::new(name, "lan"), Err(HelperError::Name(name.to_owned())));
        }
        assert_eq!(Helper::new("ecr-login.2", "lan").expect("a good name").program, "docker-credential-ecr-login.2");
    }
}
