//! `security_opt` as the engine takes it: a seccomp profile is its contents and no path, and what lays the system's own
//! paths open is a setting of its own.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::Input;
use super::container_input::ContainerInput;
use crate::bundle::{beneath, normalise};
use crate::findings::Findings;
use landfast_compose::{Diagnostic, Location};
use landfast_compose::{Project, Reader};

/// Seccomp profiles that a project names: path > text, or why there is none.
pub type Profiles = BTreeMap<PathBuf, Result<String, String>>;

/// Most bytes of a profile: it goes with every container. The engine's own has 12 KiB.
const MAX_PROFILE: usize = 1 << 20;

/// Reads the profiles that a project names. Paths start at its `folder`; files outside `root` are not read.
pub fn profiles(project: &Project, folder: &Path, root: &Path, reader: Reader<'_>) -> Profiles {
    let written = project.services.values().flat_map(|service| &service.security_opt);
    let paths = written.filter_map(|option| profile_of(option)).filter(|path| !path.is_empty());
    paths.map(|path| (absolute(folder, path), read(folder, root, path, reader))).collect()
}

fn read(folder: &Path, root: &Path, written: &str, reader: Reader<'_>) -> Result<String, String> {
    let path = absolute(folder, written);
    if written.starts_with('~') || beneath(root, &path).is_none() {
        return Err(format!("it is outside {}, which is all that is read here", root.display()));
    }
    let text = reader(&path)?.ok_or("there is no such file")?;
    if text.len() > MAX_PROFILE { Err(format!("it is larger than {} KiB", MAX_PROFILE >> 10)) } else { Ok(text) }
}

fn absolute(folder: &Path, path: &str) -> PathBuf {
    normalise(&folder.join(path)).into()
}

/// An option's name and its value. As the engine does, a colon parts them where there is no equals sign.
fn parts(option: &str) -> Option<(&str, &str)> {
    option.split_once('=').or_else(|| option.split_once(':'))
}

/// The path in `seccomp=path`.
fn profile_of(option: &str) -> Option<&str> {
    parts(option)
        .filter(|(name, value)| *name == "seccomp" && !matches!(*value, "unconfined" | "builtin"))
        .map(|it| it.1)
}

/// What a service asks for.
#[derive(Default)]
pub(super) struct Security {
    pub(super) options: Vec<String>,
    /// No path of the system is masked or read-only.
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
                let message = format!("the system's paths cannot be {value:?}");
                findings.refuse(path, message).hint = Some("write systempaths=unconfined, or leave it out".to_owned());
            }
            (Some(("no-new-privileges", value)), _) if !is_boolean(value) => {
                findings.refuse(path, format!("{value:?} is neither true nor false"));
            }
            (None, _) if option != "no-new-privileges" => {
                let message = format!("{option:?} is no security option");
                findings.refuse(path, message).hint = Some("write it as name=value".to_owned());
            }
            // What else there is, the engine of the host knows: label, apparmor and what newer ones may bring.
            _ => security.options.push(option.clone()),
        }
    }
    security
}

/// What is wrong with a profile.
enum ProfileError {
    /// With what leads to it.
    Option(String),
    /// With what is in it.
    Contents(Diagnostic),
}

/// The contents of a profile without the space between them, as Compose sends them.
fn contents(input: Input<'_>, profile: &str, path: &str) -> Result<String, ProfileError> {
    let file = absolute(input.root, profile);
    let text = match input.profiles.get(&file) {
        _ if profile.is_empty() => return Err(ProfileError::Option("no file is named".to_owned())),
        None => return Err(ProfileError::Option("it was not read".to_owned())),
        Some(text) => text.as_ref().map_err(|why| ProfileError::Option(why.clone()))?,
    };
    match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text) {
        Ok(_) => Ok(compact(text)),
        Err(error) => {
            let at = Location { line: error.line(), column: error.column().max(1), ..Location::whole(&file) };
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            let mistake = Diagnostic::at(&at, format!("this is no seccomp profile: {said}")).key(path);
            Err(ProfileError::Contents(mistake.hint("a profile is a JSON object: {\"defaultAction\": …}")))
        }
    }
}

/// JSON without white space, every token as it is written.
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

/// As the engine reads one.
fn is_boolean(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_quotes_stays_as_it_is() {
        assert_eq!(compact("{ \"a b\" :\n\t[1.50, \"\\\" x\\\\\" ] }"), r#"{"a b":[1.50,"\" x\\"]}"#);
    }

    #[test]
    fn an_option_is_parted_as_the_engine_parts_it() {
        assert_eq!(profile_of("seccomp:./a.json"), Some("./a.json"));
        assert_eq!(profile_of("seccomp=a:b=c.json"), Some("a:b=c.json"));
        assert_eq!(profile_of("seccomp:a=b.json"), None);
        assert_eq!((profile_of("seccomp=unconfined"), profile_of("seccomp:builtin")), (None, None));
    }
}
