//! What somebody who misspelt a name may have meant.

/// Names beyond these are not looked at: people misspell what they can oversee.
const MOST: usize = 1_000;
/// Bytes by which two typing errors can change a name's length.
const MOST_LONGER: usize = 8;

/// Of the known names, the one that is at most two typing errors away, with most of its letters kept.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let close = known.into_iter().take(MOST).filter(|near| near.len().abs_diff(name.len()) <= MOST_LONGER);
    let ranked = close.map(|near| (strsim::osa_distance(name, near), near));
    ranked.filter(|(errors, near)| *errors <= 2 && *errors < near.len().div_ceil(2)).min().map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_name_with_a_letter_too_many_missing_changed_or_swapped_is_found() {
        let known = ["image", "volumes", "ports", "tty"];
        for (name, meant) in [("imagee", "image"), ("volums", "volumes"), ("porst", "ports"), ("prots", "ports")] {
            assert_eq!(nearest(name, known), Some(meant), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_another_word_altogether_is_not_taken_for_a_misspelt_one() {
        assert_eq!(nearest("dns", ["tty", "init"]), None);
        assert_eq!(nearest("db", ["web", "cache"]), None);
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest(&"x".repeat(1 << 24), ["image"]), None);
    }
}
