//! What reading the files of a project shares: the reader, its limits, and all that was found on the way.
use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::budget::{self, Budget};
use super::diagnostic::{Diagnostic, Diagnostics, Location};
use super::forms::mounts;
use super::input::{Input, Reader};
use super::recover::Mistakes;
use super::schema::keys::PROJECT_SHAPE;
use super::schema::validate;
use super::scope::Scope;
use super::templates::Templates;
use super::text::interpolate::interpolate;
use super::text::node::{Node, Value};
use super::{lengthen, paths};

/// What every step of loading shares.
pub(crate) struct Session<'a> {
    pub(crate) input: &'a Input,
    /// Whether variables are replaced.
    pub(crate) interpolates: bool,
    reader: Reader<'a>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) mistakes: Mistakes,
    pub(crate) files_read: Vec<PathBuf>,
    /// How often a file was asked for.
    reads: usize,
    pub(crate) budget: Budget,
    /// The files that services were extended from.
    pub(crate) templates: Templates,
}

/// Files that include files that include files multiply.
const MAX_READS: usize = 2_000;

impl<'a> Session<'a> {
    pub(crate) fn new(input: &'a Input, reader: Reader<'a>, interpolates: bool) -> Self {
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

    /// Gives every value its long form, or as many as can be read with variables left in.
    pub(crate) fn lengthen(&mut self, project: &mut Node) -> Result<(), Diagnostics> {
        budget::check_ports(project)?;
        self.warnings.extend(mounts::unknown_options(project));
        if self.interpolates {
            return lengthen::lengthen(project, &PROJECT_SHAPE);
        }
        lengthen::lengthen_readable(project, &PROJECT_SHAPE);
        Ok(())
    }

    /// The documents of a file with their variables replaced.
    pub(crate) fn interpolated(&mut self, mut documents: Vec<Node>, scope: &Scope) -> Result<Vec<Node>, Diagnostics> {
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
            validate::cast(document, &PROJECT_SHAPE, "", &mut mistakes);
            self.mistakes.note(document, Diagnostics::check(mistakes))?;
        }
        Ok(documents)
    }

    /// The text of a file that must be there. `at` and `path` say who asks.
    pub(crate) fn read(&mut self, file: &Path, at: &Location, path: &str) -> Result<String, Diagnostics> {
        self.read_if_there(file, at, path)?
            .ok_or_else(|| Diagnostic::at(at, format!("there is no file {}", file.display())).key(path).into())
    }

    /// The path of a compose file that another one names. `at` and `path` say where.
    pub(crate) fn compose_file(
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
            Some(root) if !Path::new(&paths::clean(&file.to_string_lossy())).starts_with(root) => {
                let (file, root) = (file.display(), root.display());
                let message = format!("{file} is outside {root}, which is all that is read here");
                Err(Diagnostic::at(at, message).key(path).hint("move the file into that folder"))
            }
            _ => Ok(()),
        }
    }

    /// The text of a file, if it is there. `at` and `path` say who asks.
    pub(crate) fn read_if_there(
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
