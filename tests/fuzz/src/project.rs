//! Any text as a compose file, all the way to the canonical and the typed project.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::compose::{Input, Loaded, canonical_for_yaml, doubled, load, uninterpolated, yaml_text};
use super::text_of;

/// Checks that loading a project never panics, and that a project that was printed is the same after it is read again.
///
/// The file can refer to itself and to an env file: `extends: {file: compose.yaml}`, `include`, `env_file: [e]`.
pub fn check(input: &[u8]) {
    let text = text_of(input);
    let input = input_of(text.to_owned());
    let reader = |file: &Path| match file.file_name().and_then(|name| name.to_str()) {
        Some("compose.yaml" | "t.yaml") => Ok(Some(text.to_owned())),
        Some("e") => Ok(Some("E=from-file\nF=${A:-x}\n".to_owned())),
        Some("denied") => Err("not allowed".to_owned()),
        _ => Ok(None),
    };
    drop(uninterpolated(&input, &reader));
    let Ok(loaded) = load(&input, &reader) else { return };
    drop(loaded.project());
    let printed = canonical_for_yaml(loaded);
    let text = yaml_text(&printed);
    if reads_back(&printed)
        && let Some(again) = reload(&text)
    {
        assert_eq!(yaml_text(&canonical_for_yaml(again)), text);
    }
}

fn input_of(text: String) -> Input {
    Input {
        files: vec![(PathBuf::from("/srv/app/compose.yaml"), text)],
        working_dir: PathBuf::from("/srv/app"),
        environment: [("A", "a"), ("EMPTY", ""), ("HOME", "/home/u"), ("D", "$x ${y}")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        profiles: vec!["*".to_owned()],
        ..Input::default()
    }
}

/// Loads a printed project, or returns `None` when it is refused.
///
/// The reference prints some things that it refuses to read, and Landfast prints the same: a port without its target,
/// which was 0, an address that a host was given twice, an empty variable. All of it must still be YAML.
fn reload(printed: &str) -> Option<Loaded> {
    let refusal = match load(&input_of(doubled(printed)), &|_: &Path| Ok(None)) {
        Ok(loaded) => return Some(loaded),
        Err(refusal) => refusal.to_string(),
    };
    assert!(!refusal.contains("invalid YAML"), "{refusal}\nin {printed}");
    None
}

/// Whether a printed project is expected to be read back the same.
///
/// The reference prints two things in a form that is read as something else, and Landfast prints the same: a build without
/// its context when that is empty, and keys with dollar signs.
fn reads_back(printed: &Value) -> bool {
    let no_context = |service: &Value| service.get("build").is_some_and(|build| build.get("context").is_none());
    let services = printed["services"].as_object();
    !services.into_iter().flatten().any(|(_, service)| no_context(service)) && !has_dollars(printed)
}

fn has_dollars(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| key.contains('$') || has_dollars(inner)),
        Value::Array(list) => list.iter().any(has_dollars),
        _ => false,
    }
}
