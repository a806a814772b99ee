//! Parses a configuration file into directives. The caller supplies the function that reads included files, so this
//! module is pure.

use std::path::PathBuf;
use std::sync::Arc;

use super::text;
use super::{ConfigError, Location, Problem};

/// Maximum depth of nested `Include` directives, the same as in OpenSSH.
const MAX_DEPTH: usize = 16;

/// Path and contents of a configuration file.
pub type Text = (PathBuf, String);

/// A function that reads the files that one word of `Include` names, in order. The error is the reason why a file
/// cannot be read.
pub type Reader<'a> = &'a dyn Fn(&str) -> Result<Vec<Text>, String>;

/// One line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    pub location: Location,
    /// The keyword as written in the file.
    pub keyword: String,
    pub words: Vec<String>,
    /// Directives of each included file; empty for other keywords.
    pub included: Vec<Vec<Directive>>,
}

/// Parses a file into its directives.
pub fn parse(file: Text, include: Reader<'_>) -> Result<Vec<Directive>, ConfigError> {
    parse_at(file, include, 0)
}

fn parse_at((file, text): Text, include: Reader<'_>, depth: usize) -> Result<Vec<Directive>, ConfigError> {
    let file = Arc::new(file);
    let mut directives = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let location = Location { file: Arc::clone(&file), line: index + 1 };
        let failed = |problem| ConfigError { location: location.clone(), problem };
        let Some((keyword, words)) = text::split(line).map_err(failed)? else { continue };
        if words.is_empty() {
            return Err(failed(Problem::NoValue(keyword.to_owned())));
        }
        let included = if keyword.eq_ignore_ascii_case("include") {
            follow(&words, &location, include, depth)?
        } else {
            Vec::new()
        };
        directives.push(Directive { location, keyword: keyword.to_owned(), words, included });
    }
    Ok(directives)
}

fn follow(
    words: &[String],
    location: &Location,
    include: Reader<'_>,
    depth: usize,
) -> Result<Vec<Vec<Directive>>, ConfigError> {
    let failed = |problem| ConfigError { location: location.clone(), problem };
    if depth == MAX_DEPTH {
        return Err(failed(Problem::Depth(MAX_DEPTH)));
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
    fn every_directive_has_its_location() {
        let include = |word: &str| match word {
            "more" => Ok(vec![("more".into(), "\nPort 2222\n".to_owned())]),
            _ => no_files(word),
        };
        let directives = parse(file("# mine\nHost box\n  include more none\n  User anna\n"), &include).unwrap();
        let shown: Vec<String> = directives.iter().map(|one| format!("{} {}", one.location, one.keyword)).collect();
        assert_eq!(shown, ["config:2 Host", "config:3 include", "config:4 User"]);
        assert_eq!(directives[1].included[0][0].location.to_string(), "more:2");
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
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
    fn a_file_that_includes_itself_is_refused() {
        let include = |_: &str| Ok(vec![("config".into(), "Include config\n".to_owned())]);
        let error = parse(file("Include config\n"), &include).unwrap_err();
        assert_eq!(error.problem, Problem::Depth(16));
    }
}
