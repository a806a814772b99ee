//! Matches names against OpenSSH patterns: `*` matches any text, `?` matches any one character, and a pattern with a
//! leading `!` excludes names from a list. `known_hosts` and `~/.ssh/config` both use them.

/// Whether the pattern matches the whole text.
pub fn matches(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut at, mut in_pattern) = (0, 0);
    // Where to continue after the last `*` if the rest of the pattern does not match here.
    let mut retry = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                retry = Some((at, in_pattern + 1));
                in_pattern += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[at] => (at, in_pattern) = (at + 1, in_pattern + 1),
            _ => match retry {
                Some((from, after)) => {
                    retry = Some((from + 1, after));
                    (at, in_pattern) = (from + 1, after);
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|byte| *byte == b'*')
}

/// Whether at least one pattern matches and no pattern with a leading `!` does.
pub fn any_matches<'a>(text: &str, patterns: impl IntoIterator<Item = &'a str>) -> bool {
    let mut matched = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(text, pattern) => return false,
            Some(_) => {}
            None => matched |= matches(text, pattern),
        }
    }
    matched
}

/// Whether a comma-separated list of patterns matches. The comparison ignores case.
pub fn list_matches(text: &str, list: &str) -> bool {
    any_matches(&text.to_lowercase(), list.to_lowercase().split(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        for (text, pattern, expected) in [
            ("10.77.0.11", "10.77.0.11", true),
            ("10.77.0.11", "10.77.0.*", true),
            ("10.77.0.11", "10.77.0.1", false),
            ("10.77.0.11", "10.77.0.1?", true),
            ("10.77.0.1", "10.77.0.1?", false),
            ("box", "*", true),
            ("", "*", true),
            ("", "?", false),
            ("a.b.example", "*.example", true),
            ("a.b.example", "a.*.example", true),
            ("aXbXc", "a*b*c", true),
            ("aaa", "*a*a*a*a", false),
            ("[10.0.0.1]:2222", "[10.0.0.?]:2222", true),
            ("[10.0.0.1]:2222", "10.0.0.1", false),
        ] {
            assert_eq!(matches(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn a_pattern_cannot_cause_exponential_time() {
        let (text, pattern) = ("a".repeat(20_000), format!("{}b", "a*".repeat(200)));
        assert!(!matches(&text, &pattern));
    }

    #[test]
    fn a_negated_pattern_excludes_names() {
        for (text, list, expected) in [
            ("10.77.0.11", "*,!10.77.0.12", true),
            ("10.77.0.12", "*,!10.77.0.12", false),
            ("10.77.0.12", "!10.77.0.12,*", false),
            ("10.77.0.11", "!10.77.0.12", false),
            ("Box.Example", "box.example", true),
            ("box", "BOX,other", true),
            ("box", "", false),
        ] {
            assert_eq!(list_matches(text, list), expected, "{text} {list}");
        }
    }
}
