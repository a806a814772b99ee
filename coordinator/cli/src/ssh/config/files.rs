//! Reads the user's and the system's configuration file, and the files that they include.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfast_engine::Hint;

use super::parse::{self, Text};
use super::{Config, ConfigError};

const SYSTEM: &str = "/etc/ssh/ssh_config";

/// A failure to load the configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{} cannot be read: {why}", file.display())]
    Unreadable { file: PathBuf, why: String },
    #[error(transparent)]
    Line(#[from] ConfigError),
}

impl Hint for LoadError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Line(error) => error.hint(),
        }
    }
}

/// Loads the user's file, then the system's, in OpenSSH's order. A missing file counts as empty.
pub fn load(home: &Path, uid: u32) -> Result<Config, LoadError> {
    load_both(home, uid, Path::new(SYSTEM))
}

fn load_both(home: &Path, uid: u32, system: &Path) -> Result<Config, LoadError> {
    let user = Source { folder: home.join(".ssh"), home: home.to_owned(), owner: Some(uid) };
    let machine = Source { folder: "/etc/ssh".into(), home: home.to_owned(), owner: None };
    let mut directives = user.directives(&home.join(".ssh/config"))?;
    // A Host block ends with its file. `Host *` makes the system's file apply to every host.
    let all = parse::parse((system.to_owned(), "Host *".to_owned()), &|_| Ok(Vec::new()))?;
    directives.extend(all);
    directives.extend(machine.directives(system)?);
    Ok(Config { directives })
}

/// The folder for relative `Include` paths, and the required owner of the files.
struct Source {
    folder: PathBuf,
    home: PathBuf,
    owner: Option<u32>,
}

impl Source {
    fn directives(&self, file: &Path) -> Result<Vec<parse::Directive>, LoadError> {
        let text = self.read(file).map_err(|why| LoadError::Unreadable { file: file.to_owned(), why })?;
        let Some(text) = text else { return Ok(Vec::new()) };
        Ok(parse::parse((file.to_owned(), text), &|word| self.include(word))?)
    }

    /// Reads the files that one word of `Include` names; `~` and glob patterns are expanded.
    fn include(&self, word: &str) -> Result<Vec<Text>, String> {
        let path = match word.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => self.folder.join(word),
        };
        let pattern = path.to_str().ok_or("its path is not text")?;
        let paths = glob::glob(pattern).map_err(|error| error.to_string())?;
        let mut texts = Vec::new();
        for path in paths {
            let path = path.map_err(|error| error.to_string())?;
            if let Some(text) = self.read(&path).map_err(|reason| format!("{}: {reason}", path.display()))? {
                texts.push((path, text));
            }
        }
        Ok(texts)
    }

    /// Reads a file, if it exists. Like OpenSSH, refuses a file that other users can write to.
    fn read(&self, file: &Path) -> Result<Option<String>, String> {
        match fs::metadata(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
            Ok(found) => {
                if let Some(owner) = self.owner
                    && (found.mode() & 0o022 != 0 || ![0, owner].contains(&found.uid()))
                {
                    let reason = "other users can write to it; run `chmod go-w` on it, or change its owner to you";
                    return Err(reason.to_owned());
                }
            }
        }
        let bytes = fs::read(file).map_err(|error| error.to_string())?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::HostQuery;
    use super::*;

    fn write(home: &Path, name: &str, text: &str) -> PathBuf {
        let file = home.join(".ssh").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn load_user(home: &Path) -> Result<Config, LoadError> {
        load_both(home, rustix::process::getuid().as_raw(), &home.join("no-such-file"))
    }

    #[test]
    fn files_are_included_by_pattern_in_order() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "config", "Include parts/*.conf ~/.ssh/last nothing\n");
        write(home.path(), "parts/b.conf", "Port 2\n");
        write(home.path(), "parts/a.conf", "User anna\nHost other\n");
        write(home.path(), "last", "Port 3\nHostName x\n");
        let config = load_user(home.path()).unwrap();
        let settings = config.settings(HostQuery { host: "box", user: None, local_user: "me" }).unwrap();
        assert_eq!(settings.user.unwrap().value, "anna");
        assert_eq!(settings.port.unwrap().value, 2);
        assert_eq!(settings.host_name.unwrap().location.to_string(), format!("{}/.ssh/last:2", home.path().display()));
    }

    #[test]
    fn a_file_that_others_can_write_to_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = write(home.path(), "config", "Port 2\n");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let error = load_user(home.path()).unwrap_err().to_string();
        assert!(error.contains(".ssh/config") && error.contains("other users can write"), "{error}");
    }

    #[test]
    fn a_missing_file_counts_as_empty() {
        let home = tempfile::tempdir().unwrap();
        let config = load_user(home.path()).unwrap();
        let settings = config.settings(HostQuery { host: "box.invalid", user: None, local_user: "me" }).unwrap();
        assert_eq!(settings.port, None);
    }
}
