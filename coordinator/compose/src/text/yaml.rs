//! Parses YAML to trees with locations.
//!
//! The events of the parser are composed here, to copy aliases, resolve merge keys, and record `!reset` and `!override`.
//! Limits refuse a file whose aliases expand to more memory than a project needs.
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};

use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::input::MAX_FILE_SIZE;
use crate::text::node::{Extent, Map, Mode, Node, Value};
use crate::text::scalar;

/// Largest depth of nested mappings and lists, including aliases.
const MAX_DEPTH: usize = 128;
/// Largest number of values in a file with expanded aliases.
const MAX_NODES: usize = 100_000;

/// Largest size in bytes of the text that the aliases of a file expand to.
const MAX_REPEATED: usize = 16 << 20;

/// Parses the documents of a file, each to one tree.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Node>, Diagnostics> {
    let whole = Location::whole(file);
    if text.len() > MAX_FILE_SIZE {
        return Err(Diagnostic::at(&whole, format!("the file is larger than {} MiB", MAX_FILE_SIZE >> 20)).into());
    }
    let limits = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut composer = Composer {
        parser: Parser::new_from_str_with_options(text, limits),
        text,
        file: whole.file,
        anchors: BTreeMap::new(),
        open: Vec::new(),
        nodes: 0,
        repeated: 0,
        path: Vec::new(),
        mistakes: Vec::new(),
    };
    let documents = composer.documents()?;
    if composer.mistakes.is_empty() { Ok(documents) } else { Err(Diagnostics(composer.mistakes)) }
}

struct Anchor {
    node: Rc<Node>,
    extent: Extent,
}

struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    file: Arc<Path>,
    /// Anchors by the number that the parser gives them, which is never 0.
    anchors: BTreeMap<usize, Anchor>,
    /// Anchors of the collections around the current node. An alias to one of them would be infinite.
    open: Vec<usize>,
    nodes: usize,
    /// Size in bytes of the text that aliases expand to.
    repeated: usize,
    /// The keys that lead to the current node.
    path: Vec<String>,
    /// Mistakes after which parsing can continue.
    mistakes: Vec<Diagnostic>,
}

/// A key of a mapping.
enum Key {
    Name(String),
    MergeKey,
}

impl<'a> Composer<'a> {
    fn documents(&mut self) -> Result<Vec<Node>, Diagnostic> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(documents),
                (Event::DocumentStart(_, version), span) => {
                    if let Some(version) = version.filter(|version| (version.major, version.minor) != (1, 1)) {
                        let message = format!("YAML {}.{} is not supported", version.major, version.minor);
                        let at = self.location(span.start);
                        return Err(self.error(&at, message).hint("Compose uses YAML 1.1: remove the directive"));
                    }
                    self.anchors.clear();
                    let (event, span) = self.next()?;
                    documents.push(self.node(event, span, 0)?);
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Diagnostic> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let at = self.location(*error.marker());
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return self.too_deep(&at);
        }
        let diagnostic = self.error(&at, format!("invalid YAML: {}", error.kind()));
        match hint_for(error.kind()) {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }

    fn too_deep(&self, at: &Location) -> Diagnostic {
        self.error(at, format!("values are nested more than {MAX_DEPTH} levels deep"))
    }

    fn error(&self, at: &Location, message: String) -> Diagnostic {
        Diagnostic::at(at, message).key(self.path.join("."))
    }

    fn location(&self, mark: Marker) -> Location {
        Location { file: self.file.clone(), line: mark.line(), column: mark.col() + 1 }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let at = self.location(span.start);
        self.count(&at, 1, depth)?;
        match event {
            Event::Alias(anchor) => self.alias(&at, anchor, span, depth),
            Event::UnresolvedAlias(name) => Err(self
                .error(&at, format!("unknown anchor `{name}`"))
                .hint(format!("an anchor is defined with `&{name}`, earlier in the same document"))),
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::DoubleQuoted && span.slice(self.text).is_some_and(escapes_a_slash) {
                    let mistake = self.error(&at, "unknown escape `\\/`".to_owned());
                    self.mistakes.push(mistake.hint("do not escape the slash"));
                }
                let text = if ends_with_file(&text, style, span, self.text) { &text[..text.len() - 1] } else { &text };
                let node = self.scalar(&at, text, style, tag.as_deref());
                Ok(self.anchored(anchor, node))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open.push(anchor);
                let value = Value::List(self.list(depth)?);
                self.open.pop();
                Ok(self.anchored(anchor, tagged(at, value, tag.as_deref())))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open.push(anchor);
                let value = Value::Map(self.mapping(depth)?);
                self.open.pop();
                Ok(self.anchored(anchor, tagged(at, value, tag.as_deref())))
            }
            _ => Err(self.error(&at, "invalid YAML: expected a value".to_owned())),
        }
    }

    /// Counts nodes, and checks the limits.
    fn count(&mut self, at: &Location, nodes: usize, depth: usize) -> Result<(), Diagnostic> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES || self.repeated > MAX_REPEATED {
            let most = format!("{MAX_NODES} values or {} MiB of text", MAX_REPEATED >> 20);
            return Err(self
                .error(at, format!("the file expands to more than {most}"))
                .hint("reduce nested aliases, which multiply"));
        }
        if depth > MAX_DEPTH { Err(self.too_deep(at)) } else { Ok(()) }
    }

    fn alias(&mut self, at: &Location, anchor: usize, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let known = self.anchors.get(&anchor).filter(|_| !self.open.contains(&anchor));
        let Some(known) = known else {
            let name = span.slice(self.text).unwrap_or_default();
            return Err(self.error(at, format!("alias `{name}` is inside the value that it refers to")));
        };
        let (node, extent) = (Rc::clone(&known.node), known.extent);
        self.repeated += extent.text;
        self.count(at, extent.values, depth + extent.depth)?;
        Ok(Node::clone(&node))
    }

    fn scalar(&mut self, at: &Location, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Node {
        let plain = style == ScalarStyle::Plain;
        let name = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
        let value = scalar::resolve(text, plain, name.as_deref()).unwrap_or_else(|| {
            let message = format!("`{text}` does not match its tag `{}`", name.unwrap_or_default());
            self.mistakes.push(self.error(at, message));
            Value::Null
        });
        tagged(at.clone(), value, tag)
    }

    fn anchored(&mut self, anchor: usize, node: Node) -> Node {
        if anchor != 0 {
            let extent = Extent::of(&node);
            self.anchors.insert(anchor, Anchor { node: Rc::new(node.clone()), extent });
        }
        node
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Diagnostic> {
        let mut list = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(list);
            }
            self.path.push(list.len().to_string());
            list.push(self.node(event, span, depth + 1)?);
            self.path.pop();
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Map, Diagnostic> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        let mut seen: BTreeMap<String, Location> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let at = self.location(span.start);
            let (key, written) = self.key(event, span)?;
            self.path.push(written.clone());
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, depth + 1)?;
            if let Some(first) = seen.insert(written.clone(), at.clone()) {
                let message = format!("key `{written}` is already defined at line {}", first.line);
                self.mistakes.push(self.error(&at, message));
            }
            self.path.pop();
            match key {
                Key::MergeKey => merged.extend(self.merge_sources(node)),
                Key::Name(name) => {
                    node.at = at;
                    map.insert(name, node);
                }
            }
        }
        // The keys of the mapping override merged ones, and the first of several sources overrides the next.
        for (key, node) in merged {
            map.entry(key).or_insert(node);
        }
        Ok(map)
    }

    fn key(&mut self, event: Event<'a>, span: Span) -> Result<(Key, String), Diagnostic> {
        if let Event::Scalar(text, ScalarStyle::Plain, _, tag) = &event
            && text == "<<"
            && tag.as_deref().is_none_or(is_merge_tag)
        {
            return Ok((Key::MergeKey, text.to_string()));
        }
        let at = &self.location(span.start);
        let node = self.node(event, span, 0)?;
        match node.value {
            Value::Text(text) => Ok((Key::Name(text.clone()), text)),
            Value::List(_) | Value::Map(_) => {
                Err(self.error(at, format!("a key must be a string, not {}", node.kind())))
            }
            _ => {
                let text = node.scalar_text().unwrap_or_else(|| "null".to_owned());
                let message = format!("key `{text}` must be a string, not {}", node.kind());
                self.mistakes.push(self.error(at, message).hint(format!("write \"{text}\" with quotes")));
                Ok((Key::Name(text.clone()), text))
            }
        }
    }

    /// Returns the entries of a merge key, whose value is a mapping or a list of mappings.
    fn merge_sources(&mut self, node: Node) -> Vec<(String, Node)> {
        match node.value {
            Value::Map(map) => map.into_iter().collect(),
            Value::List(list) if list.iter().all(|source| source.as_map().is_some()) => {
                list.into_iter().flat_map(|source| self.merge_sources(source)).collect()
            }
            _ => {
                self.mistakes.push(self.error(&node.at, "`<<` needs a mapping or a list of mappings".to_owned()));
                Vec::new()
            }
        }
    }
}

/// Whether a tag is the one that a plain `<<` has implicitly.
fn is_merge_tag(tag: &Tag) -> bool {
    tag.suffix_in_namespace("tag:yaml.org,2002:").is_some_and(|name| name == "merge")
}

/// Whether a block scalar ends at the end of the file, and the parser added a line end that the file does not have.
fn ends_with_file(text: &str, style: ScalarStyle, span: Span, file: &str) -> bool {
    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let last_line = file.rsplit(['\n', '\r']).next().unwrap_or_default().trim_start_matches(' ');
    block
        && !last_line.is_empty()
        && span.byte_range().is_some_and(|range| range.end == file.len())
        && text.strip_suffix('\n').is_some_and(|text| text.ends_with(last_line))
}

/// Whether a text contains `\/`, an escape of YAML 1.2 that YAML 1.1 does not have.
fn escapes_a_slash(quoted: &str) -> bool {
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        let after = &rest[at + 1..];
        let Some(escaped) = after.chars().next() else { return false };
        if escaped == '/' {
            return true;
        }
        rest = &after[escaped.len_utf8()..];
    }
    false
}

/// Creates a node with the mode of its tag. A reset node is null.
fn tagged(at: Location, value: Value, tag: Option<&Tag>) -> Node {
    match tag.map(|tag| (tag.handle(), tag.suffix())) {
        Some(("!", "reset")) => Node { at, value: Value::Null, mode: Mode::Reset },
        Some(("!", "override")) => Node { at, value, mode: Mode::Override },
        _ => Node { at, value, mode: Mode::Merge },
    }
}

fn hint_for(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            Some("indent with spaces, because YAML does not allow tabs")
        }
        ErrorKind::UnexpectedCharacter { .. } => Some("a value that starts with @, ` or % needs quotes"),
        ErrorKind::MappingValueNotAllowed => {
            Some("a value with `: ` needs quotes, and the keys of a mapping need the same indentation")
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::SimpleKeyExpected => {
            Some("the keys of a mapping need the same indentation")
        }
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnclosedQuotedScalar => Some("close the quotes"),
        ErrorKind::InvalidColonPlacement | ErrorKind::UnclosedFlowCollection { .. } => Some("close the bracket"),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        parse(Path::new("f.yaml"), text).unwrap().remove(0)
    }

    fn error_of(text: &str) -> String {
        parse(Path::new("f.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_value_has_the_location_of_its_key() {
        let node = one("a:\n  bc: 1\n  d: [x, y]\n");
        let place = |node: &Node| (node.at.line, node.at.column);
        assert_eq!(place(node.at_key("a").unwrap().at_key("bc").unwrap()), (2, 3));
        assert_eq!(place(&node.at_key("a").unwrap().at_key("d").unwrap().as_list().unwrap()[1]), (3, 10));
    }

    #[test]
    fn merge_keys_accept_several_mappings_and_the_first_overrides() {
        let node = one("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  x: 0\n  <<: [*a, *b]\n");
        let c = node.at_key("c").unwrap();
        let number = |key| c.at_key(key).unwrap().value.clone();
        assert_eq!((number("x"), number("y"), number("z")), (Value::Int(0), Value::Int(1), Value::Int(2)));
    }

    #[test]
    fn a_block_at_the_end_of_a_file_has_the_line_end_of_the_file() {
        let cases = [
            ("a: |\n  x\n  y", "x\ny"),
            ("a: |\n  x\n  y\n", "x\ny\n"),
            ("a: |+\n  x\n\n", "x\n\n"),
            ("a: >\n  x\n  y ", "x y "),
            ("a: |\n  x\n ", "x\n"),
            ("a: |\n  x\n# x", "x\n"),
            ("a: |-\n  x", "x"),
        ];
        for (text, value) in cases {
            assert_eq!(one(text).at_key("a").unwrap().as_str(), Some(value), "{text:?}");
        }
    }

    #[test]
    fn a_merge_key_without_a_mapping_is_refused() {
        assert!(error_of("a: &a 5\nb:\n  <<: *a\n").contains("needs a mapping"));
    }

    #[test]
    fn several_mistakes_are_reported_at_once() {
        let text = error_of("a: 1\na: 2\nb:\n  5: x\n");
        assert!(text.contains("f.yaml:2:1: key `a` is already defined at line 1"), "{text}");
        assert!(text.contains("f.yaml:4:3: key `5` must be a string, not a number (b)"), "{text}");
    }

    #[test]
    fn syntax_errors_have_a_location_and_a_hint() {
        let text = error_of("a: b: c\n");
        assert!(text.starts_with("f.yaml:1:5: invalid YAML: mapping values"), "{text}");
        assert!(text.contains("hint: "), "{text}");
    }

    #[test]
    fn a_file_that_expands_without_limit_is_refused() {
        let mut text = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = level - 1;
            let aliases = vec![format!("*l{below}"); 10].join(", ");
            text.push_str(&format!("l{level}: &l{level} [{aliases}]\n"));
        }
        assert!(error_of(&text).contains("expands to more than"));
        assert!(error_of(&"[".repeat(100_000)).contains("nested more than"));
    }

    #[test]
    fn an_alias_inside_its_anchor_is_refused() {
        assert!(error_of("a: &a\n  b: *a\n").contains("is inside the value that it refers to"));
        assert!(error_of("a: *nope\n").contains("unknown anchor `nope`"));
    }

    #[test]
    fn features_of_yaml_1_2_are_refused_as_by_the_reference() {
        assert!(error_of("%YAML 1.2\n---\na: 1\n").starts_with("f.yaml:2:1: YAML 1.2 is not supported"));
        assert_eq!(one("%YAML 1.1\n---\na: 1\n").at_key("a").unwrap().value, Value::Int(1));
        assert!(error_of("a: \"b\\/c\"\n").starts_with("f.yaml:1:4: unknown escape `\\/`"));
        assert_eq!(one("a: \"b\\\\/c/d\"\n").at_key("a").unwrap().as_str(), Some("b\\/c/d"));
    }

    #[test]
    fn documents_are_separate_trees() {
        assert_eq!(parse(Path::new("f"), "a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert!(parse(Path::new("f"), "# nothing\n").unwrap().is_empty());
    }

    #[test]
    fn reset_and_override_are_recorded() {
        let node = one("a: !reset null\nb: !override [1]\n");
        assert_eq!(node.at_key("a").unwrap().mode, Mode::Reset);
        assert_eq!(node.at_key("b").unwrap().mode, Mode::Override);
    }
}
