//! Prepares a build: checks that everything it names exists, measures its context, and reads the Dockerfile and the
//! secrets.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfast_compose::Diagnostic;
use landfast_compose::model::Contents;
use landfast_core::bundle::{EnvFiles, IgnoreRules, invalid_patterns};
use landfast_core::image_build::{Build, Context, ContextPaths, DOCKERFILE, Dockerfile, Request, Secret, with_stages};

use super::Builder;
use super::folder::{self, Kind};
use super::session::BuildInputs;
use super::sync::Folder;

/// Maximum size of a secret in bytes, the same as in BuildKit.
const MAX_SECRET: u64 = 500 * 1024;
/// Suffix of a Dockerfile's own ignore file, and name of the ignore file of a context.
const IGNORE: &str = ".dockerignore";
/// Dockerfile of an image that contains a folder.
pub(super) const FOLDER_IMAGE: &str = "FROM scratch\nCOPY . /\n";

/// A build whose inputs exist.
pub struct Prepared {
    pub build: Build,
    /// Number of files in the context that are not ignored.
    pub files: usize,
    pub bytes: u64,
    /// Problems that do not prevent the build.
    pub warnings: Vec<Diagnostic>,
    dockerfile: String,
    ignore: Option<String>,
    secrets: BTreeMap<String, Vec<u8>>,
    env_files: EnvFiles,
}

/// Checks everything that a build names. Returns all problems together. Blocks.
pub fn prepare(build: Build, env_files: impl Into<EnvFiles>) -> Result<Prepared, Vec<Diagnostic>> {
    let env_files = env_files.into();
    let mut inspection = Inspection { build: &build, mistakes: Vec::new() };
    let has_context = inspection.folder("context", &build.context);
    for (name, context) in &build.contexts {
        if let Context::Folder(folder) = context {
            inspection.folder(&format!("additional_contexts.{name}"), folder);
        }
    }
    let (dockerfile, ignore) = inspection.instructions(has_context);
    let secrets = inspection.secrets();
    let (files, bytes, warnings) =
        if has_context { inspection.measure(ignore.as_deref(), &env_files) } else { Default::default() };
    if !inspection.mistakes.is_empty() {
        return Err(inspection.mistakes);
    }
    Ok(Prepared { files, bytes, warnings, dockerfile, ignore, secrets, env_files, build })
}

/// The env files of the folder. A context may contain the folder through a link, so its real path is considered too.
/// Blocks.
pub fn env_files_in(all: &EnvFiles, folder: &Path) -> EnvFiles {
    match folder.canonicalize() {
        Ok(real) if real != folder => all.beneath(folder).and(all.beneath(&real)),
        _ => all.beneath(folder),
    }
}

struct Inspection<'a> {
    build: &'a Build,
    mistakes: Vec<Diagnostic>,
}

impl Inspection<'_> {
    fn about(&self, key: &str, message: String) -> Diagnostic {
        let path = format!("services.{}.build.{key}", self.build.service);
        Diagnostic { location: self.build.at.clone(), path, message, hint: None, users: Box::default() }
    }

    fn wrong(&mut self, key: &str, message: String, hint: Option<&str>) {
        let mistake = Diagnostic { hint: hint.map(str::to_owned), ..self.about(key, message) };
        self.mistakes.push(mistake);
    }

    fn folder(&mut self, key: &str, path: &Path) -> bool {
        let problem = match path.metadata() {
            Ok(metadata) if metadata.is_dir() => return true,
            Ok(_) => "it is a file, but a context is a folder".to_owned(),
            Err(error) => reason(&error),
        };
        self.wrong(key, format!("{}: {problem}", path.display()), None);
        false
    }

    /// The Dockerfile, and its own ignore file.
    fn instructions(&mut self, has_context: bool) -> (String, Option<String>) {
        let path = match &self.build.dockerfile {
            Dockerfile::Inline(text) => return (text.clone(), None),
            Dockerfile::File(path) => path,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // The missing folder is already reported.
            Err(_) if !has_context && path.starts_with(&self.build.context) => String::new(),
            Err(error) => {
                let hint = "name it with `dockerfile`, relative to the context";
                self.wrong("dockerfile", format!("{}: {}", path.display(), reason(&error)), Some(hint));
                String::new()
            }
        };
        let mut name = path.clone().into_os_string();
        name.push(IGNORE);
        (text, self.optional("dockerfile", Path::new(&name)))
    }

    fn optional(&mut self, key: &str, path: &Path) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.wrong(key, format!("{}: {}", path.display(), reason(&error)), None);
                None
            }
        }
    }

    fn secrets(&mut self) -> BTreeMap<String, Vec<u8>> {
        let mut secrets = BTreeMap::new();
        for (id, secret) in &self.build.secrets {
            match secret_value(secret) {
                Ok(value) => drop(secrets.insert(id.clone(), value)),
                Err(problem) => {
                    let mistake = self.about("secrets", format!("secret {id}: {problem}"));
                    self.mistakes.push(mistake.used_by(&self.build.service));
                }
            }
        }
        secrets
    }

    fn measure(&mut self, ignore: Option<&str>, env_files: &EnvFiles) -> (usize, u64, Vec<Diagnostic>) {
        let context = &self.build.context;
        let own = if ignore.is_none() { self.optional("context", &context.join(IGNORE)) } else { None };
        let text = ignore.or(own.as_deref()).unwrap_or_default();
        for (line, mistake) in invalid_patterns(text) {
            let (key, name) =
                if ignore.is_some() { ("dockerfile", "the Dockerfile's own") } else { ("context", "the context's") };
            self.wrong(key, format!("{name} .dockerignore, line {line}: {mistake}"), None);
        }
        let rules = IgnoreRules::of_context(text, env_files_in(env_files, context));
        match folder::list(context, &rules, &ContextPaths::All) {
            Ok(listing) => {
                let files = listing.entries.iter().filter(|entry| entry.kind != Kind::Folder);
                let skipped = listing.skipped.iter().map(|path| {
                    self.about("context", format!("{} is not sent: it is a socket, a pipe or a device", path.display()))
                });
                let withheld = listing.withheld.iter().map(|path| {
                    self.about("context", format!("{} is not sent: it belongs to another environment", path.display()))
                });
                (files.clone().count(), files.map(|entry| entry.size).sum(), skipped.chain(withheld).collect())
            }
            Err(error) => {
                self.wrong("context", error.with_cause(), Some("make it readable, or name it in .dockerignore"));
                Default::default()
            }
        }
    }
}

fn secret_value(secret: &Secret) -> Result<Vec<u8>, String> {
    match secret {
        Secret::Value(Contents(value)) => Ok(value.clone().into_bytes()),
        Secret::File(path) => {
            let problem = |error: io::Error| format!("{}: {}", path.display(), reason(&error));
            let size = path.metadata().map_err(problem)?.len();
            if size > MAX_SECRET {
                return Err(format!("{} is larger than 500 KiB", path.display()));
            }
            std::fs::read(path).map_err(problem)
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        _ => error.to_string(),
    }
}

impl Prepared {
    pub(super) fn instructions(&self) -> &str {
        &self.dockerfile
    }

    /// The inputs that the builder may request.
    pub(super) fn inputs(&self, request: &Request, builder: &Builder) -> BuildInputs {
        let text = with_stages(&self.dockerfile, &request.stages);
        let mut files = BTreeMap::from([(request.dockerfile_name.clone(), text.into_bytes())]);
        if let Some(ignore) = &self.ignore {
            files.insert(format!("{}{IGNORE}", request.dockerfile_name), ignore.clone().into_bytes());
        }
        let logins = Arc::clone(&builder.logins);
        BuildInputs { folders: self.folders(request, files), secrets: self.secrets.clone(), logins }
    }

    /// The inputs for the build of an image that contains a folder.
    pub(super) fn folder_inputs(&self, request: &Request, builder: &Builder) -> BuildInputs {
        let files = BTreeMap::from([(request.dockerfile_name.clone(), FOLDER_IMAGE.as_bytes().to_vec())]);
        let logins = Arc::clone(&builder.logins);
        BuildInputs { folders: self.folders(request, files), secrets: BTreeMap::new(), logins }
    }

    fn folders(&self, request: &Request, dockerfile: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Folder> {
        let disk = |root: &PathBuf| Folder::Disk { root: root.clone(), env_files: env_files_in(&self.env_files, root) };
        let folders = request.folders.iter().map(|(name, root)| (name.clone(), disk(root)));
        folders.chain([(DOCKERFILE.to_owned(), Folder::Files(Arc::new(dockerfile)))]).collect()
    }

    /// The context relative to this folder, for messages: `./app`.
    pub fn context_from(&self, folder: &Path) -> String {
        match self.build.context.strip_prefix(folder) {
            Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
            Ok(rest) => format!("./{}", rest.display()),
            Err(_) => self.build.context.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EnvFiles, IgnoreRules, env_files_in};
    use crate::image_build::folder::list;
    use landfast_core::image_build::ContextPaths;

    #[test]
    fn env_files_of_other_environments_are_not_sent_through_a_link() -> std::io::Result<()> {
        let fleet = tempfile::tempdir()?;
        let root = fleet.path().canonicalize()?;
        std::fs::create_dir_all(root.join("shared/env"))?;
        std::fs::create_dir(root.join("app"))?;
        for name in ["dev", "prod"] {
            std::fs::write(root.join(format!("shared/env/{name}.env")), "A=1")?;
        }
        std::os::unix::fs::symlink("../shared", root.join("app/ctx"))?;
        let path = |name: &str| root.join("shared/env").join(name).display().to_string();
        let all = EnvFiles::new(Some("dev"), vec![path("{env}.env")], vec![path("dev.env")]);
        for folder in ["shared", "app/ctx"] {
            let folder = root.join(folder);
            let rules = IgnoreRules::of_context("", env_files_in(&all, &folder));
            let sent = list(&folder, &rules, &ContextPaths::All).map_err(std::io::Error::other)?;
            let sent: Vec<_> = sent.entries.iter().map(|entry| entry.path.clone()).collect();
            assert!(sent.iter().any(|path| path.ends_with("dev.env")), "{sent:?}");
            assert!(!sent.iter().any(|path| path.ends_with("prod.env")), "{sent:?}");
        }
        Ok(())
    }
}
