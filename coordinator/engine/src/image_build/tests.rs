//! Tests of the folders that are sent to a builder, and of the checks before a build.

use std::collections::BTreeSet;
use std::path::Path;

use landfast_compose::model::Contents;
use landfast_core::bundle::IgnoreRules;
use landfast_core::image_build::{Build, Context, ContextPaths, Dockerfile, FailedStep, Secret};

use super::Failure;
use super::folder::{Kind, list};
use super::prepare::prepare;

/// A folder that contains these files.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("made");
        std::fs::write(path, file).expect("written");
    }
    folder
}

fn paths(root: &Path, ignore: &str, follow: &ContextPaths) -> Vec<String> {
    let rules = IgnoreRules::of_context(ignore, Some("dev"));
    let listing = list(root, &rules, follow).expect("it can be read");
    listing.entries.into_iter().map(|entry| entry.path).collect()
}

#[test]
fn a_folder_precedes_its_contents_and_these_precede_longer_names() {
    let folder = folder(&["a/x", "a.b", "a-b/y", "b"]);
    assert_eq!(paths(folder.path(), "", &ContextPaths::All), ["a", "a/x", "a-b", "a-b/y", "a.b", "b"]);
}

#[test]
fn ignored_files_are_left_out_and_parents_of_reincluded_files_are_sent() {
    let folder = folder(&["keep", "logs/a/one", "logs/a/two", "logs/b/three", ".git/HEAD", ".landfast/key"]);
    assert_eq!(
        paths(folder.path(), "logs\n!logs/a/two\n", &ContextPaths::All),
        [".git", ".git/HEAD", "keep", "logs", "logs/a", "logs/a/two"]
    );
}

#[test]
fn env_files_of_other_environments_are_withheld_and_reported() {
    let folder = folder(&[".env", ".env.dev", ".env.prod", ".env.example", ".env.old"]);
    let rules = IgnoreRules::of_context(".env.old", Some("dev"));
    let listing = list(folder.path(), &rules, &ContextPaths::All).expect("it can be read");
    let sent: Vec<_> = listing.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(sent, [".env", ".env.dev", ".env.example"]);
    assert_eq!(listing.withheld, [folder.path().join(".env.prod")]);
}

#[test]
fn only_followed_paths_are_sent_unless_one_is_a_link() {
    let folder = folder(&["src/a", "src/deep/b", "other/c", "srcs"]);
    std::os::unix::fs::symlink("src", folder.path().join("link")).expect("linked");
    let follow = |path: &str| ContextPaths::Paths(BTreeSet::from([path.to_owned()]));
    assert_eq!(paths(folder.path(), "", &follow("src/deep")), ["src", "src/deep", "src/deep/b"]);
    assert_eq!(paths(folder.path(), "", &follow(".dockerignore")), [""; 0]);
    assert_eq!(paths(folder.path(), "", &follow("link/a")).len(), 8, "all of it");
}

#[test]
fn links_are_sent_as_links_and_sockets_are_skipped() {
    let folder = folder(&["file"]);
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("out")).expect("linked");
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("bound");
    let listing = list(folder.path(), &IgnoreRules::of_context("", None), &ContextPaths::All).expect("it can be read");
    assert_eq!(listing.entries[1].kind, Kind::Link("/etc/passwd".to_owned()));
    assert_eq!((listing.entries.len(), listing.skipped), (2, vec![folder.path().join("socket")]));
}

fn build(context: &Path) -> Build {
    let dockerfile = Dockerfile::File(context.join("Dockerfile"));
    Build {
        service: "web".to_owned(),
        image: "web".to_owned(),
        context: context.to_owned(),
        dockerfile,
        ..Build::default()
    }
}

fn missing(build: Build) -> Vec<String> {
    let mistakes = prepare(build, None).err().expect("something is missing");
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn all_missing_inputs_are_reported_together() {
    let folder = folder(&["file"]);
    let nowhere = folder.path().join("nowhere");
    let mut build = build(folder.path());
    build.contexts = [("more".to_owned(), Context::Folder(folder.path().join("file")))].into();
    build.secrets = [("key".to_owned(), Secret::File(nowhere.clone()))].into();
    let said = missing(build).join("\n");
    for part in [
        "file: it is a file, but a context is a folder (services.web.build.additional_contexts.more)",
        "Dockerfile: no such file or folder (services.web.build.dockerfile)",
        "secret key: ",
        "nowhere: no such file",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(missing(self::build(&nowhere)).len(), 1, "a missing context is one mistake, not two");
}

#[test]
fn a_context_is_measured_without_what_its_dockerfile_ignores() {
    let folder = folder(&["Dockerfile", "a", "b", "c"]);
    std::fs::write(folder.path().join(".dockerignore"), "a\nb\n").expect("written");
    assert_eq!(prepare(build(folder.path()), None).expect("all is there").files, 3);
    std::fs::write(folder.path().join("Dockerfile.dockerignore"), "*\n").expect("written");
    assert_eq!(prepare(build(folder.path()), None).expect("all is there").files, 0, "its own comes first");
    let inline = Build { dockerfile: Dockerfile::Inline("FROM x".to_owned()), ..build(folder.path()) };
    assert_eq!(prepare(inline, None).expect("all is there").files, 4);
}

#[test]
fn an_invalid_pattern_is_reported_with_its_line() {
    let folder = folder(&["Dockerfile", "a"]);
    std::fs::write(folder.path().join(".dockerignore"), "a\n[b\n!\n").expect("written");
    let said = missing(build(folder.path()));
    assert!(said[0].starts_with("the context's .dockerignore, line 2: `[b`: "), "{said:?}");
    assert!(said[1].starts_with("the context's .dockerignore, line 3: `!`: "), "{said:?}");
    assert_eq!(said.len(), 2);
}

#[test]
fn a_large_secret_is_refused_and_no_secret_is_printed() {
    let folder = folder(&["Dockerfile"]);
    std::fs::write(folder.path().join("large"), vec![0; 600 * 1024]).expect("written");
    let mut build = build(folder.path());
    build.secrets = [("key".to_owned(), Secret::File(folder.path().join("large")))].into();
    assert!(missing(build.clone())[0].contains("larger than 500 KiB"));
    build.secrets = [("key".to_owned(), Secret::Value(Contents("sesame".to_owned())))].into();
    assert!(!format!("{build:?}").contains("sesame"));
}

#[test]
fn a_failure_shows_the_step_and_its_last_output() {
    let failed = FailedStep { step: "[2/2] RUN make".to_owned(), output: vec!["one".to_owned(), "two".to_owned()] };
    let failure = Failure { failed: Some(failed), problem: "exit code: 2".to_owned() };
    assert_eq!(failure.to_string(), "  step [2/2] RUN make\n  exit code: 2\n    | one\n    | two");
}
