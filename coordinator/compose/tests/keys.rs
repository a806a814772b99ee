//! The page KEYS.md is generated from the table of keys.
#![allow(clippy::unwrap_used)]
use std::fmt::Write as _;

use landfast_compose::{Case, Key, Support, keys};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/KEYS.md");

const HEAD: &str = "\
# Keys of a Compose file

This page lists every key of the
[Compose specification](https://github.com/compose-spec/compose-spec/blob/main/spec.md), and whether Landfast supports it:

- *supported*: the key has the same effect as in Compose.
- *ignored*: the key has no effect. A warning names the file, the line and the reason.
- *refused*: a project with this key is not deployed. The error names the file, the line and the reason.

`*` is a name that you choose, and `[]` is the index of a list. Extension keys, which start with `x-`, are kept and have no
effect.

The page is generated from the [table of keys](src/schema/keys/mod.rs):
`LANDFAST_KEYS=overwrite cargo test -p landfast-compose --test keys`.
";

fn page() -> String {
    let keys = keys();
    let mut page = HEAD.to_owned();
    let (inside, top): (Vec<_>, Vec<_>) = keys.iter().partition(|key| key.path.contains('.'));
    section(&mut page, "Top level", "", &top);
    for key in top {
        for around in [format!("{}.*", key.path), format!("{}[]", key.path)] {
            let beneath = format!("{around}.");
            let rows: Vec<_> = inside.iter().copied().filter(|key| key.path.starts_with(&beneath)).collect();
            if !rows.is_empty() {
                section(&mut page, &format!("`{around}`"), &beneath, &rows);
            }
        }
    }
    page
}

fn section(page: &mut String, title: &str, above: &str, keys: &[&Key]) {
    write!(page, "\n## {title}\n\n| key | support | notes |\n| --- | --- | --- |\n").unwrap();
    let mut around = None;
    for key in keys {
        let (word, why) = support(key.support);
        around = around.filter(|it: &&&Key| is_beneath(key, it));
        let as_that = around.map(|it| format!("see `{}`", it.path.strip_prefix(above).unwrap()));
        if key.support != Support::Supported {
            around = around.or(Some(key));
        }
        let mut about = vec![key.note.to_owned(), as_that.unwrap_or(why.to_owned())];
        about.retain(|text| !text.is_empty());
        about.extend(key.cases.iter().map(|case| exception(case)));
        let path = key.path.strip_prefix(above).unwrap();
        writeln!(page, "| `{path}` | {word} | {} |", about.join("; ").replace('|', "\\|")).unwrap();
    }
}

fn is_beneath(key: &Key, other: &Key) -> bool {
    key.path.strip_prefix(&other.path).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn exception(case: &Case) -> String {
    let (word, why) = support(case.support);
    format!("{word} ({}): {why}", case.values)
}

fn support(support: Support) -> (&'static str, &'static str) {
    match support {
        Support::Supported => ("supported", ""),
        Support::Ignored(why) => ("ignored", why),
        Support::Refused(why) => ("refused", why),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may write the page that it compares")]
fn the_page_of_keys_is_generated_from_the_table() {
    let page = page();
    if std::env::var("LANDFAST_KEYS").is_ok_and(|value| value == "overwrite") {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).find(|(new, old)| new != old);
    assert!(
        page == written,
        "KEYS.md differs from the table of keys ({differs:?}). To generate it again:\n\
         LANDFAST_KEYS=overwrite cargo test -p landfast-compose --test keys"
    );
}

#[test]
fn every_key_is_listed_once_and_unsupported_keys_have_reasons() {
    let keys = keys();
    let mut paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count, "a key is listed twice");
    for path in
        ["services.*.healthcheck.interval", "networks.*.ipam.config[].subnet", "services.*.volumes[].bind.selinux"]
    {
        assert!(paths.contains(&path), "{path}");
    }
    for key in &keys {
        let reasons = std::iter::once(key.support).chain(key.cases.iter().map(|case| case.support));
        for reason in reasons.filter(|it| *it != Support::Supported) {
            let (_, why) = support(reason);
            assert!(!why.is_empty() && !why.ends_with('.'), "{}: {why:?}", key.path);
        }
        assert!(key.cases.iter().all(|case| case.support != Support::Supported), "{}", key.path);
    }
}
