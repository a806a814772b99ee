//! Any text as a compose file, all the way to the canonical and the typed project: no panic, and what is printed reads
//! back as the same project.
//!
//! The file leads to itself and to an env file: `extends: {file: compose.yaml}`, `include`, `env_file: [e]`.
#![no_main]

use std::path::{Path, PathBuf};

use landfast_core::compose::{Input, Loaded, canonical_for_yaml, doubled, load, uninterpolated, yaml_text};
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
    if reads_back(&printed) {
        let text = yaml_text(&printed);
        assert_eq!(yaml_text(&canonical_for_yaml(reload(&text))), text);
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

fn reload(printed: &str) -> Loaded {
    let nothing = |_: &Path| Ok(None);
    load(&input(doubled(printed)), &nothing).unwrap_or_else(|mistakes| panic!("{mistakes}\nin {printed}"))
}

/// Four things the reference prints in a form that it does not read again, or as something else, and so do we: a port
/// that publishes port 0 of the container without it, an empty context without it, an address that a host was given
/// twice, and keys with dollar signs.
fn reads_back(printed: &Value) -> bool {
    let no_target = |service: &Value| {
        service["ports"].as_array().is_some_and(|ports| ports.iter().any(|port| port.get("target").is_none()))
    };
    let no_context = |service: &Value| service.get("build").is_some_and(|build| build.get("context").is_none());
    let twice = |service: &Value| {
        let hosts = [&service["extra_hosts"], &service["build"]["extra_hosts"]];
        hosts.into_iter().filter_map(Value::as_array).any(|list| list.windows(2).any(|pair| pair[0] == pair[1]))
    };
    let services = printed["services"].as_object();
    let lost = |service: &Value| no_target(service) || no_context(service) || twice(service);
    !services.into_iter().flatten().any(|(_, service)| lost(service)) && !has_dollars(printed)
}

fn has_dollars(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| key.contains('$') || has_dollars(inner)),
        Value::Array(list) => list.iter().any(has_dollars),
        _ => false,
    }
}
