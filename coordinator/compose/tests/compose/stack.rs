//! The folder of a project in memory.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfast_compose::{Diagnostics, Input, Loaded, Project};
use serde_json::Value;

/// Files below `/srv/app`, and the options to load them with.
#[derive(Default)]
pub(crate) struct Stack {
    files: BTreeMap<PathBuf, String>,
    main: Vec<PathBuf>,
    input: Input,
}

/// Creates a project of one file.
pub(crate) fn stack(text: &str) -> Stack {
    let mut stack = Stack::default();
    stack.input.working_dir = PathBuf::from("/srv/app");
    stack.over("compose.yaml", text)
}

impl Stack {
    /// Adds an override file.
    pub(crate) fn over(mut self, name: &str, text: &str) -> Self {
        self.main.push(Path::new("/srv/app").join(name));
        self.file(name, text)
    }

    /// Adds a file that others may name.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        let path = match name.strip_prefix("../") {
            Some(beside) => Path::new("/srv").join(beside),
            None => Path::new("/srv/app").join(name),
        };
        self.files.insert(path, text.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.input.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn profile(mut self, name: &str) -> Self {
        self.input.profiles.push(name.to_owned());
        self
    }

    pub(crate) fn only(mut self, service: &str) -> Self {
        self.input.services.push(service.to_owned());
        self
    }

    /// Skips normalisation.
    pub(crate) fn unnormalised(mut self) -> Self {
        self.input.skip_normalisation = true;
        self
    }

    /// Skips the consistency check.
    pub(crate) fn unchecked(mut self) -> Self {
        self.input.skip_consistency = true;
        self
    }

    /// Keeps env files unread.
    pub(crate) fn with_env_files_unread(mut self) -> Self {
        self.input.keep_env_files = true;
        self
    }

    /// Keeps relative paths.
    pub(crate) fn relative(mut self) -> Self {
        self.input.keep_paths = true;
        self
    }

    /// Sets the folder that files must stay in.
    pub(crate) fn beneath(mut self, root: &str) -> Self {
        self.input.root = Some(PathBuf::from(root));
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        self.input.project_name = Some(name.to_owned());
        self
    }

    fn input(&self) -> Input {
        let files = self.main.iter().map(|file| (file.clone(), self.files[file].clone())).collect();
        Input { files, ..self.input.clone() }
    }

    pub(crate) fn try_load(&self) -> Result<Loaded, Diagnostics> {
        landfast_compose::load(&self.input(), &|file| Ok(self.files.get(file).cloned()))
    }

    /// Loads the project, and returns the number of files that it requests.
    #[track_caller]
    pub(crate) fn reads(&self) -> usize {
        let reads = std::cell::Cell::new(0);
        let reader = |file: &Path| {
            reads.set(reads.get() + 1);
            Ok(self.files.get(file).cloned())
        };
        landfast_compose::load(&self.input(), &reader).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        reads.get()
    }

    /// Loads the project without interpolation.
    #[track_caller]
    pub(crate) fn uninterpolated(&self) -> Value {
        let printed = landfast_compose::uninterpolated(&self.input(), &|file| Ok(self.files.get(file).cloned()));
        printed.unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    #[track_caller]
    pub(crate) fn load(&self) -> Loaded {
        self.try_load().unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    #[track_caller]
    pub(crate) fn project(&self) -> Project {
        self.load().project().unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// The printed value at a dotted path, or null.
    #[track_caller]
    pub(crate) fn printed(&self, path: &str) -> Value {
        let canonical = landfast_compose::canonical(self.load());
        path.split('.').fold(canonical, |value, key| match key.parse::<usize>() {
            Ok(index) if value.is_array() => value[index].clone(),
            _ => value[key].clone(),
        })
    }

    /// The mistakes of a project that cannot be loaded.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        match self.try_load() {
            Ok(_) => panic!("it should be refused"),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    /// The warnings of a project.
    #[track_caller]
    pub(crate) fn warnings(&self) -> String {
        self.load().warnings.iter().map(|warning| format!("{warning}\n")).collect()
    }
}

/// Creates a project of one service, `web`, with these keys.
pub(crate) fn service(keys: &str) -> Stack {
    let indented: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    stack(&format!("services:\n  web:\n    image: web:1\n{indented}"))
}
