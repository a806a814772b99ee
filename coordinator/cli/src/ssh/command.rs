//! Decides what may stand on a command line over there. SSH passes one string to the user's shell, so a word is either
//! made of characters that no shell gives a meaning to, or it is refused: nothing is ever quoted (T10).

use std::path::Path;

/// A word that a shell might take for more than a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` cannot be sent to a host: use only letters, digits and . _ - / : = , + @")]
pub struct UnsafeWord {
    pub word: String,
}

/// One command: a program and its arguments, each a plain word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(String);

impl Command {
    /// From its words, the program first. Errors: the first word that is not plain.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnsafeWord> {
        let words = words.into_iter().map(plain).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(words.join(" ")))
    }

    /// What the shell is given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The word, if it is plain.
pub fn plain(word: &str) -> Result<&str, UnsafeWord> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:=,+@".contains(&byte);
    // `=` first would be an expansion to zsh; an empty word would vanish.
    if !word.is_empty() && !word.starts_with('=') && word.bytes().all(allowed) {
        Ok(word)
    } else {
        Err(UnsafeWord { word: word.to_owned() })
    }
}

/// The path, if it is absolute, plain, and goes nowhere but down.
pub fn plain_path(path: &Path) -> Result<&str, UnsafeWord> {
    let unsafe_word = || UnsafeWord { word: path.display().to_string() };
    let text = path.to_str().ok_or_else(unsafe_word)?;
    let down = text.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if text.starts_with('/') && down { plain(text) } else { Err(unsafe_word()) }
}

/// A mark around what a command says: a login shell may greet before it, and say farewell after it.
#[derive(Debug, Clone)]
pub struct Frame(String);

/// The output has no mark: what was asked for did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unframed;

impl Frame {
    /// From bytes that nobody can guess, so that no greeting has them by accident or on purpose.
    pub fn new(secret: [u8; 16]) -> Self {
        Self(format!("landfast-{}", hex::encode(secret)))
    }

    /// What the shell is given: marks, and the command between them. `&&` is the same to every shell, and leaves the exit
    /// code of the command.
    pub fn around(&self, command: &Command) -> String {
        let Self(mark) = self;
        format!("echo {mark} && {} && echo {mark}", command.as_str())
    }

    /// What the command said. The second mark is missing when the command failed.
    pub fn within<'a>(&self, output: &'a str) -> Result<&'a str, Unframed> {
        let Self(mark) = self;
        let (_greeting, rest) = output.split_once(mark.as_str()).ok_or(Unframed)?;
        let rest = rest.trim_start_matches([' ', '\r']);
        let said = rest.strip_prefix('\n').unwrap_or(rest);
        Ok(said.rsplit_once(mark.as_str()).map_or(said, |(said, _farewell)| said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_says_is_what_stands_between_the_marks() {
        let frame = Frame::new([7; 16]);
        let mark = "landfast-07070707070707070707070707070707";
        let command = Command::new(["uname", "-sm"]).unwrap();
        assert_eq!(frame.around(&command), format!("echo {mark} && uname -sm && echo {mark}"));
        for (output, expected) in [
            (format!("{mark}\nLinux x86_64\n{mark}\n"), Ok("Linux x86_64\n")),
            (format!("Welcome!\n{mark}\nLinux\n{mark}\nlogout\n"), Ok("Linux\n")),
            (format!("no end of line{mark}\nLinux\n{mark}"), Ok("Linux\n")),
            (format!("{mark}\nno end of line{mark}\n"), Ok("no end of line")),
            (format!("Welcome!\n{mark}\nsaid before it failed\n"), Ok("said before it failed\n")),
            (format!("{mark}\r\nLinux\r\n{mark}\r\n"), Ok("Linux\r\n")),
            (format!("{mark}\n{mark}\n"), Ok("")),
            ("This account is not available.\n".to_owned(), Err(Unframed)),
            (String::new(), Err(Unframed)),
        ] {
            assert_eq!(frame.within(&output), expected, "{output:?}");
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
    fn a_path_is_absolute_and_goes_down() {
        assert_eq!(plain_path(Path::new("/etc/landfast")), Ok("/etc/landfast"));
        for path in ["etc", "/", "/etc/../root", "/etc//x", "/etc/", "/etc/a b"] {
            assert!(plain_path(Path::new(path)).is_err(), "{path} was sent");
        }
    }
}
