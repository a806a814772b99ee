//! A file into directives. `Include` is followed by the reader that is handed in, so that this is a function of text.

use std::path::PathBuf;
use std::sync::Arc;

use super::text;
use super::{ConfigError, Place, Problem};

/// As deep as OpenSSH goes.
const DEPTH: usize = 16;

/// A file and its text.
pub type Text = (PathBuf, String);

/// The files that a word of `Include` names, in order; none when there are none. An error says why not.
pub type Reader<'a> = &'a dyn Fn(&str) -> Result<Vec<Text>, String>;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    pub place: Place,
    /// The keyword as it is written.
    pub keyword: String,
    pub words: Vec<String>,
    /// For `Include`: the directives of each file.
    pub included: Vec<Vec<Directive>>,
}

/// The directives of a file.
pub fn parse(file: Text, include: Reader<'_>) -> Result<Vec<Directive>, ConfigError> {
    parse_at(file, include, 0)
}

fn parse_at((file, text): Text, include: Reader<'_>, depth: usize) -> Result<Vec<Directive>, ConfigError> {
    let file = Arc::new(file);
    let mut directives = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = Place { file: Arc::clone(&file), line: index + 1 };
        let failed = |problem| ConfigError { place: place.clone(), problem };
        let Some((keyword, words)) = text::split(line).map_err(failed)? else { continue };
        if words.is_empty() {
            return Err(failed(Problem::NoValue(keyword.to_owned())));
        }
        let included =
            if keyword.eq_ignore_ascii_case("include") { follow(&words, &place, include, depth)? } else { Vec::new() };
        directives.push(Directive { place, keyword: keyword.to_owned(), words, included });
    }
    Ok(directives)
}

fn follow(
    words: &[String],
    place: &Place,
    include: Reader<'_>,
    depth: usize,
) -> Result<Vec<Vec<Directive>>, ConfigError> {
    let failed = |problem| ConfigError { place: place.clone(), problem };
    if depth == DEPTH {
        return Err(failed(Problem::Depth(DEPTH)));
    }
    let mut included = Vec::new();
    for word in words {
        let files = include(word).map_err(|why| failed(Problem::Include { file: word.clone(), why }))?;
        for file in files {
            included.push(parse_at(file, include, depth + 1)?);
        }
    }
    Ok(included)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_files(_: &str) -> Result<Vec<Text>, String> {
        Ok(Vec::new())
    }

    fn file(text: &str) -> Text {
        ("config".into(), text.to_owned())
    }

    #[test]
    fn every_directive_knows_its_place_in_its_file() {
        let include = |word: &str| match word {
            "more" => Ok(vec![("more".into(), "\nPort 2222\n".to_owned())]),
            _ => no_files(word),
        };
        let directives = parse(file("# mine\nHost box\n  include more none\n  User anna\n"), &include).unwrap();
        let shown: Vec<String> = directives.iter().map(|one| format!("{} {}", one.place, one.keyword)).collect();
        assert_eq!(shown, ["config:2 Host", "config:3 include", "config:4 User"]);
        assert_eq!(directives[1].included[0][0].place.to_string(), "more:2");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_file_and_line() {
        for (text, expected) in [
            ("Host box\nUser \"anna\n", "config:2: a quotation mark is not closed"),
            ("Host\n", "config:1: `Host` has no value"),
            ("\n\nPort=\n", "config:3: `Port` has no value"),
        ] {
            assert_eq!(parse(file(text), &no_files).unwrap_err().to_string(), expected);
        }
        let unreadable = |_: &str| Err("Permission denied".to_owned());
        let error = parse(file("Include x\n"), &unreadable).unwrap_err().to_string();
        assert_eq!(error, "config:1: `x` cannot be included: Permission denied");
    }

    #[test]
    fn files_that_include_themselves_end() {
        let include = |_: &str| Ok(vec![("config".into(), "Include config\n".to_owned())]);
        let error = parse(file("Include config\n"), &include).unwrap_err();
        assert_eq!(error.problem, Problem::Depth(16));
    }
}
