//! Shows the line of a file that a message is about, with a mark under the word.
use std::path::Path;

/// Longer lines are not shown.
const MAX_WIDTH: usize = 120;
/// Keys whose values are never shown, because terminals are copied and job output is stored.
const HIDDEN_KEYS: [&str; 4] = ["environment", "args", "content", "labels"];
/// Parts of a line that may hold a secret.
const SECRET_MARKERS: [&str; 7] = ["passw", "secret", "token", "_key", "apikey", "credential", "://"];

/// Returns a line of a file with a mark under the word at a column. Line and column count from 1.
///
/// Returns `None` when the file has no such line, or when the line may hold a secret. `key` is the dotted path of the key
/// that the message is about.
pub(crate) fn snippet(source: &str, file: &Path, line: usize, column: usize, key: &str) -> Option<String> {
    let text = source.lines().nth(line.checked_sub(1)?)?;
    if may_hold_secrets(file, key, text) || text.chars().count() > MAX_WIDTH {
        return None;
    }
    let before: String = text.chars().take(column.checked_sub(1)?).collect();
    let width = marked(text.get(before.len()..)?);
    // Keeps tabs, so that the mark is below the word.
    let indent: String = before.chars().map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    Some(format!("  {number} | {text}\n  {gutter} | {indent}{}", "^".repeat(width)))
}

fn may_hold_secrets(file: &Path, key: &str, text: &str) -> bool {
    let is_known = file.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "toml");
    let is_hidden = key.split(['.', '[']).any(|key| HIDDEN_KEYS.contains(&key));
    let text = text.to_ascii_lowercase();
    !is_known || is_hidden || SECRET_MARKERS.iter().any(|word| text.contains(word))
}

/// Number of characters of the word at the start of a text.
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
    fn a_location_outside_the_file_has_no_snippet() {
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
