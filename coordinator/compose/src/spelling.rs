//! Suggests known names for misspelt ones.

/// Number of known names that are compared.
const MAX_NAMES: usize = 1_000;
/// Bytes by which two typing errors can change the length of a name.
const MAX_LENGTH_DIFFERENCE: usize = 8;

/// Returns the most similar known name, if it differs by at most two typing errors and by less than half of its letters.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let close =
        known.into_iter().take(MAX_NAMES).filter(|near| near.len().abs_diff(name.len()) <= MAX_LENGTH_DIFFERENCE);
    let ranked = close.map(|near| (strsim::osa_distance(name, near), near));
    ranked.filter(|(errors, near)| *errors <= 2 && *errors < near.len().div_ceil(2)).min().map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn an_added_missing_changed_or_swapped_letter_is_recognised() {
        let known = ["image", "volumes", "ports", "tty"];
        for (name, meant) in [("imagee", "image"), ("volums", "volumes"), ("porst", "ports"), ("prots", "ports")] {
            assert_eq!(nearest(name, known), Some(meant), "{name}");
        }
    }

    #[test]
    fn a_different_word_has_no_suggestion() {
        assert_eq!(nearest("dns", ["tty", "init"]), None);
        assert_eq!(nearest("db", ["web", "cache"]), None);
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest(&"x".repeat(1 << 24), ["image"]), None);
    }
}
