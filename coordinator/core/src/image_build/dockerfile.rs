//! Facts about a Dockerfile: the images that it names, and the position of its first stage. Additional contexts become stages before
//! the first one, because `FROM` and `--from=` look for a stage before an image.
use std::collections::{BTreeMap, BTreeSet};

/// Instruction for a stage that is only this image.
pub(super) fn stage(name: &str, image: &str) -> String {
    format!("FROM {image} AS {name}\n")
}

/// Whether Docker accepts the name of a stage: a lower-case letter, then lower-case letters, digits, `-`, `_` and `.`.
pub(super) fn is_stage_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed)
}

/// Whether the instructions already have a stage of this name.
pub(super) fn has_stage(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_from = words.first().is_some_and(|word| word.eq_ignore_ascii_case("from"));
        let named =
            words.windows(2).any(|pair| pair[0].eq_ignore_ascii_case("as") && pair[1].eq_ignore_ascii_case(name));
        is_from && named
    })
}

/// Inserts stages before the first stage of the instructions.
pub fn with_stages(text: &str, stages: &str) -> String {
    let mut at = 0;
    let mut is_continued = false;
    for line in text.split_inclusive('\n') {
        let mut words = line.split_whitespace();
        if !is_continued && words.next().is_some_and(|word| word.eq_ignore_ascii_case("from")) {
            return format!("{}{stages}{}", &text[..at], &text[at..]);
        }
        // A comment does not end a continued line.
        is_continued = line.trim_end().ends_with('\\') || (is_continued && line.trim_start().starts_with('#'));
        at += line.len();
    }
    text.to_owned()
}

/// Returns the images or stages that the instructions name, with simple arguments replaced by their values.
pub(super) fn images(text: &str, args: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut global: BTreeMap<String, String> = BTreeMap::new();
    let mut images = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(instruction) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        match instruction.to_ascii_lowercase().as_str() {
            "arg" => global.extend(words.filter_map(|word| default_of(word, args))),
            "from" => images.extend(words.find(|word| !word.starts_with("--")).map(|image| put_in(image, &global))),
            _ => images.extend(words.flat_map(|word| word.split(',')).filter_map(from)),
        }
    }
    images
}

fn default_of(word: &str, args: &BTreeMap<String, String>) -> Option<(String, String)> {
    let (name, default) = word.split_once('=').unwrap_or((word, ""));
    let value = args.get(name).map_or(default, String::as_str);
    Some((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
}

/// Image or stage in `--from=image`, or in a field of `--mount`.
fn from(field: &str) -> Option<String> {
    field.strip_prefix("--from=").or_else(|| field.strip_prefix("from=")).map(str::to_owned)
}

fn put_in(image: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().rev().fold(image.trim_matches('"').to_owned(), |image, (name, value)| {
        image.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
    })
}
