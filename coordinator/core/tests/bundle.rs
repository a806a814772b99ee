//! Paths that a bundle includes, and paths that are not sent.
#![allow(clippy::unwrap_used)]
use std::path::Path;

use landfast_core::bundle::{EnvFiles, IgnoreRules, invalid_patterns};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

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
fn a_folder_includes_everything_below_it() {
    assert!(stays("data", "data/postgres/base"));
    assert!(stays("data/**", "data/postgres/base"));
    assert!(!stays("data/**", "data"));
    assert!(stays("a/**/z", "a/z"));
    assert!(stays("a/**/z", "a/b/c/z/inner"));
    assert!(!stays("a/**/z", "a/bz"));
}

#[test]
fn the_last_match_decides_and_an_exclamation_mark_includes_again() {
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
    assert!(stays("[\\]]x", "]x"));
    assert!(stays("\\*", "*"));
    assert!(!stays("\\*", "a"));
}

/// Cases from Docker's matcher: pattern, ignored paths, and included paths.
#[test]
fn patterns_match_the_same_paths_as_in_docker() {
    for (ignore, behind, travels) in [
        ("./a", &["a", "a/b"][..], &["b/a"][..]),
        ("/a", &["a"], &["b/a"]),
        ("a/", &["a", "a/b"], &["ab"]),
        ("a/../b", &["b"], &["a"]),
        ("../a", &[], &["a"]),
        ("/../a", &["a"], &[]),
        ("./", &[], &["a"]),
        ("  a  ", &["a"], &[]),
        ("a\r\nb\r\n", &["a", "b"], &[]),
        ("\u{feff}a", &["a"], &["\u{feff}a"]),
        ("a\n\u{feff}b", &["a", "\u{feff}b"], &["b"]),
        ("#a", &[], &["#a", "a"]),
        (" #a", &["#a"], &["a"]),
        ("\\#a", &["#a"], &["a"]),
        ("\\!a", &["!a"], &["a"]),
        ("a\\*", &["a*"], &["ab"]),
        ("a?", &["ab", "aé"], &["a", "a/", "abc"]),
        ("**", &["a", "a/b", ".x"], &[]),
        ("*", &["a", "a/b", ".x"], &[]),
        ("*/b", &["a/b"], &["b", "a/c/b"]),
        ("**/b", &["b", "a/b", "a/c/b", "a/b/c"], &["ab"]),
        ("**b", &["b", "ab", "a/cb"], &["bc"]),
        ("**b*", &["b", "bc", "a/bc"], &["ab"]),
        ("a**", &["a", "ab", "ab/c"], &["b/a"]),
        ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
        ("a/**/b", &["a/b", "a/c/d/b"], &["a/cb"]),
        ("**/*.md", &["a.md", "b/a.md"], &["a.mdx"]),
        ("[a-c]", &["b"], &["d"]),
        ("[!a]", &["!", "a"], &["b"]),
        ("a[^b]c", &["adc", "a/c"], &["abc"]),
        ("*\n!a", &["b", "ab"], &["a", "a/b"]),
        ("! a\n*\n! b", &["a"], &["b"]),
        ("*\n!/a/", &["b"], &["a", "a/b"]),
        ("a\n!a/b", &["a/c"], &["a/b", "a/b/c"]),
        ("*\n!**/a", &["b", "b/c"], &["b/a", "a"]),
        ("*.md\n!README*.md\nREADME-secret.md", &["a.md", "README-secret.md"], &["README.md"]),
        // A folder that is brought back has no pattern after it that is ignored within it.
        ("a/b\n!a", &["a/b"], &["a/c"]),
        // What is brought back from a folder stays so, if the folder was ignored already when it is ignored again.
        ("*\n!a/b\na", &["a/c"], &["a/b"]),
        ("!!a\n*\n!!a", &["a"], &["!a"]),
    ] {
        behind.iter().for_each(|path| assert!(stays(ignore, path), "{ignore:?} leaves {path:?} behind"));
        travels.iter().for_each(|path| assert!(!stays(ignore, path), "with {ignore:?} travels {path:?}"));
        assert_eq!(invalid_patterns(ignore).next(), None, "{ignore:?}");
    }
}

#[test]
fn invalid_patterns_are_reported_with_their_line() {
    for (ignore, line, said) in [
        ("a\n!\n", 2, "`!`: `!` has no pattern after it"),
        ("# a\n\n! / ", 3, "`!`: `!` has no pattern after it"),
        ("[a", 1, "`[a`: `[` starts a class that is empty or not closed"),
        ("a\n*[]b", 2, "`*[]b`: `[` starts"),
        ("[a-]", 1, "`[a-]`: `[` starts"),
        ("a\\", 1, "`a\\`: `\\` at the end"),
    ] {
        let told: Vec<_> = invalid_patterns(ignore).map(|(line, mistake)| (line, mistake.to_string())).collect();
        assert!(told.len() == 1 && told[0].0 == line && told[0].1.starts_with(said), "{ignore:?}: {told:?}");
    }
}

#[test]
fn a_folder_is_read_if_a_path_below_it_is_included_again() {
    let rules = IgnoreRules::new(&["node_modules\nconfig\n!config/keep.yml"], None);
    assert!(rules.prunes("node_modules"));
    assert!(!rules.prunes("config"));
    assert!(rules.prunes("config/sub"));
    assert!(!rules.prunes("src"));
    assert!(!IgnoreRules::new(&["a\n!**/keep"], None).prunes("a/b/c"));
}

#[test]
fn rules_of_the_second_file_follow_those_of_the_first() {
    let rules = IgnoreRules::new(&["build", "!build\n*.md"], None);
    assert!(!rules.matches("build/app"));
    assert!(rules.matches("README.md"));
}

#[test]
fn env_files_of_other_environments_are_never_sent() {
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
fn git_history_and_state_are_never_sent() {
    let rules = IgnoreRules::new(&["!.git\n!.landfast"], None);
    assert!(rules.matches(".git/config"));
    assert!(rules.matches("sub/.git"));
    assert!(rules.prunes(".landfast"));
    assert!(!rules.matches(".gitignore"));
}

/// Settings of the property tests: seeds that fail are saved beside this file.
fn config() -> ProptestConfig {
    ProptestConfig::with_failure_persistence(FileFailurePersistence::WithSource("proptest-regressions"))
}

proptest! {
    #![proptest_config(config())]

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
    fn pruned_folders_contain_nothing_to_send(lines in proptest::collection::vec("!?[ab*?/]{1,6}", 1..4), folder in "[ab]/[ab]", name in "[ab]{1,2}") {
        let rules = IgnoreRules::new(&[&lines.join("\n")], None);
        let path = format!("{folder}/{name}");
        prop_assert!(!rules.prunes(&folder) || rules.matches(&path));
    }
}

#[test]
fn env_files_by_a_pattern_are_sent_only_with_their_environment() {
    let all = |env| {
        let patterns = vec!["/fleet/web/environments/{env}.env".to_owned(), "/fleet/secrets/{env}".to_owned()];
        let chosen = vec!["/fleet/web/.env.common".to_owned(), "/fleet/web/.env.d/dev".to_owned()];
        EnvFiles::new(env, patterns, chosen)
    };
    let web = Path::new("/fleet/web");
    let rules = IgnoreRules::new(&["!**/prod.env"], all(Some("dev")).beneath(web));
    for (path, stays) in [
        ("environments/dev.env", false),
        ("environments/dev.local.env", false),
        ("environments/example.env", false),
        ("environments/prod.env", true),
        ("environments/prod.local.env", true),
        ("environments/devel.env", true),
        ("environments/prod.env/beneath", true),
        ("environments/readme.md", false),
        ("prod.env", false),
        (".env", false),
        (".env.dev", false),
        (".env.prod", true),
        (".env.common", false),
        ("deep/.env.common", true),
        (".env.d/dev", false),
        (".env.d/prod", true),
    ] {
        assert_eq!(rules.matches(path), stays, "{path}");
        assert_eq!(rules.withholds(path), stays, "{path}");
    }
    assert!(!rules.prunes(".env.d") && rules.prunes(".env.e") && !rules.prunes("environments"));
    let none = IgnoreRules::new(&[], all(None).beneath(web));
    assert!(none.matches("environments/dev.env") && !none.matches(".env.common"));
    let ignored = IgnoreRules::new(&["environments"], all(Some("dev")).beneath(web));
    assert!(ignored.matches("environments/dev.env"), "what is chosen can be ignored as any file");
    // A build's context is another folder.
    let context = IgnoreRules::of_context("", all(Some("dev")).beneath(Path::new("/fleet")));
    assert!(context.matches("secrets/prod") && context.matches("web/environments/prod.env"));
    assert!(!context.matches("secrets/dev") && !context.matches("environments/prod.env"));
    let inner = IgnoreRules::of_context("", all(Some("dev")).beneath(Path::new("/fleet/web/environments")));
    assert!(inner.matches("prod.env") && !inner.matches("dev.env"));
}
