//! The page of keys is what the table of keys gives.
#![allow(clippy::unwrap_used)]
use std::fmt::Write as _;

use landfast_compose::{Case, Key, Support, keys};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/KEYS.md");

const HEAD: &str = "\
# Keys of a Compose file

Every key of the [Compose specification](https://github.com/compose-spec/compose-spec/blob/main/spec.md), and what Landfast
makes of it: *honoured*, it does what it does with Compose; *warned*, it has no effect here; *refused*, nothing is deployed.
A warning and a refusal name file, line and reason. `*` stands for a name of your choice, `[]` for a place in a list. Keys that begin
with `x-` are kept and mean nothing.

This page is made from the [table of keys](src/schema/keys/mod.rs):
`LANDFAST_KEYS=overwrite cargo test -p landfast-compose --test keys`.
";

fn page() -> String {
    let keys = keys();
    let mut page = HEAD.to_owned();
    let (inside, top): (Vec<_>, Vec<_>) = keys.iter().partition(|key| key.path.contains('.'));
    section(&mut page, "The file", "", &top);
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
    write!(page, "\n## {title}\n\n| key | | what it does here, or why not |\n| --- | --- | --- |\n").unwrap();
    let mut around = None;
    for key in keys {
        let (word, why) = standing(key.support);
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
    let (word, why) = standing(case.support);
    format!("{word} when {}: {why}", case.values)
}

fn standing(standing: Support) -> (&'static str, &'static str) {
    match standing {
        Support::Supported => ("honoured", ""),
        Support::Ignored(why) => ("warned", why),
        Support::Refused(why) => ("refused", why),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may write the page that it compares")]
fn the_page_of_keys_is_what_the_table_gives() {
    let page = page();
    if std::env::var("LANDFAST_KEYS").is_ok_and(|wish| wish == "overwrite") {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).find(|(new, old)| new != old);
    assert!(
        page == written,
        "KEYS.md is not what the table gives ({differs:?}); to write it again:\n\
         LANDFAST_KEYS=overwrite cargo test -p landfast-compose --test keys"
    );
}

#[test]
fn each_key_is_there_once_and_what_is_not_honoured_says_why() {
    let keys = keys();
    let mut paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count, "a key stands twice");
    for path in
        ["services.*.healthcheck.interval", "networks.*.ipam.config[].subnet", "services.*.volumes[].bind.selinux"]
    {
        assert!(paths.contains(&path), "{path}");
    }
    for key in &keys {
        let reasons = std::iter::once(key.support).chain(key.cases.iter().map(|case| case.support));
        for reason in reasons.filter(|it| *it != Support::Supported) {
            let (_, why) = standing(reason);
            assert!(!why.is_empty() && !why.ends_with('.'), "{}: {why:?}", key.path);
        }
        assert!(key.cases.iter().all(|case| case.support != Support::Supported), "{}", key.path);
    }
}
