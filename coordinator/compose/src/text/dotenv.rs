//! Parses env files: `KEY=value` lines with quotes, comments, escapes and variables.
use std::cell::Cell;
use std::collections::BTreeMap;

use crate::text::interpolate::substitute;

/// Largest size of an env file in bytes, which is more than Linux passes to a process.
const MAX_SIZE: usize = 2 << 20;
/// Largest size of all values of an env file in bytes. Variables can multiply.
const MAX_VALUES: usize = 16 << 20;
/// Largest size of all variables that are looked up for an env file, whether a value contains them or not.
const MAX_LOOKED_UP: usize = 64 << 20;

/// An error in an env file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct DotenvError {
    /// Line, counted from 1. 0 stands for the whole file.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Parses an env file into `variables`. Later lines override earlier ones.
///
/// Variables in values are looked up in `lookup` first, and then in `variables`. A line without a value takes the value from
/// `lookup`, if there is one.
pub fn parse(
    text: &str,
    variables: &mut BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(), DotenvError> {
    check_size(text)?;
    let mut reader = Reader::new(text);
    let mut all = 0;
    let left = Cell::new(MAX_LOOKED_UP);
    while reader.skip_to_statement() {
        let (key, has_value) = reader.key()?;
        if !has_value {
            if let Some(value) = lookup(&key) {
                variables.insert(key, value);
            }
            continue;
        }
        let begins = reader.at;
        let value = reader.value(&|name| {
            if left.get() == 0 {
                return None;
            }
            let value = lookup(name).or_else(|| variables.get(name).cloned())?;
            left.set(left.get().saturating_sub(value.len()));
            Some(value)
        })?;
        all += value.len();
        if all > MAX_VALUES || left.get() == 0 {
            reader.at = begins;
            return Err(reader.error(format!("the values of the file grow beyond {} MiB", MAX_VALUES >> 20)));
        }
        variables.insert(key, value);
    }
    Ok(())
}

/// A variable of an env file, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Name of the variable.
    pub name: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Whether the line has a value. A name without a value passes on the variable of the shell.
    pub has_value: bool,
}

/// Returns the names in an env file in their order.
pub fn names(text: &str) -> Result<Vec<Name>, DotenvError> {
    let mut reader = Reader::new(text);
    let mut names = Vec::new();
    while reader.skip_to_statement() {
        let line = reader.text[..reader.at].matches('\n').count() + 1;
        let (name, has_value) = reader.key()?;
        if has_value {
            // Required variables are checked when the file is used.
            reader.value(&|_| Some("set".to_owned()))?;
        }
        names.push(Name { name, line, has_value });
    }
    Ok(names)
}

/// Parses an env file of the format `raw`: lines of `KEY=value` without quotes or variables.
pub fn parse_raw(
    text: &str,
    variables: &mut BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(), DotenvError> {
    check_size(text)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate() {
        // Also removes a `\r` at the end of the file.
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line, lookup(line)),
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(DotenvError { line: index + 1, message: format!("`{key}` is not a valid variable name") });
        }
        if let Some(value) = value {
            variables.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

fn check_size(text: &str) -> Result<(), DotenvError> {
    if text.len() <= MAX_SIZE {
        return Ok(());
    }
    Err(DotenvError { line: 0, message: format!("the env file is larger than {} MiB", MAX_SIZE >> 20) })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first line. A `\r` is a blank, except in a quoted value.
    fn new(text: &'a str) -> Self {
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, message: String) -> DotenvError {
        let line = self.text[..self.at].matches('\n').count() + 1;
        DotenvError { line, message }
    }

    /// Skips blank lines and comments. Returns false at the end of the file.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let rest = self.rest();
            if !rest.starts_with('#') {
                return !rest.is_empty();
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    /// Parses a name. Also returns whether a value follows.
    fn key(&mut self) -> Result<(String, bool), DotenvError> {
        let rest = self.rest();
        if let Some(after) = rest.strip_prefix("export")
            && after.starts_with([' ', '\t', '\u{c}', '\r', '\n'])
        {
            self.at += rest.len() - after.trim_start_matches(is_blank).len();
        }
        let rest = self.rest();
        let end = rest.find(['=', ':', '\n']).unwrap_or(rest.len());
        let line = rest.lines().next().unwrap_or_default();
        let good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']') || is_blank(c);
        if let Some(bad) = rest[..end].chars().find(|c| !good(*c)) {
            return Err(self.error(format!("unexpected character `{bad}` in variable name `{line}`")));
        }
        let key = rest[..end].trim_end();
        if key.contains(' ') {
            return Err(self.error(format!("variable name `{key}` contains a space")));
        }
        let has_value = rest[end..].starts_with(['=', ':']);
        self.at += (end + 1).min(rest.len());
        Ok((key.to_owned(), has_value))
    }

    fn value(&mut self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, DotenvError> {
        let rest = self.rest();
        let rest = rest.trim_start_matches(is_blank);
        self.at = self.text.len() - rest.len();
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote, lookup),
            _ => {
                let line = rest.split('\n').next().unwrap_or_default();
                let value = line.split(" #").next().unwrap_or_default().trim_end();
                let value = self.expand(value, lookup)?;
                self.at += (line.len() + 1).min(rest.len());
                Ok(value)
            }
        }
    }

    fn quoted(&mut self, quote: char, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, DotenvError> {
        let rest = self.rest();
        let mut value = String::new();
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            if c == quote && !escaped {
                let value = if quote == '"' { self.expand(&unescape(&value), lookup)? } else { value };
                self.at += at + 1;
                return Ok(value);
            }
            if c == '\\' && !escaped {
                escaped = true;
                continue;
            }
            // Other escapes are resolved at the end of the value.
            if escaped && c != quote {
                value.push('\\');
            }
            escaped = false;
            value.push(c);
        }
        let line = rest.lines().next().unwrap_or_default();
        Err(self.error(format!("unterminated quoted value {line}")))
    }

    fn expand(&self, value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, DotenvError> {
        match substitute(value, lookup) {
            Ok((value, _)) => Ok(value),
            Err(error) => Err(self.error(error.to_string())),
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{a0}')
}

/// Resolves the escapes of a double-quoted value. `\$` becomes `$$`, which interpolation turns into a dollar sign.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('v') => out.push('\u{b}'),
            Some('\\') => out.push('\\'),
            Some('"') => out.push('"'),
            Some('$') => out.push_str("$$"),
            Some('0') => {
                let mut digits = String::new();
                while digits.len() < 3 && chars.peek().is_some_and(char::is_ascii_digit) {
                    digits.extend(chars.next());
                }
                // Three octal digits are a byte. Other digits only lose the 0, as in the reference.
                match u32::from_str_radix(&digits, 8).ok().filter(|byte| digits.len() == 3 && *byte < 256) {
                    Some(byte) => out.extend(char::from_u32(byte)),
                    None => {
                        out.push('\\');
                        out.push_str(&digits);
                    }
                }
            }
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        parse(text, &mut variables, &|name| (name == "OUT").then(|| "outer".to_owned())).unwrap();
        variables
    }

    fn value(text: &str) -> String {
        read(text).remove("A").unwrap()
    }

    #[test]
    fn values_are_parsed_with_and_without_quotes() {
        let cases = [
            ("A=b c # comment\n", "b c"),
            ("A=b#c", "b#c"),
            ("A = b ", "b"),
            ("export A=b", "b"),
            ("A: b", "b"),
            ("A=\"b # c\\n\"", "b # c\n"),
            ("A='b $OUT \\' \\n'", "b $OUT ' \\n"),
            ("A=\"two\nlines\"", "two\nlines"),
            ("A=", ""),
            ("A=$OUT ${NO:-d}", "outer d"),
            ("A=\"\\$OUT $$OUT\"", "$OUT $OUT"),
            ("\u{feff}A=b\r\n", "b"),
            // As in the reference, line ends in quotes stay unchanged.
            ("A=\"two\r\nlines\"\r\n", "two\r\nlines"),
            ("A='two\r\n\r\nlines'\r\nB=1\r\n", "two\r\n\r\nlines"),
            ("A='b'\r\nB=1\r\n", "b"),
            ("A=b # c\r\n", "b"),
            ("A=\r\n", ""),
            ("B=1\r\n\r\n# c\r\nA=$B\r\n", "1"),
            ("export A=\"$B\r\n\"\r\n", "\r\n"),
            ("export\t\u{b}A=b", "b"),
            ("A=\"\\0101 \\012 \\0777 \\0\"", "A \\12 \\777 \\"),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn earlier_variables_can_be_used_and_later_lines_override_them() {
        assert_eq!(value("B=1\nA=$B\nB=2\nA=${A}$B\n"), "12");
    }

    #[test]
    fn a_name_without_a_value_takes_the_value_of_the_shell() {
        assert_eq!(read("OUT\r\nNO\r\n"), BTreeMap::from([("OUT".to_owned(), "outer".to_owned())]));
        assert_eq!(read("OUT\nNO\n"), BTreeMap::from([("OUT".to_owned(), "outer".to_owned())]));
    }

    #[test]
    fn errors_have_line_numbers() {
        let refuse = |text| parse(text, &mut BTreeMap::new(), &|_| None).unwrap_err().to_string();
        assert_eq!(refuse("A=1\nB!=2\n"), "line 2: unexpected character `!` in variable name `B!=2`");
        assert_eq!(refuse("A=\"b\n"), "line 1: unterminated quoted value \"b");
        assert_eq!(refuse("A B=1"), "line 1: variable name `A B` contains a space");
        assert_eq!(refuse("\nA=${B:?no}"), "line 2: required variable B is missing a value: no");
    }

    #[test]
    fn names_have_line_numbers() {
        let text = "# c\nA=1\nexport B='two\nlines'\nC\n\nD=${X:?why}\n";
        let named = |name: &str, line, has_value| Name { name: name.to_owned(), line, has_value };
        let all = [named("A", 2, true), named("B", 3, true), named("C", 5, false), named("D", 7, true)];
        assert_eq!(names(text).unwrap(), all);
        assert_eq!(names("A=1\nB!=2\n").unwrap_err().line, 2);
    }

    #[test]
    fn too_many_lookups_are_refused_even_if_the_value_is_empty() {
        let text = format!("A={}\nB={}\n", "x".repeat(1 << 20), "${A:+}".repeat(100));
        let refusal = parse(&text, &mut BTreeMap::new(), &|_| None).unwrap_err().to_string();
        assert_eq!(refusal, "line 2: the values of the file grow beyond 16 MiB");
    }

    #[test]
    fn raw_lines_are_not_interpreted() {
        let mut variables = BTreeMap::new();
        parse_raw("# c\nA=\"$B\" # x\n", &mut variables, &|_| None).unwrap();
        assert_eq!(variables["A"], "\"$B\" # x");
        parse_raw("A=1\r\nB='2\r\n\r\nC=3\r", &mut variables, &|_| None).unwrap();
        assert_eq!([&variables["A"], &variables["B"], &variables["C"]], ["1", "'2", "3"]);
        assert!(parse_raw("A B=1", &mut variables, &|_| None).is_err());
    }
}
