//! Which paths of a stack's folder stay behind: `.dockerignore` and `.landfastignore` with Docker's rules, env files of
//! other environments, and what is nobody's to send.
//!
//! Docker's rules (the moby project's `patternmatcher`): patterns start at the root, the last one that matches decides,
//! `!` brings back, a folder that matches takes all beneath it along, `*` and `?` stop at `/`, `**` does not.

/// Never in a bundle, wherever they stand: history, and this program's own state with its keys.
const NEVER: &[&str] = &[".git", ".landfast"];
/// Never in the context of a build. It may want the history, as with the reference.
const NEVER_BUILT: &[&str] = &[".landfast"];

/// Decides which paths stay behind.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    never: &'static [&'static str],
    rules: Vec<Rule>,
    env: Option<String>,
}

#[derive(Debug, Clone)]
struct Rule {
    brings_back: bool,
    pattern: Pattern,
}

impl IgnoreRules {
    /// From the texts of `.dockerignore` and `.landfastignore`, in this order, and the chosen environment.
    pub fn new(texts: &[&str], env: Option<&str>) -> Self {
        let rules = texts.iter().flat_map(|text| text.lines()).filter_map(Rule::parse).collect();
        Self { never: NEVER, rules, env: env.map(str::to_owned) }
    }

    /// For the context of a build: from the text of its `.dockerignore`, and the chosen environment.
    pub fn of_context(text: &str, env: Option<&str>) -> Self {
        Self { never: NEVER_BUILT, ..Self::new(&[text], env) }
    }

    /// Whether this path (relative, with `/`) stays behind. Folders are asked like files.
    pub fn matches(&self, path: &str) -> bool {
        self.is_never_sent(path) || self.is_ignored(path)
    }

    /// Whether nothing beneath this folder can be in the bundle, so that it need not be walked.
    pub fn prunes(&self, folder: &str) -> bool {
        let beneath = |rule: &Rule| rule.brings_back && rule.pattern.may_match_beneath(folder);
        self.is_never_sent(folder) || (self.is_ignored(folder) && !self.rules.iter().any(beneath))
    }

    /// Whether a file stays behind for the sake of its environment alone: no pattern names it.
    pub fn withholds(&self, path: &str) -> bool {
        !self.is_ignored(path) && path.rsplit('/').next().is_some_and(|name| self.is_of_another_environment(name))
    }

    fn is_ignored(&self, path: &str) -> bool {
        let decides = |rule: &&Rule| rule.pattern.matches_or_holds(path);
        self.rules.iter().rev().find(decides).is_some_and(|rule| !rule.brings_back)
    }

    fn is_never_sent(&self, path: &str) -> bool {
        path.split('/').any(|part| self.never.contains(&part) || self.is_of_another_environment(part))
    }

    /// `.env.prod`, when the environment is `dev` or none is chosen. `.env.example` is documentation.
    fn is_of_another_environment(&self, name: &str) -> bool {
        let Some(owner) = name.strip_prefix(".env.") else { return false };
        let ours = |env: &String| owner == env || owner.strip_prefix(env.as_str()).is_some_and(|r| r.starts_with('.'));
        owner != "example" && !self.env.as_ref().is_some_and(ours)
    }
}

impl Rule {
    /// One line; comments and empty lines are none.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (brings_back, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        let pattern = clean(pattern);
        (!pattern.is_empty()).then(|| Self { brings_back, pattern: Pattern::parse(&pattern) })
    }
}

/// `/a//./b/../c/` is `a/c`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A pattern as a small state machine: a place in `tokens` is a state.
#[derive(Debug, Clone)]
struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// `*`: anything but `/`.
    Star,
    /// `**` at the end: anything.
    Rest,
    /// `**/`: nothing, or anything up to a `/`.
    Folders,
    /// `?`: one that is not `/`.
    One,
    /// `[a-z]`
    Class { not: bool, ranges: Vec<(char, char)> },
    /// Itself.
    Literal(char),
}

impl Pattern {
    fn parse(text: &str) -> Self {
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
                '[' => match class(&mut rest) {
                    Some(class) => class,
                    None => Token::Literal('['),
                },
                '\\' => Token::Literal(rest.next().unwrap_or('\\')),
                c => Token::Literal(c),
            });
        }
        Self { tokens }
    }

    /// Whether the path or a folder that it is in matches.
    fn matches_or_holds(&self, path: &str) -> bool {
        let mut states = self.start();
        for c in path.chars() {
            if c == '/' && states.contains(&self.tokens.len()) {
                return true;
            }
            states = self.advance(&states, c);
        }
        states.contains(&self.tokens.len())
    }

    /// Whether something beneath the folder could match.
    fn may_match_beneath(&self, folder: &str) -> bool {
        let states = folder.chars().chain(['/']).fold(self.start(), |states, c| self.advance(&states, c));
        !states.is_empty()
    }

    fn start(&self) -> Vec<usize> {
        let mut states = Vec::new();
        self.enter(0, &mut states);
        states
    }

    /// A state, and those that it reaches without a character.
    fn enter(&self, state: usize, states: &mut Vec<usize>) {
        if states.contains(&state) {
            return;
        }
        states.push(state);
        if matches!(self.tokens.get(state), Some(Token::Star | Token::Rest | Token::Folders)) {
            self.enter(state + 1, states);
        }
    }

    fn advance(&self, states: &[usize], c: char) -> Vec<usize> {
        let mut next = Vec::new();
        for &state in states {
            match self.tokens.get(state) {
                Some(Token::Star) if c != '/' => self.enter(state, &mut next),
                Some(Token::Rest) => self.enter(state, &mut next),
                Some(Token::Folders) => self.stay_in_folders(state, c, &mut next),
                Some(Token::One) if c != '/' => self.enter(state + 1, &mut next),
                Some(Token::Class { not, ranges }) if c != '/' && in_class(ranges, c) != *not => {
                    self.enter(state + 1, &mut next);
                }
                Some(Token::Literal(literal)) if *literal == c => self.enter(state + 1, &mut next),
                _ => {}
            }
        }
        next
    }

    /// What follows `**/` begins only after a `/`: so the state is kept without entering the next one.
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

/// What is between `[` and `]`; `None` when there is no `]`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let mut ahead = rest.clone();
    let not = ahead.next_if(|c| matches!(c, '^' | '!')).is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match ahead.next()? {
            ']' if !ranges.is_empty() => break,
            '\\' => ahead.next()?,
            c => c,
        };
        let to = match ahead.next_if_eq(&'-') {
            Some(_) if ahead.peek() != Some(&']') => ahead.next()?,
            Some(_) => {
                ranges.push(('-', '-'));
                from
            }
            None => from,
        };
        ranges.push((from, to));
    }
    *rest = ahead;
    Some(Token::Class { not, ranges })
}
