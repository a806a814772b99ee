//! Tests of environments: which ones a stack has, and which variables are missing.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;
use std::path::Path;

use landfast_core::environments::{Comparison, DEFAULT_PATTERN, EnvFile, compare, environment_of, is_name, names};
use landfast_core::fleet::Fleet;

fn file(path: &str, text: &str) -> EnvFile {
    EnvFile { path: path.into(), text: text.to_owned() }
}

fn compared(example: &str, common: &str, own: &str) -> Comparison {
    let shell = BTreeSet::from(["FROM_SHELL".to_owned()]);
    compare(&file(".env.example", example), &[file(".env.dev", own)], &[file(".env", common)], &shell).unwrap()
}

#[test]
fn an_env_file_defines_an_environment_unless_it_is_documentation() {
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
    assert_eq!(names(DEFAULT_PATTERN, files).into_iter().collect::<Vec<_>>(), ["dev", "local", "test"]);
    for bad in ["", "../dev", "a/b", "dev.local", "-\n"] {
        assert!(!is_name(bad), "{bad:?}");
    }
}

#[test]
fn a_variable_of_the_example_is_missing_if_neither_a_file_nor_the_shell_sets_it() {
    let example = "# how to\nUSER_NAME=\nPORT=80\nFROM_SHELL=\nexport LOG=info\nCOMMON=\n";
    let found = compared(example, "COMMON=1\nSHARED=1\n", "PORT=\n\nEXTRA='a\nb'\nOTHER\n");
    let places = |list: &[landfast_core::environments::VariableLocation]| {
        list.iter().map(|named| format!("{} {}", named.name, named.location)).collect::<Vec<_>>()
    };
    assert_eq!(places(&found.missing), ["USER_NAME .env.example:2:1", "LOG .env.example:5:1"]);
    assert_eq!(places(&found.surplus), ["EXTRA .env.dev:3:1", "OTHER .env.dev:5:1"]);
    let said = found.mistakes(Path::new("web/.env.dev"));
    assert_eq!(
        said[0].to_string(),
        ".env.example:2:1: USER_NAME is required here, but web/.env.dev does not set it\n  \
         hint: write USER_NAME= and its value in .env.dev, or remove it here"
    );
    assert!(
        found.warnings(Path::new(".env.example"))[0]
            .to_string()
            .starts_with(".env.dev:3:1: EXTRA is not in .env.example")
    );
}

#[test]
fn a_name_without_a_value_takes_it_from_the_shell() {
    let found = compared("A=\nFROM_SHELL=\nEMPTY=\n", "", "A\nFROM_SHELL\nEMPTY=\n");
    let missing: Vec<_> = found.missing.iter().map(|named| named.name.as_str()).collect();
    assert_eq!((missing, found.surplus.len()), (vec!["A"], 0));
}

#[test]
fn values_are_never_printed() {
    let found = compared("A=example-value\n", "", "B=dev-value\n");
    let said = format!("{found:?} {:?} {:?}", found.mistakes(Path::new("x")), found.warnings(Path::new("x")));
    assert!(!said.contains("-value"), "{said}");
}

#[test]
fn an_invalid_line_is_reported_with_its_location() {
    let refusal = |example: &str, own: &str| {
        compare(&file(".env.example", example), &[file(".env.dev", own)], &[], &BTreeSet::new())
            .unwrap_err()
            .to_string()
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
    assert!(said.starts_with("landfast.toml:4:1: \"../dev\" is not an environment"), "{said}");
}

#[test]
fn a_path_with_env_is_a_file_of_each_environment() {
    for (pattern, path, expected) in [
        ("environments/.env.{env}", "environments/.env.dev", Some("dev")),
        ("environments/.env.{env}", ".env.dev", None),
        ("environments/.env.{env}", "environments/.env.", None),
        ("{env}.env", "dev.env", Some("dev")),
        ("{env}.env", ".env", None),
        ("{env}.env", "deep/dev.env", None),
        ("{env}.env", "dev.local.env", Some("dev.local")),
        ("{env}/app-{env}.env", "dev/app-dev.env", Some("dev")),
        ("{env}/app-{env}.env", "dev/app-prod.env", None),
        ("{env}", "dév", Some("dév")),
        ("common.env", "common.env", None),
    ] {
        assert_eq!(environment_of(pattern, path), expected, "{pattern} {path}");
    }
    let paths = ["a/dev.env", "a/b-1.env", "a/dev.local.env", "a/example.env", "a/sample.env", "b/x.env", "a/.env"];
    assert_eq!(names("a/{env}.env", paths).into_iter().collect::<Vec<_>>(), ["b-1", "dev"]);
}

#[test]
fn env_files_are_read_with_their_locations() {
    let text = "[fleet]\nname = \"home\"\n[stacks.web]\nenv = \"dev\"\nenv_files = [\"a.env\",\n  \"b/{env}.env\"]\n";
    let stack = Fleet::parse("landfast.toml", text).unwrap().stacks.remove("web").unwrap();
    let files: Vec<_> = stack.env_files.iter().map(|it| (it.pattern.file("dev"), it.location.to_string())).collect();
    let at = |line, column| format!("landfast.toml:{line}:{column}");
    assert_eq!(files, [("a.env".to_owned(), at(5, 14)), ("b/dev.env".to_owned(), at(6, 3))]);
    assert!(stack.env_files[1].pattern.names_environment() && !stack.env_files[0].pattern.names_environment());
}

#[test]
fn invalid_env_files_are_refused_with_their_location() {
    let said = |value: &str| {
        let text = format!("[fleet]\nname = \"home\"\n[stacks.web]\nenv = \"dev\"\nenv_files = {value}\n");
        Fleet::parse("landfast.toml", &text).map(drop).unwrap_err().to_string()
    };
    for (value, expected) in [
        ("[\"{env}\", \"/etc/x\"]", "landfast.toml:5:23: \"/etc/x\" is an absolute path"),
        ("[\"\"]", "landfast.toml:5:14: \"\" is not the name of a file (stacks.web.env_files)"),
        ("[\"a/\"]", "landfast.toml:5:14: \"a/\" is not the name of a file"),
        ("[\"..\"]", "landfast.toml:5:14: \"..\" is not the name of a file"),
        ("[\"{ENV}.env\"]", "landfast.toml:5:14: \"{ENV}.env\": only {env} can be used in braces"),
        ("[\"{env}{\"]", "landfast.toml:5:14: \"{env}{\": only {env} can be used in braces"),
        ("[]", "landfast.toml:5:1: the list is empty"),
        ("[1]", "landfast.toml:5:1: expected a list of strings in quotes"),
        ("\"a\"", "landfast.toml:5:1: expected a list of strings, found string"),
        (
            "[\"a.env\"]",
            "landfast.toml:4:1: env = \"dev\" has no effect: no path in env_files (landfast.toml:5:14) contains {env}",
        ),
    ] {
        assert!(said(value).starts_with(expected), "{value}: {}", said(value));
    }
}
