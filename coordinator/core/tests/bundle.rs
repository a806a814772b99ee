//! Which paths travel and which stay behind.
#![allow(clippy::unwrap_used)]
use landfast_core::bundle::IgnoreRules;
use proptest::prelude::*;

fn stays(ignore: &str, path: &str) -> bool {
    IgnoreRules::new(&[ignore], Some("dev")).matches(path)
}

#[test]
fn patterns_start_at_the_root() {
    assert!(stays("*.log", "a.log"));
    assert!(!stays("*.log", "sub/a.log"));
    assert!(stays("**/*.log", "a.log"));
    assert!(stays("**/*.log", "sub/deep/a.log"));
    assert!(stays("/tmp/", "tmp"));
    assert!(!stays("tmp", "tmp2"));
}

#[test]
fn a_folder_takes_all_beneath_it_along() {
    assert!(stays("data", "data/postgres/base"));
    assert!(stays("data/**", "data/postgres/base"));
    assert!(!stays("data/**", "data"));
    assert!(stays("a/**/z", "a/z"));
    assert!(stays("a/**/z", "a/b/c/z/inner"));
    assert!(!stays("a/**/z", "a/bz"));
}

#[test]
fn the_last_match_decides_and_an_exclamation_mark_brings_back() {
    let ignore = "# secrets\nconfig\n!config/keep.yml\n\nconfig/keep.yml.bak";
    assert!(stays(ignore, "config/other.yml"));
    assert!(!stays(ignore, "config/keep.yml"));
    assert!(stays(ignore, "config/keep.yml.bak"));
    assert!(stays("!a\na", "a"));
}

#[test]
fn characters_and_classes_match_within_one_name() {
    assert!(stays("a?c", "abc"));
    assert!(!stays("a?c", "a/c"));
    assert!(stays("[a-c]x", "bx"));
    assert!(!stays("[^a-c]x", "bx"));
    assert!(stays("[]]x", "]x"));
    assert!(stays("\\*", "*"));
    assert!(!stays("\\*", "a"));
}

#[test]
fn a_folder_is_walked_when_something_beneath_it_is_brought_back() {
    let rules = IgnoreRules::new(&["node_modules\nconfig\n!config/keep.yml"], None);
    assert!(rules.prunes("node_modules"));
    assert!(!rules.prunes("config"));
    assert!(rules.prunes("config/sub"));
    assert!(!rules.prunes("src"));
    assert!(!IgnoreRules::new(&["a\n!**/keep"], None).prunes("a/b/c"));
}

#[test]
fn the_second_file_speaks_after_the_first() {
    let rules = IgnoreRules::new(&["build", "!build\n*.md"], None);
    assert!(!rules.matches("build/app"));
    assert!(rules.matches("README.md"));
}

#[test]
fn env_files_of_other_environments_never_leave() {
    let rules = IgnoreRules::new(&["!.env.prod"], Some("dev"));
    for (path, stays) in [
        (".env", false),
        (".env.dev", false),
        (".env.dev.local", false),
        (".env.example", false),
        (".env.prod", true),
        (".env.local", true),
        ("04-data/.env.test", true),
        (".env.device", true),
        (".environment", false),
    ] {
        assert_eq!(rules.matches(path), stays, "{path}");
    }
    assert!(IgnoreRules::new(&[], None).matches(".env.prod"));
}

#[test]
fn history_and_state_never_leave() {
    let rules = IgnoreRules::new(&["!.git\n!.landfast"], None);
    assert!(rules.matches(".git/config"));
    assert!(rules.matches("sub/.git"));
    assert!(rules.prunes(".landfast"));
    assert!(!rules.matches(".gitignore"));
}

proptest! {
    #[test]
    fn any_rules_and_paths_come_to_an_answer(text in ".{0,60}", path in "[a-c/.*]{0,20}") {
        let rules = IgnoreRules::new(&[&text], Some("dev"));
        // A folder that is not walked holds nothing that travels.
        if rules.prunes(&path) {
            let inner = format!("{path}/inner");
            prop_assert!(rules.matches(&inner) || path.is_empty());
        }
    }

    #[test]
    fn what_is_pruned_holds_nothing_that_travels(lines in proptest::collection::vec("!?[ab*?/]{1,6}", 1..4), folder in "[ab]/[ab]", name in "[ab]{1,2}") {
        let rules = IgnoreRules::new(&[&lines.join("\n")], None);
        let path = format!("{folder}/{name}");
        prop_assert!(!rules.prunes(&folder) || rules.matches(&path));
    }
}
