//! The environments of a stack: which there are, and what one lacks.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;
use std::path::Path;

use landfast_core::environments::{Comparison, EnvFile, compare, is_name, names};
use landfast_core::fleet::Fleet;

fn file(path: &str, text: &str) -> EnvFile {
    EnvFile { path: path.into(), text: text.to_owned() }
}

fn compared(example: &str, common: &str, own: &str) -> Comparison {
    let shell = BTreeSet::from(["FROM_SHELL".to_owned()]);
    compare(&file(".env.example", example), &file(".env.dev", own), Some(&file(".env", common)), &shell).unwrap()
}

#[test]
fn a_file_makes_an_environment_unless_it_is_documentation() {
    let files = [
        ".env",
        ".env.dev",
        ".env.test",
        ".env.local",
        ".env.example",
        ".env.sample",
        ".env.dev.local",
        ".env.",
        ".env.a b",
        ".env.dev~",
        "env.prod",
        "compose.yaml",
    ];
    assert_eq!(names(files).into_iter().collect::<Vec<_>>(), ["dev", "local", "test"]);
    for bad in ["", "../dev", "a/b", "dev.local", "-\n"] {
        assert!(!is_name(bad), "{bad:?}");
    }
}

#[test]
fn what_the_example_names_is_missing_where_no_file_and_no_shell_says_it() {
    let example = "# how to\nUSER_NAME=\nPORT=80\nFROM_SHELL=\nexport LOG=info\nCOMMON=\n";
    let found = compared(example, "COMMON=1\nSHARED=1\n", "PORT=\n\nEXTRA='a\nb'\nOTHER\n");
    let places = |list: &[landfast_core::environments::Named]| {
        list.iter().map(|named| format!("{} {}", named.name, named.location)).collect::<Vec<_>>()
    };
    assert_eq!(places(&found.missing), ["USER_NAME .env.example:2:1", "LOG .env.example:5:1"]);
    assert_eq!(places(&found.surplus), ["EXTRA .env.dev:3:1", "OTHER .env.dev:5:1"]);
    let said = found.mistakes(Path::new("web/.env.dev"));
    assert_eq!(
        said[0].to_string(),
        ".env.example:2:1: USER_NAME is asked for here, and web/.env.dev does not say it\n  \
         hint: write USER_NAME= and its value into .env.dev, or take it out here"
    );
    assert!(
        found.warnings(Path::new(".env.example"))[0]
            .to_string()
            .starts_with(".env.dev:3:1: EXTRA is not in .env.example")
    );
}

#[test]
fn a_name_alone_gives_no_value_unless_the_shell_has_one() {
    let found = compared("A=\nFROM_SHELL=\nEMPTY=\n", "", "A\nFROM_SHELL\nEMPTY=\n");
    let missing: Vec<_> = found.missing.iter().map(|named| named.name.as_str()).collect();
    assert_eq!((missing, found.surplus.len()), (vec!["A"], 0));
}

#[test]
fn values_are_never_said() {
    let found = compared("A=example-value\n", "", "B=dev-value\n");
    let said = format!("{found:?} {:?} {:?}", found.mistakes(Path::new("x")), found.warnings(Path::new("x")));
    assert!(!said.contains("-value"), "{said}");
}

#[test]
fn a_line_that_is_none_is_told_with_its_place() {
    let refusal = |example: &str, own: &str| {
        compare(&file(".env.example", example), &file(".env.dev", own), None, &BTreeSet::new()).unwrap_err().to_string()
    };
    assert!(refusal("A=1\nB!=2\n", "").starts_with(".env.example:2:1: unexpected character `!`"));
    assert!(refusal("", "A B=1").starts_with(".env.dev:1:1: variable name `A B` contains a space"));
}

#[test]
fn landfast_toml_chooses_an_environment_by_a_name() {
    let text = |env: &str| format!("[fleet]\nname = \"home\"\n[stacks.web]\nenv = {env}\n");
    let stack = Fleet::parse("landfast.toml", &text("\"dev\"")).unwrap().stacks.remove("web").unwrap();
    assert_eq!((stack.env.as_deref(), stack.env_location.unwrap().line), (Some("dev"), 4));
    let said = Fleet::parse("landfast.toml", &text("\"../dev\"")).unwrap_err().to_string();
    assert!(said.starts_with("landfast.toml:4:1: \"../dev\" is no environment"), "{said}");
}
