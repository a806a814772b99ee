//! Decides whether a name matches a pattern of OpenSSH: `*` is any text, `?` is any one character, and in a list a
//! pattern with `!` before it takes back what the others allow. `known_hosts` and `~/.ssh/config` both use them.

/// Whether the whole text matches the pattern.
pub fn matches(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut at, mut in_pattern) = (0, 0);
    // Where to go on after the last `*`, should what follows it not match here.
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

/// Whether a pattern matches, and none with `!` does.
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

/// Whether a list with commas between its patterns matches. Host names have no case.
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
    fn a_pattern_that_is_made_to_be_slow_is_not() {
        let (text, pattern) = ("a".repeat(20_000), format!("{}b", "a*".repeat(200)));
        assert!(!matches(&text, &pattern));
    }

    #[test]
    fn a_negated_pattern_takes_back_what_the_others_allow() {
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
