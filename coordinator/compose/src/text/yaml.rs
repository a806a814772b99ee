//! From a file's text to trees with places: YAML events composed by rules of our own, with limits.
//!
//! Aliases are copied, merge keys resolved, `!reset` and `!override` noted. The limits make a file that unfolds into
//! very much fail at once instead of eating memory.
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};

use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::input::MAX_FILE_SIZE;
use crate::text::node::{Extent, Map, Mode, Node, Value};
use crate::text::scalar;

/// Mappings and lists inside each other, through aliases too.
const MAX_DEPTH: usize = 128;
/// Values of one file with all aliases unfolded.
const MAX_NODES: usize = 100_000;

/// Bytes of text that the aliases of one file stand for.
const MAX_REPEATED: usize = 16 << 20;

/// The documents of a file, each one tree.
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
    /// By the parser's number, which is never 0.
    anchors: BTreeMap<usize, Anchor>,
    /// Anchors of the collections around the current node: an alias to one of them would never end.
    open: Vec<usize>,
    nodes: usize,
    /// Bytes of text that aliases stand for.
    repeated: usize,
    /// The keys that lead to the current node.
    path: Vec<String>,
    /// What is wrong without being in the way of reading on.
    mistakes: Vec<Diagnostic>,
}

/// One entry of a mapping as it was written.
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
                        let message = format!("a file of YAML {}.{}", version.major, version.minor);
                        let at = self.place(span.start);
                        return Err(self.complain(&at, message).hint("Compose reads YAML 1.1: take the directive out"));
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
        let at = self.place(*error.marker());
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return self.too_deep(&at);
        }
        let diagnostic = self.complain(&at, format!("not YAML: {}", error.kind()));
        match hint_for(error.kind()) {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }

    fn too_deep(&self, at: &Location) -> Diagnostic {
        self.complain(at, format!("values are nested more than {MAX_DEPTH} deep"))
    }

    fn complain(&self, at: &Location, message: String) -> Diagnostic {
        Diagnostic::at(at, message).key(self.path.join("."))
    }

    fn place(&self, mark: Marker) -> Location {
        Location { file: self.file.clone(), line: mark.line(), column: mark.col() + 1 }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let at = self.place(span.start);
        self.count(&at, 1, depth)?;
        match event {
            Event::Alias(anchor) => self.alias(&at, anchor, span, depth),
            Event::UnresolvedAlias(name) => Err(self
                .complain(&at, format!("unknown anchor `{name}`"))
                .hint(format!("an anchor is defined with `&{name}`, earlier in the same document"))),
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::DoubleQuoted && span.slice(self.text).is_some_and(escapes_a_slash) {
                    let mistake = self.complain(&at, "unknown escape `\\/`".to_owned());
                    self.mistakes.push(mistake.hint("a slash needs no escape"));
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
            _ => Err(self.complain(&at, "not YAML: expected a value".to_owned())),
        }
    }

    /// Counts nodes against the limits.
    fn count(&mut self, at: &Location, nodes: usize, depth: usize) -> Result<(), Diagnostic> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES || self.repeated > MAX_REPEATED {
            let most = format!("{MAX_NODES} values or {} MiB of text", MAX_REPEATED >> 20);
            return Err(self
                .complain(at, format!("the file unfolds into more than {most}"))
                .hint("aliases of aliases multiply: write less of it by reference"));
        }
        if depth > MAX_DEPTH { Err(self.too_deep(at)) } else { Ok(()) }
    }

    fn alias(&mut self, at: &Location, anchor: usize, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let known = self.anchors.get(&anchor).filter(|_| !self.open.contains(&anchor));
        let Some(known) = known else {
            let name = span.slice(self.text).unwrap_or_default();
            return Err(self.complain(at, format!("`{name}` stands inside what it refers to")));
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
            let message = format!("`{text}` does not fit its tag `{}`", name.unwrap_or_default());
            self.mistakes.push(self.complain(at, message));
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
            let at = self.place(span.start);
            let (key, written) = self.key(event, span)?;
            self.path.push(written.clone());
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, depth + 1)?;
            if let Some(first) = seen.insert(written.clone(), at.clone()) {
                let message = format!("key `{written}` is already defined at line {}", first.line);
                self.mistakes.push(self.complain(&at, message));
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
        // What the mapping says itself wins over what it merges, and the first of several sources over the next.
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
        let at = &self.place(span.start);
        let node = self.node(event, span, 0)?;
        match node.value {
            Value::Text(text) => Ok((Key::Name(text.clone()), text)),
            Value::List(_) | Value::Map(_) => {
                Err(self.complain(at, format!("a key must be a string, not {}", node.kind())))
            }
            _ => {
                let text = node.scalar_text().unwrap_or_else(|| "null".to_owned());
                let message = format!("key `{text}` is not a string but {}", node.kind());
                self.mistakes.push(self.complain(at, message).hint(format!("write \"{text}\" in quotes")));
                Ok((Key::Name(text.clone()), text))
            }
        }
    }

    /// The entries that a merge key brings: of one mapping, or of a list of them.
    fn merge_sources(&mut self, node: Node) -> Vec<(String, Node)> {
        match node.value {
            Value::Map(map) => map.into_iter().collect(),
            Value::List(list) if list.iter().all(|source| source.as_map().is_some()) => {
                list.into_iter().flat_map(|source| self.merge_sources(source)).collect()
            }
            _ => {
                self.mistakes.push(self.complain(&node.at, "`<<` needs a mapping or a list of mappings".to_owned()));
                Vec::new()
            }
        }
    }
}

/// What a plain `<<` is without saying so.
fn is_merge_tag(tag: &Tag) -> bool {
    tag.suffix_in_namespace("tag:yaml.org,2002:").is_some_and(|name| name == "merge")
}

/// Whether a block of text ends where the file does, and has been given the end of line that the file does not have.
fn ends_with_file(text: &str, style: ScalarStyle, span: Span, file: &str) -> bool {
    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let last_line = file.rsplit(['\n', '\r']).next().unwrap_or_default().trim_start_matches(' ');
    block
        && !last_line.is_empty()
        && span.byte_range().is_some_and(|range| range.end == file.len())
        && text.strip_suffix('\n').is_some_and(|text| text.ends_with(last_line))
}

/// An escape of YAML 1.2 that 1.1 does not have.
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

/// A value that its tag may make more than one: what resets has no value of its own.
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
            Some("tabs do not indent in YAML: use spaces")
        }
        ErrorKind::UnexpectedCharacter { .. } => Some("a value that begins with @, ` or % needs quotes"),
        ErrorKind::MappingValueNotAllowed => {
            Some("a value that contains `: ` needs quotes, and keys of one mapping the same indentation")
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::SimpleKeyExpected => {
            Some("keys of one mapping need the same indentation")
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

    fn complaint(text: &str) -> String {
        parse(Path::new("f.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_value_is_placed_at_its_key() {
        let node = one("a:\n  bc: 1\n  d: [x, y]\n");
        let place = |node: &Node| (node.at.line, node.at.column);
        assert_eq!(place(node.at_key("a").unwrap().at_key("bc").unwrap()), (2, 3));
        assert_eq!(place(&node.at_key("a").unwrap().at_key("d").unwrap().as_list().unwrap()[1]), (3, 10));
    }

    #[test]
    fn merge_keys_take_one_mapping_or_several_and_the_first_wins() {
        let node = one("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  x: 0\n  <<: [*a, *b]\n");
        let c = node.at_key("c").unwrap();
        let number = |key| c.at_key(key).unwrap().value.clone();
        assert_eq!((number("x"), number("y"), number("z")), (Value::Int(0), Value::Int(1), Value::Int(2)));
    }

    #[test]
    fn a_block_at_the_end_of_a_file_ends_as_the_file_does() {
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
    fn a_merge_key_of_something_else_is_refused() {
        assert!(complaint("a: &a 5\nb:\n  <<: *a\n").contains("needs a mapping"));
    }

    #[test]
    fn several_mistakes_are_told_at_once() {
        let text = complaint("a: 1\na: 2\nb:\n  5: x\n");
        assert!(text.contains("f.yaml:2:1: key `a` is already defined at line 1"), "{text}");
        assert!(text.contains("f.yaml:4:3: key `5` is not a string but a number (b)"), "{text}");
    }

    #[test]
    fn syntax_errors_have_a_place_and_a_hint() {
        let text = complaint("a: b: c\n");
        assert!(text.starts_with("f.yaml:1:5: not YAML: mapping values"), "{text}");
        assert!(text.contains("hint: "), "{text}");
    }

    #[test]
    fn a_bomb_is_refused_quickly() {
        let mut text = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = level - 1;
            let aliases = vec![format!("*l{below}"); 10].join(", ");
            text.push_str(&format!("l{level}: &l{level} [{aliases}]\n"));
        }
        assert!(complaint(&text).contains("unfolds into more than"));
        assert!(complaint(&"[".repeat(100_000)).contains("nested more than"));
    }

    #[test]
    fn an_alias_to_what_surrounds_it_is_refused() {
        assert!(complaint("a: &a\n  b: *a\n").contains("stands inside what it refers to"));
        assert!(complaint("a: *nope\n").contains("unknown anchor `nope`"));
    }

    #[test]
    fn what_yaml_1_2_brought_is_refused_as_the_reference_refuses_it() {
        assert!(complaint("%YAML 1.2\n---\na: 1\n").starts_with("f.yaml:2:1: a file of YAML 1.2"));
        assert_eq!(one("%YAML 1.1\n---\na: 1\n").at_key("a").unwrap().value, Value::Int(1));
        assert!(complaint("a: \"b\\/c\"\n").starts_with("f.yaml:1:4: unknown escape `\\/`"));
        assert_eq!(one("a: \"b\\\\/c/d\"\n").at_key("a").unwrap().as_str(), Some("b\\/c/d"));
    }

    #[test]
    fn documents_are_separate() {
        assert_eq!(parse(Path::new("f"), "a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert!(parse(Path::new("f"), "# nothing\n").unwrap().is_empty());
    }

    #[test]
    fn reset_and_override_are_noted() {
        let node = one("a: !reset null\nb: !override [1]\n");
        assert_eq!(node.at_key("a").unwrap().mode, Mode::Reset);
        assert_eq!(node.at_key("b").unwrap().mode, Mode::Override);
    }
}
