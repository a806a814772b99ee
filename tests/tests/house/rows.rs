//! The rows of `tests/FAULTS.md` and `tests/THREATS.md`: whatever the name of a test or a comment refers to is a row there,
//! and each page lists the rows that no test is named after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;

use super::{root, tracked};

const PAGES: [(&str, char); 2] = [("tests/FAULTS.md", 'F'), ("tests/THREATS.md", 'T')];

/// What follows this heading is the list, up to the end of the page.
const LIST: &str = "## Rows without a test yet";

/// Code of a row, such as F7 or F23b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Code {
    letter: char,
    number: u16,
    variant: Option<char>,
}

impl Code {
    /// Reads a code as pages and comments write it (`F7`).
    fn of_text(word: &str) -> Option<Code> {
        if word.starts_with(|first: char| first.is_ascii_uppercase()) { Code::read(word, 1) } else { None }
    }

    /// Reads a code as the name of a test writes it (`f07`).
    fn of_name(part: &str) -> Option<Code> {
        if part.starts_with(|first: char| first.is_ascii_lowercase()) { Code::read(part, 2) } else { None }
    }

    fn read(word: &str, least_digits: usize) -> Option<Code> {
        let letter = word.chars().next().map(|letter| letter.to_ascii_uppercase())?;
        let rest = word.get(1..)?;
        let digits = rest.trim_end_matches(|last: char| last.is_ascii_lowercase());
        let mut variants = rest[digits.len()..].chars();
        let code = Code { letter, number: digits.parse().ok()?, variant: variants.next() };
        let known = PAGES.iter().any(|(_, of_page)| *of_page == letter);
        (known && (least_digits..=3).contains(&digits.len()) && variants.next().is_none()).then_some(code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.letter, self.number)?;
        self.variant.map_or(Ok(()), |variant| write!(f, "{variant}"))
    }
}

/// A page with its table and its list of rows without a test.
struct Page {
    path: &'static str,
    rows: BTreeSet<Code>,
    listed: BTreeSet<Code>,
}

fn pages() -> [Page; 2] {
    PAGES.map(|(path, letter)| {
        let text = fs::read_to_string(root().join(path)).expect(path);
        let (table, list) = text.split_once(LIST).unwrap_or_else(|| panic!("{path} has no heading {LIST:?}"));
        let mut rows = BTreeSet::new();
        for cell in table.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()) {
            let Some(code) = Code::of_text(cell) else { continue };
            assert!(code.letter == letter, "{path} has a row {code}, which belongs to another page");
            assert!(rows.insert(code), "{path} has two rows {code}");
        }
        Page { path, rows, listed: words(list).filter_map(Code::of_text).collect() }
    })
}

/// The words of a text; names of functions are one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// The codes at the start of a test's name: F1 and F2 for `f01_f02_a_tree_is_never_mixed`.
fn codes_of_name(name: &str) -> impl Iterator<Item = Code> {
    name.split('_').map_while(Code::of_name)
}

/// The codes at the start of names of functions, and those in comments, each with its place.
#[derive(Default)]
struct References {
    names: BTreeMap<Code, String>,
    comments: BTreeMap<Code, String>,
}

fn references() -> References {
    let mut found = References::default();
    for path in tracked().iter().filter(|path| path.ends_with(".rs")) {
        let source = fs::read_to_string(root().join(path)).expect("a source file is UTF-8");
        for (number, line) in source.lines().enumerate() {
            let place = || format!("{path}:{}", number + 1);
            let (code, comment) = line.split_once("//").unwrap_or((line, ""));
            let name = code.split_once("fn ").and_then(|(_, rest)| words(rest).next()).unwrap_or_default();
            for code in codes_of_name(name) {
                found.names.entry(code).or_insert_with(place);
            }
            for code in words(comment).flat_map(|word| Code::of_text(word).into_iter().chain(codes_of_name(word))) {
                found.comments.entry(code).or_insert_with(place);
            }
        }
    }
    found
}

#[test]
fn every_code_of_a_test_or_a_comment_is_a_row() {
    let rows: BTreeSet<Code> = pages().into_iter().flat_map(|page| page.rows).collect();
    let References { names, comments } = references();
    let unknown: Vec<String> = names
        .iter()
        .chain(&comments)
        .filter(|(code, _)| !rows.contains(code))
        .map(|(code, place)| format!("{place} refers to {code}"))
        .collect();
    assert!(unknown.is_empty(), "neither tests/FAULTS.md nor tests/THREATS.md has these rows: {unknown:#?}");
}

#[test]
fn each_page_lists_the_rows_that_no_test_is_named_after() {
    let tested = references().names;
    let mut wrong = String::new();
    for Page { path, rows, listed } in pages() {
        let untested: BTreeSet<Code> = rows.into_iter().filter(|code| !tested.contains_key(code)).collect();
        let text = untested.iter().map(Code::to_string).collect::<Vec<_>>().join(", ");
        println!("{path}: {} rows without a test: {text}", untested.len());
        if listed != untested {
            wrong += &format!("\nwrite this under {LIST:?} of {path}:\n\n{text}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
