//! The line that a message is about, with a mark under the word: what a person sees before they open the file.
use std::path::Path;

/// Longer lines are cut.
const WIDTH: usize = 120;
/// Keys with values that are nobody's to read: a terminal is copied, and the output of a job is kept.
const CLOSED: [&str; 4] = ["environment", "args", "content", "labels"];
const SECRETIVE: [&str; 7] = ["passw", "secret", "token", "_key", "apikey", "credential", "://"];

/// The line of a file at a place, counted from 1, with a mark under the word that begins there. Nothing where the line
/// is not in the file, or where a value could be a secret; `key` is the dotted path of the key that the line is about.
pub(crate) fn snippet(source: &str, file: &Path, line: usize, column: usize, key: &str) -> Option<String> {
    let text = source.lines().nth(line.checked_sub(1)?)?;
    if may_hold_secrets(file, key, text) || text.chars().count() > WIDTH {
        return None;
    }
    let before: String = text.chars().take(column.checked_sub(1)?).collect();
    let width = marked(text.get(before.len()..)?);
    // Whatever is as wide as the text above it, tabs as tabs.
    let indent: String = before.chars().map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    Some(format!("  {number} | {text}\n  {gutter} | {indent}{}", "^".repeat(width)))
}

fn may_hold_secrets(file: &Path, key: &str, text: &str) -> bool {
    let known = file.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "toml");
    let closed = key.split(['.', '[']).any(|key| CLOSED.contains(&key));
    let text = text.to_ascii_lowercase();
    !known || closed || SECRETIVE.iter().any(|word| text.contains(word))
}

/// How many characters the word is long that begins here.
fn marked(rest: &str) -> usize {
    let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
    let length = match quote {
        Some(quote) => rest.chars().skip(1).position(|char| char == quote).map(|inner| inner + 2),
        None => rest.chars().position(|char| char.is_whitespace() || matches!(char, ',' | ']' | '}')),
    };
    let length = length.unwrap_or_else(|| rest.trim_end().chars().count());
    let word: String = rest.chars().take(length).collect();
    word.trim_end_matches(':').chars().count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet_of(source: &str, line: usize, column: usize, key: &str) -> Option<String> {
        snippet(source, Path::new("compose.yaml"), line, column, key)
    }

    #[test]
    fn the_word_is_marked() {
        let cases = [
            ("  imagee: w", 3, "  1 |   imagee: w\n    |   ^^^^^^"),
            ("ports: [80, 'a b:80']", 13, "  1 | ports: [80, 'a b:80']\n    |             ^^^^^^^^"),
            ("- 80:80:80", 3, "  1 | - 80:80:80\n    |   ^^^^^^^^"),
            ("\t{a: b}", 2, "  1 | \t{a: b}\n    | \t^^"),
            ("é: x", 4, "  1 | é: x\n    |    ^"),
        ];
        for (source, column, wanted) in cases {
            assert_eq!(snippet_of(source, 1, column, "a").as_deref(), Some(wanted), "{source}");
        }
    }

    #[test]
    fn a_place_that_is_not_in_the_file_has_no_line() {
        assert_eq!(snippet_of("a: b", 2, 1, "a"), None);
        assert_eq!(snippet_of("a: b", 0, 0, "a"), None);
        assert!(snippet_of("a", 1, 9, "a").is_none_or(|shown| shown.ends_with('^')));
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        assert_eq!(snippet_of("  A: hunter2", 1, 3, "services.web.environment.A"), None);
        assert_eq!(snippet_of("  - hunter2", 1, 3, "services.web.environment[0]"), None);
        assert_eq!(snippet_of("web: {imagee: w, x-password: hunter2}", 1, 7, "services.web.imagee"), None);
        assert_eq!(snippet_of("command: redis://a:hunter2@b", 1, 1, "services.web.command"), None);
        assert_eq!(snippet("A='hunter2", Path::new("/srv/app/.env"), 1, 1, ""), None);
    }
}
