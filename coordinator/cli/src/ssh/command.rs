//! Decides which words may be part of a remote command line. SSH passes one string to the user's shell. A word that
//! contains a character with a meaning to any shell is refused; nothing is ever quoted (T10).

use std::path::Path;

/// A word that a shell might expand or split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` cannot be sent to a host: use only letters, digits and . _ - / : = , + @")]
pub struct UnsafeWord {
    pub word: String,
}

/// A remote command: a program and its arguments, each a plain word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(String);

impl Command {
    /// Creates a command from its words, the program first.
    ///
    /// # Errors
    /// The first word that is not plain.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnsafeWord> {
        let words = words.into_iter().map(plain).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(words.join(" ")))
    }

    /// The command line that is passed to the remote shell.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the word if it is plain: no shell gives any of its characters a meaning.
pub fn plain(word: &str) -> Result<&str, UnsafeWord> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:=,+@".contains(&byte);
    // zsh expands a leading `=`, and a shell drops an empty word.
    if !word.is_empty() && !word.starts_with('=') && word.bytes().all(allowed) {
        Ok(word)
    } else {
        Err(UnsafeWord { word: word.to_owned() })
    }
}

/// Returns the path if it is absolute, plain, and has no `.`, `..` or empty components.
pub fn plain_path(path: &Path) -> Result<&str, UnsafeWord> {
    let unsafe_word = || UnsafeWord { word: path.display().to_string() };
    let text = path.to_str().ok_or_else(unsafe_word)?;
    let is_normal = text.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if text.starts_with('/') && is_normal { plain(text) } else { Err(unsafe_word()) }
}

/// A pair of markers around the output of a command. They separate it from what a login shell prints before and after.
#[derive(Debug, Clone)]
pub struct Frame(String);

/// The output contains no marker: the command did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unframed;

impl Frame {
    /// Creates markers from random bytes, so that no greeting of a login shell contains them.
    pub fn new(secret: [u8; 16]) -> Self {
        Self(format!("landfast-{}", hex::encode(secret)))
    }

    /// The command line with a marker printed before and after the command. Every shell supports `&&`, and it preserves
    /// the exit code of the command.
    pub fn wrap(&self, command: &Command) -> String {
        let Self(mark) = self;
        format!("echo {mark} && {} && echo {mark}", command.as_str())
    }

    /// The output of the command. The second marker is missing when the command failed.
    pub fn extract<'a>(&self, output: &'a str) -> Result<&'a str, Unframed> {
        let Self(mark) = self;
        let (_greeting, rest) = output.split_once(mark.as_str()).ok_or(Unframed)?;
        let rest = rest.trim_start_matches([' ', '\r']);
        let output = rest.strip_prefix('\n').unwrap_or(rest);
        Ok(output.rsplit_once(mark.as_str()).map_or(output, |(output, _logout)| output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_command_is_extracted_from_between_the_markers() {
        let frame = Frame::new([7; 16]);
        let mark = "landfast-07070707070707070707070707070707";
        let command = Command::new(["uname", "-sm"]).unwrap();
        assert_eq!(frame.wrap(&command), format!("echo {mark} && uname -sm && echo {mark}"));
        for (output, expected) in [
            (format!("{mark}\nLinux x86_64\n{mark}\n"), Ok("Linux x86_64\n")),
            (format!("Welcome!\n{mark}\nLinux\n{mark}\nlogout\n"), Ok("Linux\n")),
            (format!("no end of line{mark}\nLinux\n{mark}"), Ok("Linux\n")),
            (format!("{mark}\nno end of line{mark}\n"), Ok("no end of line")),
            (format!("Welcome!\n{mark}\nprinted before it failed\n"), Ok("printed before it failed\n")),
            (format!("{mark}\r\nLinux\r\n{mark}\r\n"), Ok("Linux\r\n")),
            (format!("{mark}\n{mark}\n"), Ok("")),
            ("This account is not available.\n".to_owned(), Err(Unframed)),
            (String::new(), Err(Unframed)),
        ] {
            assert_eq!(frame.extract(&output), expected, "{output:?}");
        }
    }

    #[test]
    fn plain_words_make_a_command() {
        let command = Command::new(["systemctl", "enable", "--now", "landfast-agent.service"]).unwrap();
        assert_eq!(command.as_str(), "systemctl enable --now landfast-agent.service");
    }

    #[test]
    fn t10_a_word_with_a_meaning_to_any_shell_is_refused() {
        for word in [
            "", "a b", "a;b", "$(id)", "`id`", "a\nb", "a|b", "a&b", "*", "a?", "~root", "a'b", "a\"b", "é", "a\\b",
            "=ls", "{a}", "<a", ">a", "!a", "#a", "(a)", "[a]", "%1", "^a", "a\0b",
        ] {
            assert!(Command::new(["echo", word]).is_err(), "{word:?} was sent");
        }
    }

    #[test]
    fn a_path_is_absolute_and_normal() {
        assert_eq!(plain_path(Path::new("/etc/landfast")), Ok("/etc/landfast"));
        for path in ["etc", "/", "/etc/../root", "/etc//x", "/etc/", "/etc/a b"] {
            assert!(plain_path(Path::new(path)).is_err(), "{path} was sent");
        }
    }
}
