//! One message for each cause, with all its users.
use crate::stack::stack;

#[test]
fn a_missing_env_file_is_reported_once_with_its_users() {
    let text = "\
services:
  worker: {image: w, env_file: [no.env, worker.env]}
  web.a: {image: w, env_file: no.env}
  job: {image: j, env_file: [no.env, no.env], label_file: no.labels}
  cron: {image: j, env_file: [broken.env], label_file: no.labels}
  tick: {image: j, env_file: [broken.env]}
";
    let refusal = stack(text).file("worker.env", "A=1\n").file("broken.env", "A B=1\n").refusal();
    let lines: Vec<_> = refusal.lines().collect();
    assert_eq!(
        lines,
        [
            "/srv/app/broken.env:1:1: variable name `A B` contains a space (services.cron.env_file), used by cron, tick",
            "/srv/app/compose.yaml:2:33: file /srv/app/no.env does not exist (services.worker.env_file), used by worker, web.a, job",
        ]
    );
}

#[test]
fn many_mistakes_with_few_causes_are_all_reported() {
    let services: String = (0..60)
        .map(|at| format!("  s{at}: {{image: i, env_file: [{}.env]}}\n", at % 4))
        .chain((0..60).map(|at| format!("  t{at}: {{image: i, env_file: [{}.env]}}\n", at % 4)))
        .collect();
    let refusal = stack(&format!("services:\n{services}")).refusal();
    assert_eq!(refusal.lines().count(), 4, "{refusal}");
    assert!(refusal.lines().all(|line| line.ends_with(" and 20 more")), "{refusal}");
}

#[test]
fn a_variable_that_is_not_set_is_one_warning_and_one_mistake() {
    let text = "services:\n  a: {image: 'a:$TAG', user: $WHO}\n  b: {image: 'b:$TAG'}\n";
    let warnings = stack(text).warnings();
    let expected = "variable TAG is not set and defaults to an empty string (services.a.image), used by services.a.image, services.b.image";
    assert!(warnings.contains(expected) && warnings.matches("TAG is not set").count() == 1, "{warnings}");
    assert!(
        warnings.contains("WHO is not set and defaults to an empty string (services.a.user)\n"),
        "one user is not named: {warnings}"
    );
    let refusal = stack("services:\n  a: {image: '${TAG:?}'}\n  b: {image: '${TAG:?}'}\n").refusal();
    assert_eq!(refusal.matches("required variable TAG").count(), 1, "{refusal}");
    assert!(refusal.contains("used by services.a.image, services.b.image\n"), "{refusal}");
    let refusal = stack("services:\n  a: {image: '${TAG:?}'}\n  b: {image: '${TAG:?other}'}\n").refusal();
    assert_eq!(refusal.matches("required variable TAG").count(), 2, "another message is another cause: {refusal}");
}

#[test]
fn undefined_references_are_united_and_other_equal_mistakes_are_not() {
    let service = "image: i, networks: [front], secrets: [key], volumes: ['data:/d'], scale: 0x";
    let text = format!("services:\n  a: {{{service}}}\n  a.b: {{{service}}}\n");
    let refusal = stack(&text).refusal();
    let count = |what: &str| refusal.matches(what).count();
    assert_eq!(count("`0x` is not a number"), 2, "{refusal}");
    for what in ["network `front`", "secret `key`", "volume `data`"] {
        assert_eq!(count(&format!("{what} is not defined")), 1, "{refusal}");
    }
    assert_eq!(count(", used by a, a.b\n"), 3, "{refusal}");
}
