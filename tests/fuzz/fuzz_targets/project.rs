//! Any text as a compose file, all the way to the canonical and the typed project: no panic, and what is printed, if it
//! is read again, is the same project.
//!
//! The file leads to itself and to an env file: `extends: {file: compose.yaml}`, `include`, `env_file: [e]`.
#![no_main]

use std::path::{Path, PathBuf};

use landfast_compose::{Input, Loaded, canonical_for_yaml, doubled, load, uninterpolated, yaml_text};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let input = input(text.to_owned());
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
});

fn input(text: String) -> Input {
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

/// What is printed, read again; or nothing when it is refused. The reference prints some things that it does not read: a
/// port without its target, which was 0, an address that a host was given twice, an empty variable. So do we; but it is
/// always YAML.
fn reload(printed: &str) -> Option<Loaded> {
    let refusal = match load(&input(doubled(printed)), &|_: &Path| Ok(None)) {
        Ok(loaded) => return Some(loaded),
        Err(refusal) => refusal.to_string(),
    };
    assert!(!refusal.contains("invalid YAML"), "{refusal}\nin {printed}");
    None
}

/// Two things the reference prints in a form that is read as something else, and so do we: an empty context without it,
/// and keys with dollar signs.
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
