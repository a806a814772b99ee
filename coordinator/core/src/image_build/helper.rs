//! Credential helpers, `docker-credential-NAME`: their valid names and the meaning of their answers. A helper reads the registry
//! from standard input and writes JSON, or an error message, to standard output.
use serde::Deserialize;

use super::login::Login;

/// Message of a helper that has no login for a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// User name that marks the secret as an identity token.
const TOKEN: &str = "<token>";
/// Maximum number of characters to repeat from the message of a helper.
const MAX_MESSAGE: usize = 300;

/// A credential helper and the registry to ask it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    /// File name without a path, such as `docker-credential-pass`.
    pub program: String,
    /// Registry, by the key of its login.
    pub server: String,
}

/// Reason why a helper returned no login. It contains no part of a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelperError {
    /// The name of the helper is not valid.
    #[error("{0:?} in config.json is not a valid name of a credential helper: use letters, digits, `-`, `_` and `.`")]
    Name(String),
    /// The helper failed with a message.
    #[error("{program} has no login for {server}: {message}")]
    Refused {
        /// Name of the helper.
        program: String,
        /// Registry of the login.
        server: String,
        /// Message of the helper.
        message: String,
    },
    /// The answer of the helper is not a login.
    #[error("{program} returned no valid login for {server}: {problem}")]
    Garbage {
        /// Name of the helper.
        program: String,
        /// Registry of the login.
        server: String,
        /// What is wrong with the answer.
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
    /// Creates the helper with this name, for this registry.
    ///
    /// # Errors
    /// Returns an error if the name could refer to another program.
    pub(super) fn new(name: &str, server: &str) -> Result<Self, HelperError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.chars().all(is_plain) {
            return Err(HelperError::Name(name.to_owned()));
        }
        Ok(Self { program: format!("docker-credential-{name}"), server: server.to_owned() })
    }

    /// Reads the answer of the helper. `None` means that it has no login for the registry.
    ///
    /// # Errors
    /// Returns an error if the helper failed or its answer is not a login.
    pub fn answered(&self, succeeded: bool, output: &[u8]) -> Result<Option<Login>, HelperError> {
        if !succeeded {
            return self.refused(output);
        }
        let garbage =
            |problem| HelperError::Garbage { program: self.program.clone(), server: self.server.clone(), problem };
        // Text after the answer is ignored.
        let answer = serde_json::Deserializer::from_slice(output).into_iter().next();
        let answer: Answer = match answer {
            Some(Ok(answer)) => answer,
            Some(Err(error)) if error.is_data() => return Err(garbage("it does not have the expected fields")),
            Some(Err(_)) => return Err(garbage("it is not JSON")),
            None => return Err(garbage("it is empty")),
        };
        match (answer.user.as_str(), answer.secret.is_empty()) {
            ("", true) => Ok(None),
            ("", false) => Err(garbage("it has no user name")),
            (_, true) => Err(garbage("it has no secret")),
            (TOKEN, _) => Ok(Some(Login { user: String::new(), secret: answer.secret })),
            _ => Ok(Some(Login { user: answer.user, secret: answer.secret })),
        }
    }

    fn refused(&self, output: &[u8]) -> Result<Option<Login>, HelperError> {
        let output = String::from_utf8_lossy(output);
        let message = match output.trim() {
            NOT_FOUND => return Ok(None),
            "" => "it failed without a message".to_owned(),
            // An answer may contain a secret, even if the helper failed.
            message if message.contains('{') => "it failed".to_owned(),
            message => message.chars().take(MAX_MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect(),
        };
        Err(HelperError::Refused { program: self.program.clone(), server: self.server.clone(), message })
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
    fn without_a_login_a_registry_is_used_anonymously() {
        assert_eq!(answered(false, "credentials not found in native keychain\n"), Ok(None));
        assert_eq!(answered(true, r#"{"ServerURL": "", "Username": "", "Secret": ""}"#), Ok(None));
        assert_eq!(answered(true, "{}"), Ok(None));
    }

    #[test]
    fn the_error_about_an_invalid_answer_contains_no_secret() {
        for (succeeded, output, expected) in [
            (true, "", "returned no valid login for lan:5000: it is empty"),
            (true, "sesame", "it is not JSON"),
            (true, r#"{"Username": "anna", "Secret": "sesame""#, "it is not JSON"),
            (true, r#"{"Username": "anna", "Secret": ["sesame"]}"#, "it does not have the expected fields"),
            (true, r#"["sesame"]"#, "it has no secret"),
            (true, r#"{"Username": "sesame"}"#, "it has no secret"),
            (true, r#"{"Secret": "sesame"}"#, "it has no user name"),
            (
                false,
                r#"{"Username": "anna", "Secret": "sesame"}"#,
                "docker-credential-pass has no login for lan:5000: it failed",
            ),
            (false, "", "it failed without a message"),
            (false, "the store\x1b[2J is locked\n", "has no login for lan:5000: the store [2J is locked"),
        ] {
            let error = answered(succeeded, output).expect_err(output);
            assert!(error.contains(expected) && !error.contains("sesame"), "{output}: {error}");
        }
        assert!(answered(false, &"long".repeat(1000)).expect_err("it failed").len() < 400);
    }

    #[test]
    fn a_name_that_may_refer_to_another_program_is_refused() {
        for name in ["/bin/sh", "../x", "a/b", "a b", "a\0", "a;b", "a\nb", "ä"] {
            assert_eq!(Helper::new(name, "lan"), Err(HelperError::Name(name.to_owned())));
        }
        assert_eq!(Helper::new("ecr-login.2", "lan").expect("a good name").program, "docker-credential-ecr-login.2");
    }
}
