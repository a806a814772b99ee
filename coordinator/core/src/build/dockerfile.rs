//! Further contexts as stages of their names, written before the first stage of the Dockerfile: `FROM` and `--from=` look
//! for a stage before they look for an image.

/// A stage that is this image.
pub(super) fn stage(name: &str, image: &str) -> String {
    format!("FROM {image} AS {name}\n")
}

/// As Docker has it: a lower-case letter, then letters, digits, `-`, `_` and `.`.
pub(super) fn is_stage_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed)
}

/// Whether the instructions have a stage of this name themselves.
pub(super) fn has_stage(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_from = words.first().is_some_and(|word| word.eq_ignore_ascii_case("from"));
        let named =
            words.windows(2).any(|pair| pair[0].eq_ignore_ascii_case("as") && pair[1].eq_ignore_ascii_case(name));
        is_from && named
    })
}

/// The instructions with these stages before their first.
pub fn with_stages(text: &str, stages: &str) -> String {
    let mut at = 0;
    let mut goes_on = false;
    for line in text.split_inclusive('\n') {
        let mut words = line.split_whitespace();
        if !goes_on && words.next().is_some_and(|word| word.eq_ignore_ascii_case("from")) {
            return format!("{}{stages}{}", &text[..at], &text[at..]);
        }
        // A comment does not end what goes on after it.
        goes_on = line.trim_end().ends_with('\\') || (goes_on && line.trim_start().starts_with('#'));
        at += line.len();
    }
    text.to_owned()
}
