//! Sorts the keys of mappings in YAML as the reference does, with `v9` before `v10`.
use std::cmp::Ordering;

use serde_json::Value;

/// Sorts the keys of all mappings.
pub fn sort_keys(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(sort_keys),
        Value::Object(map) => {
            let mut entries: Vec<_> = std::mem::take(map).into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| order(one, other));
            map.extend(entries);
            map.values_mut().for_each(sort_keys);
        }
        _ => {}
    }
}

/// Compares two keys at the first character that differs.
///
/// Letters compare by their code. They come after other characters, or before them if a digit precedes. Digits compare by
/// the number that starts there.
pub(super) fn order(one: &str, other: &str) -> Ordering {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let Some(at) = one.iter().zip(&other).position(|(a, b)| a != b) else { return one.len().cmp(&other.len()) };
    let (a, b) = (one[at], other[at]);
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => a.cmp(&b),
        (false, false) => by_number(&one, &other, at),
        (is_letter, _) => {
            let after_digit = at > 0 && one[at - 1].is_ascii_digit();
            if is_letter == after_digit { Ordering::Less } else { Ordering::Greater }
        }
    }
}

fn by_number(one: &[char], other: &[char], at: usize) -> Ordering {
    // A zero inside a number counts, and leading zeros do not.
    let is_inside = (one[at] == '0' || other[at] == '0')
        && one[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let (number, length) = number_at(one, at, is_inside);
    let (other_number, other_length) = number_at(other, at, is_inside);
    number.cmp(&other_number).then(length.cmp(&other_length)).then(one[at].cmp(&other[at]))
}

/// Parses the number at an index. Also returns its number of digits.
fn number_at(text: &[char], at: usize, is_inside: bool) -> (i64, usize) {
    let digits = text[at..].iter().map_while(|c| c.to_digit(10));
    digits.fold((i64::from(is_inside), 0), |(number, length), digit| {
        (number.wrapping_mul(10).wrapping_add(digit.into()), length + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn numbers_inside_keys_are_sorted_by_value() {
        let keys =
            ["", "10", "A", "B_1", "a", "a-b", "a.b", "a1b", "a1_b", "a2", "a02", "a10", "a100", "aB", "ab", "é"];
        for (index, one) in keys.iter().enumerate() {
            for (other_index, other) in keys.iter().enumerate() {
                assert_eq!(order(one, other), index.cmp(&other_index), "{one:?} {other:?}");
            }
        }
    }
}
