//! Escapes control characters, so that names, messages and logs from other machines cannot control the terminal (T36).

use std::borrow::Cow;

/// Escapes every control character of one line, including line ends.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Escapes every control character of a text except line ends and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |char| char == '\n' || char == '\t')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let steers = |char: char| (char.is_control() || is_bidi(char)) && !keep(char);
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if steers(char) { escaped.extend(char.escape_unicode()) } else { escaped.push(char) }
    }
    Cow::Owned(escaped)
}

/// Returns whether a character changes the direction of the text around it.
fn is_bidi(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{line, lines};

    #[test]
    fn t36_control_characters_are_made_visible() {
        assert_eq!(line("a\x1b[31mred\x07"), "a\\u{1b}[31mred\\u{7}");
        assert_eq!(line("one\ntwo\r"), "one\\u{a}two\\u{d}");
        assert_eq!(line("x\u{202e}y\u{9b}z"), "x\\u{202e}y\\u{9b}z");
    }

    #[test]
    fn text_without_control_characters_stays_and_lines_keep_their_ends() {
        assert_eq!(line("naïve 名前"), "naïve 名前");
        assert_eq!(lines("one\n\ttwo\x1b"), "one\n\ttwo\\u{1b}");
    }
}
