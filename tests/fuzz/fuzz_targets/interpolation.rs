//! Any text as a value with variables: no panic, a text without a dollar sign stays as it is, one with every dollar sign
//! doubled comes out as it went in, and what came out survives being printed and read again.
#![no_main]

use std::path::{Path, PathBuf};

use landfast_compose::{Diagnostics, Input, canonical, doubled, load};
use landfast_fuzz::as_file;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let doubled = text.replace('$', "$$");
    assert_eq!(read(&doubled).expect("a doubled dollar sign is always good"), Value::String(doubled.clone()));
    let Ok(replaced) = read(text) else { return };
    assert_eq!(read(replaced.as_str().expect("a text stays a text")).expect("what is printed reads back"), replaced);
});

/// What a variable with this value is printed as.
fn read(value: &str) -> Result<Value, Diagnostics> {
    let project = json!({"services": {"s": {"image": "i", "environment": {"V": value}}}});
    let input = Input {
        files: vec![(PathBuf::from("/srv/app/compose.yaml"), as_file(&project))],
        working_dir: PathBuf::from("/srv/app"),
        environment: [("A", "a"), ("B", "$A ${b} }"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Input::default()
    };
    let loaded = load(&input, &|_: &Path| Ok(None))?;
    let printed = &canonical(loaded)["services"]["s"]["environment"]["V"];
    Ok(printed.as_str().map_or(Value::Null, |text| doubled(text).into()))
}
