//! `security_opt` in the form that the engine expects: a seccomp profile is passed by its contents, and `systempaths=unconfined`
//! is a separate setting.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::Input;
use super::container_input::ContainerInput;
use crate::bundle::{beneath, normalise};
use crate::findings::Findings;
use landfast_compose::{Diagnostic, Location};
use landfast_compose::{Project, Reader};

/// Seccomp profiles of a project: path to text, or to the reason why it could not be read.
pub type Profiles = BTreeMap<PathBuf, Result<String, String>>;

/// Maximum size of a profile in bytes, because every container includes it. The engine's default profile has 12 KiB.
const MAX_PROFILE: usize = 1 << 20;

/// Reads the seccomp profiles of a project. Paths are relative to its `folder`; files outside `root` are not read.
pub fn profiles(project: &Project, folder: &Path, root: &Path, reader: Reader<'_>) -> Profiles {
    let written = project.services.values().flat_map(|service| &service.security_opt);
    let paths = written.filter_map(|option| profile_of(option)).filter(|path| !path.is_empty());
    paths.map(|path| (absolute(folder, path), read(folder, root, path, reader))).collect()
}

fn read(folder: &Path, root: &Path, written: &str, reader: Reader<'_>) -> Result<String, String> {
    let path = absolute(folder, written);
    if written.starts_with('~') || beneath(root, &path).is_none() {
        return Err(format!("it is outside the folder {}", root.display()));
    }
    let text = reader(&path)?.ok_or("the file does not exist")?;
    if text.len() > MAX_PROFILE { Err(format!("it is larger than {} KiB", MAX_PROFILE >> 10)) } else { Ok(text) }
}

fn absolute(folder: &Path, path: &str) -> PathBuf {
    normalise(&folder.join(path)).into()
}

/// Splits an option into name and value, at an equals sign or, as in the engine, else at a colon.
fn parts(option: &str) -> Option<(&str, &str)> {
    option.split_once('=').or_else(|| option.split_once(':'))
}

/// Path in `seccomp=path`.
fn profile_of(option: &str) -> Option<&str> {
    parts(option)
        .filter(|(name, value)| *name == "seccomp" && !matches!(*value, "unconfined" | "builtin"))
        .map(|it| it.1)
}

/// Security options of a service.
#[derive(Default)]
pub(super) struct Security {
    pub(super) options: Vec<String>,
    /// Whether system paths are neither masked nor read-only.
    pub(super) unconfined_paths: bool,
}

pub(super) fn security(input: ContainerInput<'_>, findings: &mut Findings<'_>) -> Security {
    let mut security = Security::default();
    for (at, option) in input.service().security_opt.iter().enumerate() {
        let path = input.path(&format!("security_opt[{at}]"));
        match (parts(option), profile_of(option)) {
            _ if option == "systempaths=unconfined" => security.unconfined_paths = true,
            (_, Some(profile)) => match contents(input.compile, profile, &path) {
                Ok(json) => security.options.push(format!("seccomp={json}")),
                Err(ProfileError::Option(why)) => {
                    findings.refuse(path, format!("the seccomp profile {profile}: {why}"));
                }
                Err(ProfileError::Contents(mistake)) => findings.errors.push(mistake),
            },
            (Some(("systempaths", value)), _) => {
                let message = format!("systempaths cannot be {value:?}");
                findings.refuse(path, message).hint =
                    Some("write systempaths=unconfined, or remove the option".to_owned());
            }
            (Some(("no-new-privileges", value)), _) if !is_boolean(value) => {
                findings.refuse(path, format!("no-new-privileges must be true or false, not {value:?}"));
            }
            (None, _) if option != "no-new-privileges" => {
                let message = format!("{option:?} is not a security option");
                findings.refuse(path, message).hint = Some("write it as name=value".to_owned());
            }
            // The engine of the host checks other options, such as label and apparmor.
            _ => security.options.push(option.clone()),
        }
    }
    security
}

/// Error in a seccomp profile.
enum ProfileError {
    /// The option, or reading the file, failed.
    Option(String),
    /// The contents are not valid.
    Contents(Diagnostic),
}

/// Returns the contents of a profile without white space, as Docker Compose sends them.
fn contents(input: Input<'_>, profile: &str, path: &str) -> Result<String, ProfileError> {
    let file = absolute(input.root, profile);
    let text = match input.profiles.get(&file) {
        _ if profile.is_empty() => return Err(ProfileError::Option("no file is named".to_owned())),
        None => return Err(ProfileError::Option("the file was not read".to_owned())),
        Some(text) => text.as_ref().map_err(|why| ProfileError::Option(why.clone()))?,
    };
    match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text) {
        Ok(_) => Ok(compact(text)),
        Err(error) => {
            let at = Location { line: error.line(), column: error.column().max(1), ..Location::whole(&file) };
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            let mistake = Diagnostic::at(&at, format!("this is not a seccomp profile: {said}")).key(path);
            Err(ProfileError::Contents(mistake.hint("a profile is a JSON object: {\"defaultAction\": …}")))
        }
    }
}

/// Removes white space from JSON without changing its tokens.
fn compact(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let is_kept = |char: &char| {
        let kept = in_text || !char.is_ascii_whitespace();
        if *char == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && *char == '\\' && !escaped;
        kept
    };
    json.chars().filter(is_kept).collect()
}

/// Whether the engine accepts the text as a boolean.
fn is_boolean(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_quotes_is_not_changed() {
        assert_eq!(compact("{ \"a b\" :\n\t[1.50, \"\\\" x\\\\\" ] }"), r#"{"a b":[1.50,"\" x\\"]}"#);
    }

    #[test]
    fn an_option_is_split_as_the_engine_splits_it() {
        assert_eq!(profile_of("seccomp:./a.json"), Some("./a.json"));
        assert_eq!(profile_of("seccomp=a:b=c.json"), Some("a:b=c.json"));
        assert_eq!(profile_of("seccomp:a=b.json"), None);
        assert_eq!((profile_of("seccomp=unconfined"), profile_of("seccomp:builtin")), (None, None));
    }
}
