//! Splits a line of the configuration into its keyword and words, by OpenSSH's rules: `Keyword value`, `Keyword=value`,
//! single and double quotes, backslashes and comments.

use super::Problem;

/// Splits a line into its keyword and its words. Returns `None` for an empty line or a comment.
pub fn split(line: &str) -> Result<Option<(&str, Vec<String>)>, Problem> {
    let line = line.trim_matches(is_blank);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|character| is_blank(character) || character == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Ok(Some((keyword, words(rest)?)))
}

/// Splits a value into words. A `#` at the beginning of a word starts a comment.
fn words(text: &str) -> Result<Vec<String>, Problem> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_start_matches(is_blank);
    }
    Ok(words)
}

/// Splits off the first word.
fn word(text: &str) -> Result<(String, &str), Problem> {
    let (mut word, mut quote) = (String::new(), None);
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match (character, quote) {
            ('\\', _) => match characters.next_if(|(_, next)| is_escaped(*next, quote)) {
                Some((_, next)) => word.push(next),
                None => word.push('\\'),
            },
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            (blank, None) if is_blank(blank) => return Ok((word, &text[index..])),
            (other, _) => word.push(other),
        }
    }
    if quote.is_none() { Ok((word, "")) } else { Err(Problem::Quote) }
}

fn is_escaped(character: char, quote: Option<char>) -> bool {
    matches!(character, '"' | '\'' | '\\') || (character == ' ' && quote.is_none())
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_like_ssh_splits_it() {
        for (line, keyword, words) in [
            ("Host box", "Host", &["box"][..]),
            ("  HostName\t10.0.0.1  ", "HostName", &["10.0.0.1"]),
            ("Port=2222", "Port", &["2222"]),
            ("Port = 2222", "Port", &["2222"]),
            ("User =anna", "User", &["anna"]),
            ("Host a b  c", "Host", &["a", "b", "c"]),
            (r#"IdentityFile "~/my keys/id""#, "IdentityFile", &["~/my keys/id"]),
            ("IdentityFile '~/my keys/id'", "IdentityFile", &["~/my keys/id"]),
            (r"IdentityFile ~/my\ keys/id", "IdentityFile", &["~/my keys/id"]),
            (r#"IdentityFile "a\"b""#, "IdentityFile", &[r#"a"b"#]),
            (r"IdentityFile C:\keys", "IdentityFile", &[r"C:\keys"]),
            (r#"IdentityFile ~/"my keys"/id"#, "IdentityFile", &["~/my keys/id"]),
            ("User anna # my own", "User", &["anna"]),
            ("User anna#1", "User", &["anna#1"]),
            (r#"User "" "#, "User", &[""]),
            ("User anna\r", "User", &["anna"]),
            ("User", "User", &[]),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(split(line), Ok(Some((keyword, words))), "{line:?}");
        }
        for line in ["", "   ", "# Host box", "\t# x"] {
            assert_eq!(split(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn an_unclosed_quotation_mark_is_refused() {
        for line in [r#"User "anna"#, "User 'anna", r#"User "anna\""#] {
            assert_eq!(split(line), Err(Problem::Quote), "{line}");
        }
    }
}
