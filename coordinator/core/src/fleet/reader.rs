//! Reads a TOML document key by key, with the location of each key, and collects all errors.
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use landfast_compose::spelling::nearest;
use landfast_compose::{Diagnostic, Location};

/// A table of the document.
#[derive(Clone, Copy)]
pub(super) struct Table<'t> {
    table: &'t DeTable<'t>,
}

/// A value with its dotted path and position.
pub(super) struct Field<'t> {
    pub(super) path: String,
    pub(super) span: Range<usize>,
    value: &'t DeValue<'t>,
}

/// Document that is being read, and its errors.
pub(super) struct Reader<'t> {
    file: Arc<Path>,
    text: &'t str,
    pub(super) mistakes: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file_name: &str, text: &'t str) -> Self {
        Self { file: Path::new(file_name).into(), text, mistakes: Vec::new() }
    }

    /// Returns the location of a position in the text; line and column start at 1.
    pub(super) fn location(&self, span: &Range<usize>) -> Location {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        Location { file: self.file.clone(), line, column: before[line_start..].chars().count() + 1 }
    }

    pub(super) fn mistake(&mut self, span: &Range<usize>, path: &str, message: impl Into<String>) {
        let location = self.location(span);
        self.mistakes.push(Diagnostic::at(&location, message).key(path));
    }

    pub(super) fn mistake_at(&mut self, field: &Field<'_>, message: impl Into<String>) {
        self.mistake(&field.span, &field.path, message);
    }

    /// Returns all fields of a table, ordered by name.
    pub(super) fn fields(&self, path: &str, table: Table<'t>) -> Vec<Field<'t>> {
        let dot = if path.is_empty() { "" } else { "." };
        let field = |(key, value): (&'t Spanned<_>, &'t Spanned<DeValue<'t>>)| {
            let key: &Spanned<std::borrow::Cow<'t, str>> = key;
            Field { path: format!("{path}{dot}{}", key.get_ref()), span: key.span(), value: value.get_ref() }
        };
        table.table.iter().map(field).collect()
    }

    /// Returns the known fields of a table, and reports all others as errors.
    pub(super) fn known(&mut self, path: &str, table: Table<'t>, known: &[&str]) -> Vec<Field<'t>> {
        let (known_fields, unknown): (Vec<_>, Vec<_>) =
            self.fields(path, table).into_iter().partition(|field| known.contains(&field.name()));
        for field in unknown {
            let location = self.location(&field.span);
            let hint = match nearest(field.name(), known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            self.mistakes.push(Diagnostic::at(&location, "unknown key").key(&field.path).hint(hint));
        }
        known_fields
    }

    pub(super) fn table(&mut self, field: &Field<'t>) -> Option<Table<'t>> {
        match field.value {
            DeValue::Table(table) => Some(Table { table }),
            other => self.wrong(field, "a table", other),
        }
    }

    pub(super) fn text(&mut self, field: &Field<'t>) -> Option<String> {
        match field.value {
            DeValue::String(text) => Some(text.to_string()),
            other => self.wrong(field, "a string in quotes", other),
        }
    }

    pub(super) fn number(&mut self, field: &Field<'t>) -> Option<u32> {
        match field.value {
            DeValue::Integer(number) => match u32::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Some(number),
                Err(_) => self.refuse(field, format!("{} is out of range", number.as_str())),
            },
            other => self.wrong(field, "a number", other),
        }
    }

    pub(super) fn texts(&mut self, field: &Field<'t>) -> Option<Vec<String>> {
        Some(self.places(field)?.into_iter().map(|(text, _)| text).collect())
    }

    /// Returns the strings of a list, each with its position.
    pub(super) fn places(&mut self, field: &Field<'t>) -> Option<Vec<(String, Range<usize>)>> {
        let DeValue::Array(values) = field.value else {
            return self.wrong(field, "a list of strings", field.value);
        };
        let text = |value: &Spanned<DeValue<'t>>| Some((value.get_ref().as_str()?.to_owned(), value.span()));
        match values.iter().map(text).collect() {
            Some(texts) => Some(texts),
            None => self.refuse(field, "expected a list of strings in quotes"),
        }
    }

    /// Parses a string, such as an address or a subnet.
    pub(super) fn parsed<T: std::str::FromStr>(&mut self, field: &Field<'t>, expected: &str) -> Option<T> {
        let text = self.text(field)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.refuse(field, format!("{text:?} is not {expected}")),
        }
    }

    pub(super) fn refuse<T>(&mut self, field: &Field<'_>, message: impl Into<String>) -> Option<T> {
        self.mistake_at(field, message);
        None
    }

    fn wrong<T>(&mut self, field: &Field<'_>, expected: &str, found: &DeValue<'_>) -> Option<T> {
        self.refuse(field, format!("expected {expected}, found {}", found.type_str()))
    }
}

impl<'t> Table<'t> {
    pub(super) fn root(table: &'t DeTable<'t>) -> Self {
        Self { table }
    }
}

impl Field<'_> {
    /// Returns the key without the path of its table.
    pub(super) fn name(&self) -> &str {
        // A quoted key may contain dots ("a.b" = …), but no known key does.
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }
}
