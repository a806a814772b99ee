//! Which file of a crate uses which, from the paths in their code.
use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::{Token, tokens};

/// The files of one crate, each with the files that it uses and one item of each of them.
#[derive(Default)]
pub(crate) struct Graph {
    arrows: BTreeMap<String, BTreeMap<String, String>>,
}

/// Whether it counts that a module uses an item which a module around it defines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parents {
    Count,
    Exempt,
}

/// Names of the modules that lead to one, from the root of the crate.
type ModulePath = Vec<String>;

/// A module: a file, or a part of one.
#[derive(Default)]
struct Module {
    file: String,
    /// Names of items that are defined here.
    defined: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths in the code, imports aside.
    paths: BTreeSet<Vec<String>>,
    /// Words of the code, imports aside.
    words: BTreeSet<String>,
    /// Modules of files that exist for tests alone.
    tests: Vec<String>,
}

/// One name that a `use` brings.
struct Import {
    path: Vec<String>,
    /// `None` for all names of a module.
    name: Option<String>,
    is_public: bool,
}

/// What a path leads to.
enum Target {
    Module(ModulePath),
    ItemOf(ModulePath),
}

impl Graph {
    /// Reads the sources of a crate, by their paths.
    pub(crate) fn of(sources: &BTreeMap<String, String>, parents: Parents) -> Self {
        let modules = Modules::of(sources);
        let mut graph = Self::default();
        for (path, module) in &modules.0 {
            for (target, item) in modules.used_by(path, module) {
                let file = &modules.0[&target].file;
                let is_exempt = parents == Parents::Exempt && path.starts_with(&target);
                if *file != module.file && !is_exempt {
                    graph.arrows.entry(module.file.clone()).or_default().entry(file.clone()).or_insert(item);
                }
            }
        }
        graph
    }

    /// Sets of files that all reach each other.
    pub(crate) fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let reached: BTreeMap<&String, BTreeSet<&String>> =
            self.arrows.keys().map(|file| (file, self.reached_from(file))).collect();
        let reaches = |from: &String, to: &String| reached.get(from).is_some_and(|files| files.contains(to));
        let circle = |file: &&String| {
            let others = reached.keys().filter(|other| reaches(file, other) && reaches(other, file));
            others.map(|other| (*other).clone()).collect::<BTreeSet<String>>()
        };
        reached.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
    }

    fn reached_from(&self, file: &String) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            let next = self.arrows.get(file).into_iter().flat_map(BTreeMap::keys);
            open.extend(next.filter(|next| reached.insert(*next)).collect::<Vec<_>>());
        }
        reached
    }

    /// A line for each arrow between these files.
    pub(crate) fn arrows_within(&self, circle: &BTreeSet<String>) -> String {
        let from = self.arrows.iter().filter(|(file, _)| circle.contains(*file));
        let arrows = from.flat_map(|(file, used)| used.iter().map(move |(target, item)| (file, target, item)));
        let within = arrows.filter(|(_, target, _)| circle.contains(*target));
        let lines = within.map(|(file, target, item)| format!("  {file} uses {item} of {target}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    fn of(sources: &BTreeMap<String, String>) -> Self {
        let mut modules = BTreeMap::new();
        for (file, text) in sources {
            if let Some(path) = module_path(file, sources) {
                read_module(file, &tokens(text), path, &mut modules);
            }
        }
        let tests: Vec<ModulePath> =
            modules.iter().flat_map(|(path, module)| module.tests.iter().map(|name| child(path, name))).collect();
        modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
        Self(modules)
    }

    /// The modules that a module uses, each with an item of it.
    fn used_by(&self, path: &ModulePath, module: &Module) -> Vec<(ModulePath, String)> {
        let imported = module.imports.iter().filter(|import| match &import.name {
            Some(name) => !import.is_public || module.words.contains(name),
            None => !import.is_public,
        });
        let paths = imported
            .map(|import| (&import.path, import.name.is_none()))
            .chain(module.paths.iter().map(|path| (path, false)));
        let mut used = Vec::new();
        for (segments, is_glob) in paths {
            let item = segments.last().cloned().unwrap_or_default();
            match self.resolve(path, segments, 0) {
                Some(Target::ItemOf(target)) => used.push((target, item)),
                // A module is used by the items that are named through it.
                Some(Target::Module(target)) if is_glob => used.push((target, item)),
                _ => {}
            }
        }
        used
    }

    /// What a path leads to from a module; `None` where it leaves the crate.
    fn resolve(&self, from: &ModulePath, segments: &[String], depth: usize) -> Option<Target> {
        let (first, mut rest) = segments.split_first()?;
        let mut at = match first.as_str() {
            "crate" => ModulePath::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            name => match self.named(from, name, depth)? {
                Target::Module(module) => module,
                item => return Some(item),
            },
        };
        while let Some((name, more)) = rest.split_first() {
            if name == "super" {
                at.pop();
            } else if name != "self" {
                match self.named(&at, name, depth) {
                    Some(Target::Module(module)) => at = module,
                    Some(item) => return Some(item),
                    // A name that a macro made, or that another crate's item has here.
                    None if self.is_imported(&at, name) => return None,
                    None => return Some(Target::ItemOf(at)),
                }
            }
            rest = more;
        }
        Some(Target::Module(at))
    }

    /// What a name is in a module.
    fn named(&self, at: &ModulePath, name: &str, depth: usize) -> Option<Target> {
        /// Names that are imported from each other end here.
        const MOST: usize = 16;
        let inner = child(at, name);
        if self.0.contains_key(&inner) {
            return Some(Target::Module(inner));
        }
        let module = self.0.get(at)?;
        if module.defined.contains(name) {
            return Some(Target::ItemOf(at.clone()));
        }
        if depth > MOST {
            return None;
        }
        let by_name = module.imports.iter().filter(|import| import.name.as_deref() == Some(name));
        // `use a::a` means the name of another module or crate, and not this very import.
        let mut by_name = by_name.filter(|import| import.path.first().map(String::as_str) != Some(name));
        by_name.find_map(|import| self.resolve(at, &import.path, depth + 1)).or_else(|| {
            let globs = module.imports.iter().filter(|import| import.name.is_none());
            let modules = globs.filter_map(|import| match self.resolve(at, &import.path, depth + 1)? {
                Target::Module(module) if module != *at => Some(module),
                _ => None,
            });
            modules.into_iter().find_map(|module| self.named(&module, name, depth + 1))
        })
    }

    fn is_imported(&self, at: &ModulePath, name: &str) -> bool {
        self.0.get(at).is_some_and(|module| module.imports.iter().any(|import| import.name.as_deref() == Some(name)))
    }
}

fn child(path: &[String], name: &str) -> ModulePath {
    [path, &[name.to_owned()]].concat()
}

/// The module that a file is; `None` for files of tests and for binaries beside a library.
fn module_path(file: &str, sources: &BTreeMap<String, String>) -> Option<ModulePath> {
    let (root, path) = file.split_once("/src/")?;
    let mut names: ModulePath = path.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if names.iter().any(|name| name == "tests") || names.first().is_some_and(|name| name == "bin") {
        return None;
    }
    let is_root = |name: &str| names.len() == 1 && names[0] == name;
    if is_root("lib") || is_root("main") && !sources.contains_key(&format!("{root}/src/lib.rs")) {
        return Some(ModulePath::new());
    }
    if is_root("main") {
        return None;
    }
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    Some(names)
}

/// Reads the tokens of a module and, by themselves, of the modules that are written out in it.
fn read_module(file: &str, tokens: &[Token<'_>], path: ModulePath, modules: &mut BTreeMap<ModulePath, Module>) {
    let mut module = Module { file: file.to_owned(), ..Module::default() };
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        match *token {
            "#" if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]) => {
                let end = end_of_item(tokens, at);
                module.tests.extend(tokens[at..end].windows(3).find_map(|it| match it {
                    ["mod", name, ";"] => Some((*name).to_owned()),
                    _ => None,
                }));
                at = end;
                continue;
            }
            "use" if is_name(next) || matches!(next, "::" | "{") => {
                let end = at + tokens[at..].iter().position(|token| *token == ";").unwrap_or(tokens.len() - at);
                let is_public = at > 0 && matches!(tokens[at - 1], "pub" | ")");
                read_tree(&tokens[at + 1..end], &mut Vec::new(), is_public, &mut module.imports);
                at = end;
                continue;
            }
            "mod" if is_name(next) && tokens.get(at + 2) == Some(&"{") => {
                let end = end_of_item(tokens, at);
                let inner = child(&path, next);
                read_module(file, &tokens[at + 3..end - 1], inner, modules);
                at = end;
                continue;
            }
            "mod" if is_name(next) && tokens.get(at + 2) == Some(&";") => {
                at += 3;
                continue;
            }
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" if depth == 0 => {
                module.defined.insert(next.to_owned());
            }
            "macro_rules" => module.defined.extend(tokens.get(at + 2).map(|name| (*name).to_owned())),
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if is_name(token) && (at == 0 || tokens[at - 1] != "::") {
            let mut segments = vec![(*token).to_owned()];
            while let ["::", name, ..] = &tokens[at + 1..]
                && is_name(name)
            {
                segments.push((*name).to_owned());
                at += 2;
            }
            module.words.insert(segments[0].clone());
            if segments.len() > 1 {
                module.paths.insert(segments);
            }
        }
        at += 1;
    }
    modules.insert(path, module);
}

/// Reads what a `use` brings: `a::{b, c as d}::*`.
fn read_tree(tree: &[Token<'_>], prefix: &mut Vec<String>, is_public: bool, imports: &mut Vec<Import>) {
    let length = prefix.len();
    let mut at = 0;
    while let Some(token) = tree.get(at) {
        match *token {
            "::" => {}
            "*" => imports.push(Import { path: prefix.clone(), name: None, is_public }),
            "{" => {
                let inner = &tree[at + 1..tree.len() - 1];
                let mut depth = 0_usize;
                let parts = inner.split(|token| {
                    match *token {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    *token == "," && depth == 0
                });
                parts.for_each(|part| read_tree(part, prefix, is_public, imports));
                break;
            }
            name => {
                if name != "self" || prefix.is_empty() {
                    prefix.push(name.to_owned());
                }
                let alias = match &tree[at + 1..] {
                    ["as", alias, ..] => Some((*alias).to_owned()),
                    ["::", ..] => {
                        at += 1;
                        continue;
                    }
                    _ => prefix.last().cloned(),
                };
                imports.push(Import { path: prefix.clone(), name: alias, is_public });
                break;
            }
        }
        at += 1;
    }
    prefix.truncate(length);
}

/// Where the item ends that begins here, with the attributes before it.
fn end_of_item(tokens: &[Token<'_>], begin: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(begin) {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
