//! Pattern of a `.dockerignore`: `*` and `?` do not match `/`, `**` does, `\` escapes a character, and `[a-z]` is a class.

/// Reason why a pattern is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `!` without a pattern.
    #[error("`!` has no pattern after it")]
    Nothing,
    /// An invalid class, such as `[a`, `[]` or `[z-]`.
    #[error("`[` starts a class that is empty or not closed: write `\\[` for the character itself")]
    Class,
    /// A `\` at the end, such as `a\`.
    #[error("`\\` at the end escapes nothing: write `\\\\` for the character itself")]
    Escape,
}

/// A pattern, in the form that is fastest to match.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// A path without wildcards.
    Exact(String),
    /// A prefix, such as `a/**`.
    Prefix(String),
    /// A suffix, such as `**/a` or `**a`.
    Suffix(String),
    /// All other patterns.
    Machine(Machine),
}

/// A state machine whose states are positions in the tokens.
#[derive(Debug, Clone)]
pub(super) struct Machine(Vec<Token>);

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// `*`: any text without `/`.
    Star,
    /// `**` at the end: any text.
    Rest,
    /// `**/`: nothing, or any text up to a `/`.
    Folders,
    /// `?`: any character except `/`.
    One,
    /// A class such as `[a-z]`.
    Class { not: bool, ranges: Vec<(char, char)> },
    /// A literal character.
    Literal(char),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let is_plain = |text: &str| !text.contains(['*', '?', '[', '\\']);
        let ends = text.strip_suffix("**").filter(|start| is_plain(start) && !start.is_empty());
        let begins = text.strip_prefix("**").filter(|end| is_plain(end));
        match (ends, begins) {
            (Some(start), _) => Ok(Self::Prefix(start.to_owned())),
            (None, Some(end)) => Ok(Self::Suffix(end.to_owned())),
            (None, None) if is_plain(text) => Ok(Self::Exact(text.to_owned())),
            (None, None) => Machine::parse(text).map(Self::Machine),
        }
    }

    /// Whether the pattern matches a path.
    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(start) => path.starts_with(start.as_str()),
            Self::Suffix(end) => path.ends_with(end.as_str()) || end.strip_prefix('/') == Some(path),
            Self::Machine(machine) => machine.matches(path),
        }
    }

    /// Whether the pattern may match a path below the folder.
    pub(super) fn may_match_beneath(&self, folder: &str) -> bool {
        let is_beneath = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        match self {
            Self::Exact(exact) => is_beneath(exact),
            Self::Prefix(start) => is_beneath(start) || format!("{folder}/").starts_with(start.as_str()),
            Self::Suffix(_) => true,
            Self::Machine(machine) => machine.may_match_beneath(folder),
        }
    }
}

impl Machine {
    fn parse(text: &str) -> Result<Self, PatternError> {
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' if rest.next_if_eq(&'*').is_some() => {
                    rest.next_if_eq(&'/');
                    if rest.peek().is_none() { Token::Rest } else { Token::Folders }
                }
                '*' => Token::Star,
                '?' => Token::One,
                '[' => class(&mut rest)?,
                '\\' => Token::Literal(rest.next().ok_or(PatternError::Escape)?),
                c => Token::Literal(c),
            });
        }
        Ok(Self(tokens))
    }

    fn matches(&self, path: &str) -> bool {
        let states = path.chars().fold(self.start(), |states, c| self.advance(&states, c));
        states.contains(&self.0.len())
    }

    fn may_match_beneath(&self, folder: &str) -> bool {
        let states = folder.chars().chain(['/']).fold(self.start(), |states, c| self.advance(&states, c));
        !states.is_empty()
    }

    fn start(&self) -> Vec<usize> {
        let mut states = Vec::new();
        self.enter(0, &mut states);
        states
    }

    /// Adds a state, and the states that it reaches without a character.
    fn enter(&self, state: usize, states: &mut Vec<usize>) {
        if states.contains(&state) {
            return;
        }
        states.push(state);
        if matches!(self.0.get(state), Some(Token::Star | Token::Rest | Token::Folders)) {
            self.enter(state + 1, states);
        }
    }

    fn advance(&self, states: &[usize], c: char) -> Vec<usize> {
        let mut next = Vec::new();
        for &state in states {
            match self.0.get(state) {
                Some(Token::Star) if c != '/' => self.enter(state, &mut next),
                Some(Token::Rest) => self.enter(state, &mut next),
                Some(Token::Folders) => self.stay_in_folders(state, c, &mut next),
                Some(Token::One) if c != '/' => self.enter(state + 1, &mut next),
                Some(Token::Class { not, ranges }) if in_class(ranges, c) != *not => self.enter(state + 1, &mut next),
                Some(Token::Literal(literal)) if *literal == c => self.enter(state + 1, &mut next),
                _ => {}
            }
        }
        next
    }

    /// Keeps the state of `**/` without entering the next one, because the text after it starts after a `/`.
    fn stay_in_folders(&self, state: usize, c: char, next: &mut Vec<usize>) {
        if !next.contains(&state) {
            next.push(state);
        }
        if c == '/' {
            self.enter(state + 1, next);
        }
    }
}

fn in_class(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&c))
}

/// Parses a class between `[` and `]`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, PatternError> {
    let sign = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| match rest.next() {
        Some('\\') => rest.next().ok_or(PatternError::Class),
        None | Some(']' | '-') => Err(PatternError::Class),
        Some(c) => Ok(c),
    };
    let not = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
        let from = sign(rest)?;
        let to = if rest.next_if_eq(&'-').is_some() { sign(rest)? } else { from };
        ranges.push((from, to));
    }
    Ok(Token::Class { not, ranges })
}
