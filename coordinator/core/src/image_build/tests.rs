//! Tests of builds that are read from compose files.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;
use landfast_compose::{Input, load};

fn project(text: &str) -> Project {
    let input = Input {
        files: vec![(PathBuf::from("/srv/compose.yaml"), text.to_owned())],
        project_name: Some("demo".to_owned()),
        working_dir: PathBuf::from("/srv"),
        environment: BTreeMap::from(
            [("FROM_SHELL", "shell"), ("B", "sesame")].map(|(k, v)| (k.to_owned(), v.to_owned())),
        ),
        ..Input::default()
    };
    let loaded = load(&input, &|_: &Path| Ok(None)).expect("it is well formed");
    loaded.project().expect("it is well typed")
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn images(text: &str, asked: RequestedBuilds<'_>, missing: &[&str], there: &[&str]) -> Vec<String> {
    let input = BuildSelectionInput { asked, missing: &set(missing), there: &set(there) };
    let builds = choose(&project(text), input).expect("nothing is refused");
    builds.builds.into_iter().map(|build| build.image).collect()
}

/// Build of a service `web` with these lines under `build:`.
fn only(lines: &str) -> Result<Builds, Diagnostics> {
    let lines: String = lines.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "services:\n  web:\n    build:\n      context: ./web\n{lines}secrets:\n  a: {{file: ./a}}\n  b: {{environment: B}}\n  unset: {{environment: UNSET}}\n"
    );
    choose(&project(&text), BuildSelectionInput { asked: RequestedBuilds::All, missing: &set(&[]), there: &set(&[]) })
}

fn build(lines: &str) -> Build {
    only(lines).expect("nothing is refused").builds.remove(0)
}

const THREE: &str = "services:
  web: {build: ./web}
  named: {build: ./named, image: 'team/named:1'}
  plain: {image: 'redis:7'}
  always: {build: ./always, pull_policy: build}
  none: {build: ./none, scale: 0}
";

#[test]
fn missing_images_are_built_and_existing_ones_are_not() {
    assert_eq!(images(THREE, RequestedBuilds::None, &[], &[]), ["demo-always"]);
    assert_eq!(
        images(THREE, RequestedBuilds::None, &["demo-web", "redis:7", "demo-none"], &[]),
        ["demo-always", "demo-web"]
    );
    assert_eq!(
        images(THREE, RequestedBuilds::All, &[], &["team/named:1"]),
        ["demo-always", "team/named:1", "demo-web"]
    );
    assert_eq!(
        images(THREE, RequestedBuilds::Services(&set(&["none", "plain"])), &[], &[]),
        ["demo-always", "demo-none"]
    );
}

const CHAIN: &str = "services:
  app:
    build: {context: ./app, additional_contexts: {base: 'service:zbase', files: ../files, busybox: 'docker-image://busybox:1'}}
  zbase: {build: ./base, scale: 0}
";

#[test]
fn a_build_follows_the_builds_that_it_uses() {
    assert_eq!(images(CHAIN, RequestedBuilds::None, &["demo-app"], &[]), ["demo-zbase", "demo-app"]);
    assert_eq!(images(CHAIN, RequestedBuilds::None, &["demo-app"], &["demo-zbase"]), ["demo-app"]);
    let input = BuildSelectionInput { asked: RequestedBuilds::All, missing: &set(&[]), there: &set(&["demo-zbase"]) };
    let builds = choose(&project(CHAIN), input).expect("nothing is refused").builds;
    let contexts = &builds[0].contexts;
    assert_eq!(contexts["base"], Context::Image("demo-zbase".to_owned()));
    assert_eq!(contexts["busybox"], Context::Image("busybox:1".to_owned()));
    assert_eq!(contexts["files"], Context::Folder(PathBuf::from("/files")));
}

#[test]
fn builds_in_a_circle_are_refused() {
    let text = "services:
  a: {build: {context: ., additional_contexts: {b: 'service:b'}}}
  b: {build: {context: ., additional_contexts: {a: 'service:a'}}}
";
    let input = BuildSelectionInput { asked: RequestedBuilds::All, missing: &set(&[]), there: &set(&[]) };
    let refused = choose(&project(text), input).expect_err("neither can be first").to_string();
    assert!(refused.contains("the builds depend on each other in a circle: a -> b -> a"), "{refused}");
}

#[test]
fn an_image_is_built_once_and_with_the_same_options() {
    let same = "x-b: &b {build: ./web, image: 'app:1'}\nservices:\n  a: *b\n  b: *b\n";
    assert_eq!(images(same, RequestedBuilds::All, &[], &[]), ["app:1"]);
    let other = "services:\n  a: {build: ./a, image: 'app:1'}\n  b: {build: ./b, image: 'app:1'}\n";
    let input = BuildSelectionInput { asked: RequestedBuilds::All, missing: &set(&[]), there: &set(&[]) };
    let refused = choose(&project(other), input).expect_err("one name refers to two images").to_string();
    assert!(refused.contains("/srv/compose.yaml:3:") && refused.contains("is also built by a"), "{refused}");
}

#[test]
fn stacks_with_equal_builds_of_an_image_build_it_once() {
    let of = |project: &str, args: &str| {
        let label = ("com.docker.compose.project".to_owned(), project.to_owned());
        let mut build = build(args);
        build.labels.extend([label]);
        build
    };
    let chosen = |other: Build| vec![("dev", of("one", "")), ("dev", other)];
    let (united, mistakes) = merge_equal(chosen(of("two", "")), |first, other| first == other);
    assert!(united.len() == 1 && united[0].1.labels["com.docker.compose.project"] == "one" && mistakes.is_empty());
    let (_, mistakes) = merge_equal(chosen(of("two", "args: {A: 1}")), |first, other| first == other);
    assert!(mistakes[0].message.contains("is also built by web, with other options"), "{mistakes:?}");
    let (_, mistakes) = merge_equal(chosen(of("two", "")), |_, _| false);
    assert_eq!(mistakes.len(), 1, "the values next to the builds differ");
}

#[test]
fn a_build_has_the_options_of_its_file() {
    let build = build(
        "dockerfile: sub/Dockerfile.web
args: {A: 1, FROM_SHELL: , UNSET: }
target: final
secrets: [a, {source: b, target: other}]
labels: {who: me}
network: host
extra_hosts: ['db=10.0.0.1']
shm_size: 64m
ulimits: {nofile: {soft: 1, hard: 2}}
cache_from: ['app:cache', 'type=registry,ref=lan:5000/app']
no_cache_filter: [final]
pull: true
tags: ['app:2']
platforms: [linux/amd64]",
    );
    assert_eq!(build.context, PathBuf::from("/srv/web"));
    assert_eq!(build.dockerfile, Dockerfile::File(PathBuf::from("/srv/web/sub/Dockerfile.web")));
    let args = BTreeMap::from([("A", "1"), ("FROM_SHELL", "shell")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!(build.args, args);
    let secrets = [("a", Secret::File("/srv/a".into())), ("other", Secret::Value(Contents("sesame".to_owned())))];
    assert_eq!(build.secrets, BTreeMap::from(secrets.map(|(id, secret)| (id.to_owned(), secret))));
    assert!(!format!("{build:?}").contains("sesame"), "no secret is printed");
    assert_eq!(build.no_cache, NoCache::Stages(vec!["final".to_owned()]));
    assert_eq!(build.at.map(|at| at.line), Some(3));
    let request = request(&Build { at: None, ..self::build("network: host\nshm_size: 64m\nulimits: {nofile: {soft: 1, hard: 2}}\nextra_hosts: ['db=10.0.0.1']\nlabels: {who: me}\nargs: {A: 1}") }, "FROM x", (1, 51)).expect("a new engine");
    let expected = [
        ("add-hosts", "db=10.0.0.1"),
        ("build-arg:A", "1"),
        ("filename", "Dockerfile"),
        ("force-network-mode", "host"),
        ("image-resolve-mode", "local"),
        ("label:com.docker.compose.project", "demo"),
        ("label:com.docker.compose.service", "web"),
        ("label:who", "me"),
        ("shm-size", "67108864"),
        ("ulimit", "nofile=1:2"),
    ];
    assert_eq!(request.options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(request.entitlements, ["network.host"]);
}

#[test]
fn unsupported_options_are_refused_with_their_location() {
    for (lines, expected) in [
        ("ssh: [default]", "builds get no SSH agent"),
        ("privileged: true", "build steps cannot be privileged"),
        ("entitlements: [security.insecure]", "security.insecure: builds cannot have this entitlement"),
        ("secrets: [unset]", "unset comes from the variable UNSET, which is not set"),
        ("network: some_net", "some_net: build steps can only use the networks host, none and default"),
        ("extra_hosts: ['h=host-gateway']", "host-gateway has no address"),
        ("additional_contexts: {a: 'https://example.com/r.git#main:sub'}", "remote contexts are not fetched"),
        ("additional_contexts: {a: 'oci-layout:///srv/x'}", "remote contexts are not fetched"),
    ] {
        let refused = only(lines).expect_err(lines).to_string();
        assert!(refused.contains(expected) && refused.contains("/srv/compose.yaml:5:"), "{lines}: {refused}");
    }
}

#[test]
fn t31_a_remote_context_is_refused() {
    for url in ["https://example.com/r.git", "git@example.com:r.git", "http://169.254.169.254/x", "ssh://h/r"] {
        let text = format!("services:\n  web:\n    build: '{url}'\n");
        let input = BuildSelectionInput { asked: RequestedBuilds::All, missing: &set(&[]), there: &set(&[]) };
        let refused = choose(&project(&text), input).expect_err(url).to_string();
        assert!(refused.contains(url) && refused.contains("/srv/compose.yaml:3:"), "{refused}");
        assert_eq!(images(&text, RequestedBuilds::None, &[], &[]), [""; 0], "an existing image is not built");
    }
}

#[test]
fn options_without_effect_cause_warnings() {
    for (lines, expected) in [
        ("platforms: [linux/amd64, linux/arm64]", "only one platform is built"),
        ("cache_from: ['type=gha']", "type=gha: no effect"),
        ("secrets: [{source: a, mode: 0400}]", "`--mount` in the Dockerfile"),
    ] {
        let warnings = only(lines).expect("nothing is refused").warnings;
        assert!(warnings.iter().any(|warning| warning.to_string().contains(expected)), "{lines}: {warnings:?}");
    }
    let old = request(&build("shm_size: 64m"), "FROM x", (1, 41)).expect("it only causes a warning");
    assert!(old.warnings[0].message.contains("no effect") && !old.options.contains_key("shm-size"), "{old:?}");
}

#[test]
fn additional_contexts_are_options_or_stages() {
    let build = build(
        "additional_contexts: {files: ../files, base: 'docker-image://busybox:1', 'alpine:3': 'docker-image://x'}",
    );
    let new = request(&build, "FROM y", (1, 42)).expect("a new engine");
    assert_eq!(
        new.stages, "FROM busybox:1 AS base\n",
        "a builder asks a registry for contexts first, but not for stages"
    );
    assert_eq!(new.options["context:alpine:3"], "docker-image://x", "which is not a valid stage name");
    assert_eq!(new.options["context:files"], "local:context-2");
    assert_eq!(new.folders["context-2"], PathBuf::from("/files"));
    let new = request(&build, "from y  as Base", (1, 42)).expect("a new engine");
    assert_eq!(
        new.options["context:base"], "docker-image://busybox:1",
        "it takes precedence over the stage of the Dockerfile"
    );
}

#[test]
fn before_docker_23_additional_contexts_are_stages() {
    let build = build("additional_contexts: {files: ../files, base: 'docker-image://busybox:1'}");
    let old = request(&build, "FROM y", (1, 41)).expect("their names are valid stage names");
    let (image, folder) = old.folder_images.first_key_value().expect("a folder becomes an image");
    assert_eq!(folder, Path::new("/files"));
    assert_eq!(old.stages, format!("FROM busybox:1 AS base\nFROM {image} AS files\n"));
    assert!(!old.options.keys().any(|option| option.starts_with("context:")));

    let refused = request(&build, "FROM y AS files", (1, 41)).expect_err("a stage cannot be replaced").to_string();
    assert!(refused.contains("(services.web.build.additional_contexts.files)"), "{refused}");
    let impossible = self::build("additional_contexts: {'alpine:3': 'docker-image://busybox:1'}");
    request(&impossible, "FROM y", (1, 41)).expect_err("it is not a valid stage name");
}

#[test]
fn stages_are_inserted_before_the_first_stage_and_after_global_arguments() {
    let text = "# syntax=docker/dockerfile:1\nARG A=1 \\\n  # from here\n  B=2\n\nfrom x AS y\nFROM y\n";
    let expected =
        "# syntax=docker/dockerfile:1\nARG A=1 \\\n  # from here\n  B=2\n\nFROM i AS n\nfrom x AS y\nFROM y\n";
    assert_eq!(with_stages(text, "FROM i AS n\n"), expected);
    assert_eq!(with_stages("RUN x\n", "FROM i AS n\n"), "RUN x\n", "without a stage, the builder reports the error");
    assert_eq!(with_stages(text, ""), text);
}

#[test]
fn a_builder_gets_the_paths_that_it_names_or_all_files() {
    let paths = |names: &[&str]| context_paths(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(paths(&["/src/", "./a//b"]), ContextPaths::Paths(set(&["src", "a/b"])));
    for all in [&[][..], &["/"], &["src", "*.go"], &["../x"], &["src", "."]] {
        assert_eq!(paths(all), ContextPaths::All, "{all:?}");
    }
    assert_eq!(parent_folders("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
}

fn vertex(digest: &str, name: &str, started: Option<u64>, completed: Option<u64>) -> Vertex {
    Vertex { digest: digest.to_owned(), name: name.to_owned(), started, completed, ..Vertex::default() }
}

fn log(vertex: &str, text: &str) -> Log {
    Log { vertex: vertex.to_owned(), text: text.to_owned() }
}

#[test]
fn a_build_prints_like_docker_compose() {
    let mut transcript = Transcript::default();
    let mut lines = transcript.receive(&[vertex("b", "[2/2] RUN make", None, None)], &[]);
    lines.extend(transcript.receive(&[vertex("a", "[1/2] FROM x", Some(10), Some(10))], &[]));
    lines.extend(transcript.receive(&[vertex("b", "[2/2] RUN make", Some(1_000), None)], &[log("b", "on")]));
    lines.extend(transcript.receive(&[], &[log("b", "e\n10%\r20%\ntw")]));
    lines.extend(transcript.receive(&[vertex("b", "[2/2] RUN make", Some(1_000), Some(2_340))], &[log("b", "o\n")]));
    let cached = Vertex { cached: true, ..vertex("c", "[3/3] COPY . .", Some(1), Some(1)) };
    lines.extend(transcript.receive(std::slice::from_ref(&cached), &[]));
    lines.extend(transcript.receive(&[cached], &[]));
    let expected = [
        "#1 [1/2] FROM x",
        "#1 DONE 0.0s",
        "#2 [2/2] RUN make",
        "#2 one",
        "#2 20%",
        "#2 two",
        "#2 DONE 1.3s",
        "#3 [3/3] COPY . .",
        "#3 CACHED",
    ];
    assert_eq!(lines, expected);
    assert_eq!(transcript.failed(), None);
}

#[test]
fn secrets_in_the_output_of_a_step_are_masked() {
    let mut transcript = Transcript::masking([&b"sesame\nopen-it\n"[..], b"abc"]);
    let failed = Vertex { error: "cannot open-it".to_owned(), ..vertex("a", "RUN x", Some(1), Some(2)) };
    let mut lines =
        transcript.receive(&[vertex("a", "RUN x", Some(1), None)], &[log("a", "ses"), log("a", "ame abc\n")]);
    lines.extend(transcript.receive(&[failed], &[]));
    assert_eq!(lines, ["#1 RUN x", "#1 ••• abc", "#1 ERROR: cannot •••"]);
    assert_eq!(transcript.failed().expect("it failed").output, ["••• abc"]);
}

#[test]
fn the_failed_step_is_kept_with_its_last_output() {
    let mut transcript = Transcript::default();
    let output: String = (1..=40).map(|line| format!("line {line}\n")).collect();
    transcript.receive(&[vertex("a", "RUN make", Some(1), None)], &[log("a", &output), log("a", "unended")]);
    let canceled = Vertex { error: "context canceled".to_owned(), ..vertex("b", "RUN other", Some(1), Some(2)) };
    let failed = Vertex { error: "exit code: 2".to_owned(), ..vertex("a", "RUN make", Some(1), Some(2)) };
    let lines = transcript.receive(&[canceled, failed], &[]);
    assert!(lines.contains(&"#1 ERROR: exit code: 2".to_owned()), "{lines:?}");
    let failed = transcript.failed().expect("it failed");
    assert_eq!(failed.step, "RUN make");
    assert_eq!(
        (failed.output.first().map(String::as_str), failed.output.last().map(String::as_str)),
        (Some("line 29"), Some("unended"))
    );
}
