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

#[cfg(test)]
mod tests {
    use super::*;

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
