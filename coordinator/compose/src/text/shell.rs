//! Splits a command line into words as the reference does, without a shell.

/// Splits a command line into words. Returns `None` when a quote or parenthesis is not closed.
///
/// The text after an unquoted `;`, `&`, `|`, `<` or `>` is dropped.
pub(crate) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().push(match chars.next()? {
                't' => '\t',
                'n' => '\n',
                other => other,
            }),
            (' ' | '\t' | '\r' | '\n', None) => words.extend(word.take()),
            ('"' | '\'', None) => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            ('"' | '\'', Some(open)) if open == c => quote = None,
            (';' | '&' | '|' | '<' | '>', None) => {
                // The `2` of `2>` is a stream and not an argument.
                let redirects =
                    c == '>' && word.as_ref().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
                if redirects {
                    word = None;
                }
                break;
            }
            ('(', None) => {
                word.as_ref().filter(|word| word.ends_with('$'))?;
                word.get_or_insert_default().push(c);
                quote = Some(')');
            }
            (')', None) => return None,
            ('`' | ')', _) => {
                quote = match quote {
                    None => Some(c),
                    Some(open) if open == c => None,
                    other => other,
                };
                word.get_or_insert_default().push(c);
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_spaces_outside_quotes() {
        let cases: [(&str, &[&str]); 10] = [
            ("redis-server --save 60 1", &["redis-server", "--save", "60", "1"]),
            ("sh -c 'echo \"a b\"'", &["sh", "-c", "echo \"a b\""]),
            ("a \"b 'c'\" d\\ e", &["a", "b 'c'", "d e"]),
            ("a '' b", &["a", "", "b"]),
            ("a && b", &["a"]),
            ("a\\nb 2> x", &["a\nb"]),
            ("a 2b> x", &["a", "2b"]),
            ("a `b\\c`", &["a", "`b\\c`"]),
            ("a $(b c)", &["a", "$(b c)"]),
            ("", &[]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn unclosed_quotes_and_parentheses_are_refused() {
        for line in ["a 'b", "a \"b", "a (b)", "a )", "a ))", "a\\"] {
            assert_eq!(split(line), None, "{line}");
        }
    }
}
