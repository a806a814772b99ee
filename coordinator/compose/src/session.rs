//! The state of loading a project: the reader, its limits, warnings and mistakes.
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
use super::{expand, paths};

/// The state that all steps of loading share.
pub(crate) struct Session<'a> {
    pub(crate) input: &'a Input,
    /// Whether variables are interpolated.
    pub(crate) interpolates: bool,
    reader: Reader<'a>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) mistakes: Mistakes,
    pub(crate) files_read: Vec<PathBuf>,
    /// Number of files requested from the reader.
    reads: usize,
    pub(crate) budget: Budget,
    /// Cache of the files that services are extended from.
    pub(crate) templates: Templates,
}

/// Largest number of files read for a project. Nested includes multiply.
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

    /// Expands the values of a project to their long forms. Without interpolation, values that contain variables may stay.
    pub(crate) fn expand(&mut self, project: &mut Node) -> Result<(), Diagnostics> {
        budget::check_ports(project)?;
        self.warnings.extend(mounts::unknown_options(project));
        if self.interpolates {
            return expand::expand(project, &PROJECT_SHAPE);
        }
        expand::expand_readable(project, &PROJECT_SHAPE);
        Ok(())
    }

    /// Interpolates the variables of the documents of a file.
    pub(crate) fn interpolated(&mut self, mut documents: Vec<Node>, scope: &Scope) -> Result<Vec<Node>, Diagnostics> {
        for document in &mut documents {
            if !matches!(document.value, Value::Map(_)) {
                let short = document.scalar_text().filter(|text| text.len() <= 40);
                let what = short.map(|text| format!(" (`{text}`)")).unwrap_or_default();
                let message = format!("the file must contain a mapping, not {}{what}", document.kind());
                return Err(Diagnostic::at(&document.at, message).into());
            }
            if !self.interpolates {
                self.budget.add(document)?;
                continue;
            }
            let mut mistakes = Vec::new();
            // Nothing is looked up after the budget is used up.
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
            self.mistakes.record(document, Diagnostics::check(mistakes))?;
        }
        Ok(documents)
    }

    /// Reads a required file. `at` and `path` are the location and key that name it.
    pub(crate) fn read(&mut self, file: &Path, at: &Location, path: &str) -> Result<String, Diagnostics> {
        self.read_if_there(file, at, path)?
            .ok_or_else(|| Diagnostic::at(at, format!("file {} does not exist", file.display())).key(path).into())
    }

    /// Resolves the path of a Compose file. `at` and `path` are the location and key that name it.
    pub(crate) fn compose_file(
        &self,
        file: &str,
        scope: &Scope,
        at: &Location,
        path: &str,
    ) -> Result<PathBuf, Diagnostic> {
        if paths::is_remote(file) {
            return Err(Diagnostic::at(at, format!("`{file}` is remote, and remote files are not fetched"))
                .key(path)
                .hint("copy the files to this machine, and write their path"));
        }
        let file = PathBuf::from(scope.base().absolute(file));
        self.check_is_in_root(&file, at, path)?;
        Ok(file)
    }

    fn check_is_in_root(&self, file: &Path, at: &Location, path: &str) -> Result<(), Diagnostic> {
        match &self.input.root {
            Some(root) if !Path::new(&paths::clean(&file.to_string_lossy())).starts_with(root) => {
                let (file, root) = (file.display(), root.display());
                let message = format!("{file} is outside of {root}, and no other folder is read");
                Err(Diagnostic::at(at, message).key(path).hint("move the file into that folder"))
            }
            _ => Ok(()),
        }
    }

    /// Reads a file, if it exists. `at` and `path` are the location and key that name it.
    pub(crate) fn read_if_there(
        &mut self,
        file: &Path,
        at: &Location,
        path: &str,
    ) -> Result<Option<String>, Diagnostics> {
        self.check_is_in_root(file, at, path)?;
        self.reads += 1;
        if self.reads > MAX_READS {
            return Err(Diagnostic::at(at, format!("the project reads more than {MAX_READS} files")).key(path).into());
        }
        let text = (self.reader)(file)
            .map_err(|why| Diagnostic::at(at, format!("cannot read {}: {why}", file.display())).key(path))?;
        if text.is_some() && !self.files_read.iter().any(|other| other == file) {
            self.files_read.push(file.to_owned());
        }
        Ok(text)
    }
}
