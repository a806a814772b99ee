//! The pipeline: files > documents > one tree > one project.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::budget::{self, Budget};
use super::canonical::plain;
use super::causes::unite;
use super::diagnostic::{Diagnostic, Diagnostics, Location};
use super::extends::Templates;
use super::forms::{long, mounts, values};
use super::merge::merge;
use super::model::Contents;
use super::paths::Base;
use super::recover::Mistakes;
use super::schema::{Shape, keys, standing, validate};
use super::text::interpolate::{interpolate, substitute};
use super::text::node::{Map, Node, Value};
use super::text::yaml;
use super::unify::unify;
use super::{Input, Loaded, Reader, environment, extends, include, normalise, paths, rules, select};

/// The shape of a file.
pub(super) static PROJECT: Shape = Shape::Object(&keys::PROJECT);

/// What every step of loading shares.
pub(super) struct Loader<'a> {
    input: &'a Input,
    /// Whether variables are replaced.
    interpolates: bool,
    reader: Reader<'a>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) mistakes: Mistakes,
    files_read: Vec<PathBuf>,
    /// How often a file was asked for.
    reads: usize,
    pub(super) budget: Budget,
    /// The files that services were extended from.
    pub(super) templates: Templates,
}

/// Files that include files that include files multiply.
const MAX_READS: usize = 2_000;

/// The variables that a project is loaded with: many scopes share them.
pub(super) type Variables = Rc<BTreeMap<String, String>>;

/// Where a project, the main one or an included one, is loaded.
#[derive(Clone)]
pub(super) struct Scope {
    /// Relative paths start here.
    pub(super) folder: PathBuf,
    pub(super) environment: Variables,
    /// The files that led here by `include`.
    pub(super) included: Vec<PathBuf>,
}

impl Scope {
    pub(super) fn base(&self) -> Base<'_> {
        Base { folder: &self.folder, home: self.environment.get("HOME").map(String::as_str) }
    }
}

/// Loads a project.
///
/// # Errors
/// All that is wrong, as far as one mistake does not hide another.
pub fn load(input: &Input, reader: Reader) -> Result<Loaded, Diagnostics> {
    let mut loader = Loader::new(input, reader, true);
    let end = loader.load();
    let Loader { mut warnings, files_read, mistakes, .. } = loader;
    let (name, tree) = mistakes.verdict(end)?;
    warnings.sort();
    warnings.dedup();
    let warnings = unite(warnings);
    let variables = variables_of_files(&tree, &input.environment);
    Ok(Loaded { name, working_dir: input.working_dir.clone(), tree, warnings, files_read, variables })
}

/// The variables that secrets and configs are made of.
fn variables_of_files(project: &Node, environment: &BTreeMap<String, String>) -> BTreeMap<String, Contents> {
    let sections = ["secrets", "configs"].into_iter().filter_map(|section| project.at_key(section));
    let named = sections.flat_map(Node::entries).filter_map(|(_, file)| file.text_at("environment"));
    named.filter_map(|name| Some((name.to_owned(), Contents(environment.get(name)?.clone())))).collect()
}

/// A project with its variables left as they are written, as `config --no-interpolate` prints it: merged and in long
/// form as far as it can be read, with all its services.
///
/// # Errors
/// All that is wrong, as far as one mistake does not hide another.
pub fn uninterpolated(input: &Input, reader: Reader) -> Result<serde_json::Value, Diagnostics> {
    let mut loader = Loader::new(input, reader, false);
    let end = loader.project();
    let (_, project, _) = loader.mistakes.verdict(end)?;
    Ok(plain(project))
}

fn settle(project: &mut Node) -> Result<(), Diagnostics> {
    let mut mistakes = Vec::new();
    values::settle(project, &PROJECT, "", &mut mistakes);
    Diagnostics::check(mistakes)
}

/// Where variables are left in, nobody knows yet whether what they stand for is right.
fn is_about_a_variable(mistake: &Diagnostic) -> bool {
    mistake.message.contains('$') || mistake.path.contains('$')
}

/// A name with what engines do not take left out.
pub fn normalise_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let kept: String =
        lower.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// A file, and its documents unless it is yet to be read.
type File = (PathBuf, Option<Vec<Node>>);

/// All files that were given, or what keeps any of them from being read.
fn parsed(files: &[(PathBuf, String)]) -> Result<Vec<File>, Diagnostics> {
    let mut mistakes = Vec::new();
    let mut all = Vec::new();
    for (file, text) in files {
        match yaml::parse(file, text) {
            Ok(documents) => all.push((file.clone(), Some(documents))),
            Err(Diagnostics(more)) => mistakes.extend(more),
        }
    }
    Diagnostics::check(mistakes).map(|()| all)
}

/// The last `name:` of the files.
fn written_name(files: &[File]) -> Option<(&Location, &str)> {
    let documents = files.iter().rev().flat_map(|(_, documents)| documents.iter().flatten().rev());
    let names = documents.filter_map(|document| document.at_key("name"));
    names.filter_map(|name| Some((&name.at, name.as_str()?))).find(|(_, name)| !name.is_empty())
}

impl<'a> Loader<'a> {
    fn new(input: &'a Input, reader: Reader<'a>, interpolates: bool) -> Self {
        let mistakes = Mistakes::default();
        Self {
            input,
            interpolates,
            reader,
            warnings: Vec::new(),
            mistakes,
            files_read: Vec::new(),
            reads: 0,
            budget: Budget::default(),
            templates: Templates::default(),
        }
    }

    /// The name and the project as it is printed.
    fn load(&mut self) -> Result<(String, Node), Diagnostics> {
        let (name, mut project, environment) = self.project()?;
        let settled = settle(&mut project);
        self.mistakes.note(&mut project, settled)?;
        let checks = !self.input.skip_consistency;
        let selected = select::select(&mut project, &self.profiles(), &self.input.services, checks);
        self.mistakes.note(&mut project, selected)?;
        if checks {
            let named = rules::check_container_names(&project);
            self.mistakes.note(&mut project, named)?;
            normalise::unite_scales(&mut project);
        }
        environment::resolve(self, &mut project, &environment, self.input.keep_env_files)?;
        self.warnings.extend(standing::ignored(&project, &PROJECT));
        Ok((name, project))
    }

    /// The name, the whole project, and the variables it was loaded with.
    fn project(&mut self) -> Result<(String, Node, Variables), Diagnostics> {
        let input = self.input;
        let whole = Location::whole(input.files.first().map_or(&input.working_dir, |(file, _)| file));
        let files = parsed(&input.files)?;
        let name = self.project_name(&files)?;
        let mut environment = input.environment.clone();
        environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
        let scope = Scope { folder: input.working_dir.clone(), environment: environment.into(), included: Vec::new() };
        let mut project = self.model(files, &scope, &whole)?;
        if project.as_map().is_none_or(Map::is_empty) {
            return Err(Diagnostic::at(&whole, "the file is empty").hint("it needs `services:`").into());
        }
        if name.is_empty() {
            return Err(Diagnostic::at(&whole, "the project has no name")
                .hint("give it one with `name:` or -p")
                .into());
        }
        let variables = if self.interpolates { &*scope.environment } else { &BTreeMap::new() };
        match input.skip_normalisation {
            true if self.interpolates => normalise::set_name(&mut project, &name),
            true => {}
            false => normalise::normalise(&mut project, &name, variables),
        }
        Ok((name, project, scope.environment))
    }

    /// `-p`, `COMPOSE_PROJECT_NAME`, the last `name:`, or the folder's name.
    fn project_name(&self, files: &[File]) -> Result<String, Diagnostics> {
        let given = self.input.project_name.as_ref().filter(|name| !name.is_empty());
        let from_environment = || self.input.environment.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty());
        if let Some(name) = given.or_else(from_environment) {
            if normalise_name(name) != *name {
                return Err(Diagnostic::nowhere(format!("`{name}` is not a project name"))
                    .hint("names are of lower-case letters, digits, `_` and `-`, and begin with a letter or digit")
                    .into());
            }
            return Ok(name.clone());
        }
        let Some((at, written)) = written_name(files) else {
            let folder = self.input.working_dir.file_name().unwrap_or_default();
            return Ok(normalise_name(&folder.to_string_lossy()));
        };
        if !self.interpolates {
            return Ok(normalise_name(written));
        }
        let replaced = substitute(written, &|name| self.input.environment.get(name).cloned());
        let (name, _) = replaced.map_err(|refusal| Diagnostic::at(at, refusal.to_string()).key("name"))?;
        Ok(normalise_name(&name))
    }

    fn profiles(&self) -> Vec<String> {
        if !self.input.profiles.is_empty() {
            return self.input.profiles.clone();
        }
        let listed = self.input.environment.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
        // Even when none are listed, one is enabled: the profile whose name is empty.
        listed.split(',').map(|profile| profile.trim().to_owned()).collect()
    }

    /// One project of several files, checked, in long form, with absolute paths.
    pub(super) fn model(&mut self, files: Vec<File>, scope: &Scope, at: &Location) -> Result<Node, Diagnostics> {
        let mut project = Node::map(at);
        for (file, documents) in files {
            let documents = match documents {
                Some(documents) => documents,
                None => yaml::parse(&file, &self.read(&file, at, "include")?)?,
            };
            let mut inner = scope.clone();
            inner.included.push(file.clone());
            for document in self.interpolated(documents, &inner)? {
                project = self.add(project, document, &file, &inner)?;
            }
        }
        normalise::complete(&mut project);
        let checked = rules::check_resources(&project);
        self.mistakes.note(&mut project, checked)?;
        if !self.input.keep_paths {
            paths::resolve(&mut project, &scope.base())?;
        }
        if self.interpolates {
            normalise::resolve_environment(&mut project, &scope.environment);
        }
        Ok(project)
    }

    /// A document on top of what came before it.
    fn add(&mut self, project: Node, mut document: Node, file: &Path, scope: &Scope) -> Result<Node, Diagnostics> {
        include::apply(self, &mut document, scope)?;
        extends::apply(self, file, &mut document, scope)?;
        let mut project = merge(project, document, &PROJECT, "")?;
        project.settle();
        let unified = unify(&mut project, &PROJECT, "");
        self.mistakes.note(&mut project, unified)?;
        let mut mistakes = Vec::new();
        validate::validate(&project, &PROJECT, "", &mut mistakes);
        if !self.interpolates {
            mistakes.retain(|mistake| !is_about_a_variable(mistake));
        }
        self.mistakes.note(&mut project, Diagnostics::check(mistakes))?;
        if let Some(version) = project.remove_key("version") {
            let message = "`version` is obsolete and has no effect";
            self.warnings.push(Diagnostic::at(&version.at, message).key("version").hint("take it out"));
        }
        let lengthened = self.lengthen(&mut project);
        self.mistakes.note(&mut project, lengthened)?;
        let unified = unify(&mut project, &PROJECT, "");
        self.mistakes.note(&mut project, unified)?;
        Ok(project)
    }

    /// Gives every value its long form, or as many as can be read with variables left in.
    pub(super) fn lengthen(&mut self, project: &mut Node) -> Result<(), Diagnostics> {
        budget::check_ports(project)?;
        self.warnings.extend(mounts::unknown_options(project));
        if self.interpolates {
            return long::lengthen(project, &PROJECT);
        }
        long::lengthen_readable(project, &PROJECT);
        Ok(())
    }

    /// The documents of a file with their variables replaced.
    pub(super) fn interpolated(&mut self, mut documents: Vec<Node>, scope: &Scope) -> Result<Vec<Node>, Diagnostics> {
        for document in &mut documents {
            if !matches!(document.value, Value::Map(_)) {
                let short = document.scalar_text().filter(|text| text.len() <= 40);
                let what = short.map(|text| format!(" (`{text}`)")).unwrap_or_default();
                let message = format!("the file must hold a mapping, not {}{what}", document.kind());
                return Err(Diagnostic::at(&document.at, message).into());
            }
            if !self.interpolates {
                self.budget.add(document)?;
                continue;
            }
            let mut mistakes = Vec::new();
            // Once the budget is spent nothing more is looked up.
            let left = Cell::new(self.budget.text_left());
            let lookup = |name: &str| {
                let value = scope.environment.get(name)?;
                left.set(left.get().saturating_sub(value.len()));
                (left.get() > 0).then(|| value.clone())
            };
            interpolate(document, "", &lookup, &mut self.warnings, &mut mistakes);
            if left.get() == 0 {
                return Err(budget::exceeded(document).into());
            }
            self.budget.add(document)?;
            validate::cast(document, &PROJECT, "", &mut mistakes);
            self.mistakes.note(document, Diagnostics::check(mistakes))?;
        }
        Ok(documents)
    }

    /// The text of a file that must be there. `at` and `path` say who asks.
    pub(super) fn read(&mut self, file: &Path, at: &Location, path: &str) -> Result<String, Diagnostics> {
        self.read_if_there(file, at, path)?
            .ok_or_else(|| Diagnostic::at(at, format!("there is no file {}", file.display())).key(path).into())
    }

    /// The path of a compose file that another one names. `at` and `path` say where.
    pub(super) fn compose_file(
        &self,
        file: &str,
        scope: &Scope,
        at: &Location,
        path: &str,
    ) -> Result<PathBuf, Diagnostic> {
        if paths::is_remote(file) {
            return Err(Diagnostic::at(at, format!("`{file}` is on another machine, and nothing is fetched"))
                .key(path)
                .hint("copy the files beside this one, and name their path"));
        }
        let file = PathBuf::from(scope.base().absolute(file));
        self.check_beneath_root(&file, at, path)?;
        Ok(file)
    }

    fn check_beneath_root(&self, file: &Path, at: &Location, path: &str) -> Result<(), Diagnostic> {
        match &self.input.root {
            Some(root) if !Path::new(&mounts::clean(&file.to_string_lossy())).starts_with(root) => {
                let (file, root) = (file.display(), root.display());
                let message = format!("{file} is outside {root}, which is all that is read here");
                Err(Diagnostic::at(at, message).key(path).hint("move the file into that folder"))
            }
            _ => Ok(()),
        }
    }

    /// The text of a file, if it is there. `at` and `path` say who asks.
    pub(super) fn read_if_there(
        &mut self,
        file: &Path,
        at: &Location,
        path: &str,
    ) -> Result<Option<String>, Diagnostics> {
        self.check_beneath_root(file, at, path)?;
        self.reads += 1;
        if self.reads > MAX_READS {
            return Err(Diagnostic::at(at, format!("more than {MAX_READS} files lead to each other")).key(path).into());
        }
        let text = (self.reader)(file)
            .map_err(|why| Diagnostic::at(at, format!("cannot read {}: {why}", file.display())).key(path))?;
        if text.is_some() && !self.files_read.iter().any(|other| other == file) {
            self.files_read.push(file.to_owned());
        }
        Ok(text)
    }
}
