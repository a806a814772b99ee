//! Whether what a build names is there, how much it is, and what is read of it before the builder asks: the instructions
//! and the secrets.

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
use super::session::Offer;
use super::sync::Folder;

/// As BuildKit has it.
const LARGEST_SECRET: u64 = 500 * 1024;
/// The ignored paths of a context, when its Dockerfile has no such file of its own.
const IGNORE: &str = ".dockerignore";
/// The instructions of an image that is a folder.
pub(super) const FOLDER_IMAGE: &str = "FROM scratch\nCOPY . /\n";

/// A build for which everything is there.
pub struct Prepared {
    pub build: Build,
    /// What of the context is not ignored.
    pub files: usize,
    pub bytes: u64,
    /// Not wrong, but to be known.
    pub warnings: Vec<Diagnostic>,
    dockerfile: String,
    ignore: Option<String>,
    secrets: BTreeMap<String, Vec<u8>>,
    env_files: EnvFiles,
}

/// Looks at everything that a build names; either that or all that is missing. Blocks.
pub fn prepare(build: Build, env_files: impl Into<EnvFiles>) -> Result<Prepared, Vec<Diagnostic>> {
    let env_files = env_files.into();
    let mut look = Look { build: &build, mistakes: Vec::new() };
    let has_context = look.folder("context", &build.context);
    for (name, context) in &build.contexts {
        if let Context::Folder(folder) = context {
            look.folder(&format!("additional_contexts.{name}"), folder);
        }
    }
    let (dockerfile, ignore) = look.instructions(has_context);
    let secrets = look.secrets();
    let (files, bytes, warnings) =
        if has_context { look.measure(ignore.as_deref(), &env_files) } else { Default::default() };
    if !look.mistakes.is_empty() {
        return Err(look.mistakes);
    }
    Ok(Prepared { files, bytes, warnings, dockerfile, ignore, secrets, env_files, build })
}

/// Whose the env files in a folder are. A build may reach the folder over a link, so that its path is another one. Blocks.
pub fn env_files_in(all: &EnvFiles, folder: &Path) -> EnvFiles {
    match folder.canonicalize() {
        Ok(real) if real != folder => all.beneath(folder).and(all.beneath(&real)),
        _ => all.beneath(folder),
    }
}

struct Look<'a> {
    build: &'a Build,
    mistakes: Vec<Diagnostic>,
}

impl Look<'_> {
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
            Ok(_) => "it is a file, and a context is a folder".to_owned(),
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
            // Without its folder there is one thing to say.
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
                let left = listing.left.iter().map(|path| {
                    self.about("context", format!("{} is not sent: it is a socket, a pipe or a device", path.display()))
                });
                let withheld = listing.withheld.iter().map(|path| {
                    self.about("context", format!("{} is not sent: it is of another environment", path.display()))
                });
                (files.clone().count(), files.map(|entry| entry.size).sum(), left.chain(withheld).collect())
            }
            Err(error) => {
                self.wrong("context", error.sentence(), Some("make it readable, or name it in .dockerignore"));
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
            if size > LARGEST_SECRET {
                return Err(format!("{} is larger than 500 KiB", path.display()));
            }
            std::fs::read(path).map_err(problem)
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        _ => error.to_string(),
    }
}

impl Prepared {
    pub(super) fn instructions(&self) -> &str {
        &self.dockerfile
    }

    /// What the builder may ask for.
    pub(super) fn offer(&self, request: &Request, builder: &Builder) -> Offer {
        let text = with_stages(&self.dockerfile, &request.stages);
        let mut files = BTreeMap::from([(request.dockerfile_name.clone(), text.into_bytes())]);
        if let Some(ignore) = &self.ignore {
            files.insert(format!("{}{IGNORE}", request.dockerfile_name), ignore.clone().into_bytes());
        }
        let logins = Arc::clone(&builder.logins);
        Offer { folders: self.folders(request, files), secrets: self.secrets.clone(), logins }
    }

    /// The same, for an image that is a folder.
    pub(super) fn offer_folder(&self, request: &Request, builder: &Builder) -> Offer {
        let files = BTreeMap::from([(request.dockerfile_name.clone(), FOLDER_IMAGE.as_bytes().to_vec())]);
        let logins = Arc::clone(&builder.logins);
        Offer { folders: self.folders(request, files), secrets: BTreeMap::new(), logins }
    }

    fn folders(&self, request: &Request, dockerfile: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Folder> {
        let disk = |root: &PathBuf| Folder::Disk { root: root.clone(), env_files: env_files_in(&self.env_files, root) };
        let folders = request.folders.iter().map(|(name, root)| (name.clone(), disk(root)));
        folders.chain([(DOCKERFILE.to_owned(), Folder::Files(Arc::new(dockerfile)))]).collect()
    }

    /// Its context, as one names it in this folder: `./app`.
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
    fn env_files_of_other_environments_are_not_sent_over_a_link() -> std::io::Result<()> {
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
