//! `include` and `extends`: projects of several files.
use serde_json::json;

use crate::stack::stack;

const TEMPLATES: &str = "services:\n  base:\n    image: base:1\n    volumes: ['./conf:/conf']\n    cap_drop: [ALL]\n    \
                         env_file: [common.env]\n    environment: {A: base, B: base}\n";

#[test]
fn a_service_extends_a_template_of_another_folder() {
    let web = stack(
        "services:\n  web:\n    extends: {file: shared/templates.yaml, service: base}\n    environment: {B: own}\n    \
         volumes: ['./data:/data']\n",
    )
    .file("shared/templates.yaml", TEMPLATES)
    .file("shared/common.env", "C=file\nA=file\n");
    assert_eq!(web.printed("services.web.image"), json!("base:1"));
    assert_eq!(web.printed("services.web.volumes.0.source"), json!("/srv/app/shared/conf"));
    assert_eq!(web.printed("services.web.volumes.1.source"), json!("/srv/app/data"));
    assert_eq!(web.printed("services.web.environment"), json!({"A": "base", "B": "own", "C": "file"}));
    assert_eq!(web.printed("services.web.extends"), json!(null));
    assert_eq!(web.load().files_read.len(), 2);
}

#[test]
fn templates_extend_templates() {
    let web = stack("services: {web: {extends: {file: a.yaml, service: a}}}")
        .file("a.yaml", "services: {a: {extends: {file: sub/b.yaml, service: b}, cap_add: [A]}}")
        .file("sub/b.yaml", "services: {b: {extends: c, cap_add: [B]}, c: {image: c, cap_add: [C], build: .}}");
    assert_eq!(web.printed("services.web.cap_add"), json!(["C", "B", "A"]));
    assert_eq!(web.printed("services.web.build.context"), json!("/srv/app/sub"));
}

#[test]
fn a_template_is_read_once_however_many_services_extend_it() {
    let services: String =
        (0..50).map(|n| format!("  s{n}: {{extends: {{file: a.yaml, service: a}}, hostname: h{n}}}\n")).collect();
    let many = stack(&format!("services:\n{services}"))
        .file("a.yaml", "services: {a: {extends: {file: b.yaml, service: b}, init: true}}")
        .file("b.yaml", "services: {b: {image: b, hostname: b}}");
    assert_eq!(many.printed("services.s49.hostname"), json!("h49"));
    assert_eq!(many.printed("services.s7.image"), json!("b"));
    assert_eq!(many.reads(), 2);
}

#[test]
fn a_template_is_read_again_where_its_variables_have_other_values() {
    let root = stack("include: [x/c.yaml, y/c.yaml]")
        .file("x/c.yaml", "services: {x: {extends: {file: ../t.yaml, service: t}}}")
        .file("y/c.yaml", "services: {y: {extends: {file: ../t.yaml, service: t}}}")
        .file("x/.env", "V=1")
        .file("y/.env", "V=2")
        .file("t.yaml", "services: {t: {image: 't:${V}'}}");
    assert_eq!(root.printed("services.x.image"), json!("t:1"));
    assert_eq!(root.printed("services.y.image"), json!("t:2"));
}

#[test]
fn templates_may_extend_each_other_if_services_form_no_cycle() {
    let web = stack("services: {web: {extends: {file: a.yaml, service: one}}}")
        .file("a.yaml", "services: {one: {extends: {file: b.yaml, service: two}}, three: {image: a}}")
        .file("b.yaml", "services: {two: {extends: {file: a.yaml, service: three}}}");
    assert_eq!(web.printed("services.web.image"), json!("a"));
}

#[test]
fn missing_services_and_files_of_extends_are_refused() {
    let missing_file = stack("services:\n  web:\n    extends: {file: no.yaml, service: x}\n").refusal();
    assert!(missing_file.contains("compose.yaml:3:5: file /srv/app/no.yaml does not exist"), "{missing_file}");
    let missing_service = stack("services: {web: {image: w, extends: nope}}").refusal();
    assert!(missing_service.contains("service `nope` is not defined in /srv/app/compose.yaml"), "{missing_service}");
    let cycle = stack("services: {a: {image: a, extends: b}, b: {image: b, extends: a}}").refusal();
    assert!(cycle.contains("extend each other in a cycle: a -> b -> a"), "{cycle}");
}

#[test]
fn a_reset_removes_a_value_of_a_template() {
    let web = stack(
        "services: {web: {extends: base, cap_drop: !reset [], command: [b]}, base: {image: b, cap_drop: [ALL], command: [a]}}",
    );
    assert_eq!(web.printed("services.web.cap_drop"), json!(null));
    assert_eq!(web.printed("services.web.command"), json!(["b"]));
}

#[test]
fn a_template_can_reset_values_that_it_extends() {
    let template = "services: {t: {extends: s, cap_add: !reset [], dns: !override [2.2.2.2]}, s: {image: s, cap_add: [A], dns: 1.1.1.1}}";
    let web = stack("services: {web: {extends: {file: t.yaml, service: t}, init: true}}").file("t.yaml", template);
    assert_eq!(web.printed("services.web.cap_add"), json!(null));
    assert_eq!(web.printed("services.web.dns"), json!(["2.2.2.2"]));
    assert_eq!(web.printed("services.web.image"), json!("s"));
}

#[test]
fn extends_itself_can_be_reset() {
    let base = "services: {web: {image: w, extends: t}, t: {image: t, init: true}}";
    let over = |extends: &str| stack(base).over("over.yaml", &format!("services: {{web: {{extends: {extends}}}}}"));
    assert_eq!(over("!reset null").printed("services.web.init"), json!(true));
    let own = stack("services: {web: {extends: {file: null, service: t}}, t: {image: t}}");
    assert_eq!(own.printed("services.web.image"), json!("t"));
    let none = stack(&format!("{base}\nname: n")).over("over.yaml", "services: !reset null");
    assert_eq!(none.printed("services"), json!({}));
}

#[test]
fn an_included_project_has_its_own_folder_and_env_file() {
    let root = stack("include: [data/compose.yaml]\nservices: {web: {image: 'web:${V}', depends_on: [db]}}")
        .variable("V", "outer")
        .file("data/compose.yaml", "services: {db: {image: 'db:${V}-${W}', volumes: ['./x:/x'], build: .}}")
        .file("data/.env", "V=inner\nW=inner\n");
    assert_eq!(root.printed("services.db.image"), json!("db:outer-inner"));
    assert_eq!(root.printed("services.db.volumes.0.source"), json!("/srv/app/data/x"));
    assert_eq!(root.printed("services.web.image"), json!("web:outer"));
    assert_eq!(root.printed("networks.default.name"), json!("app_default"));
}

#[test]
fn include_takes_several_files_a_folder_and_env_files() {
    let root =
        stack("include:\n  - path: [a.yaml, b.yaml]\n    project_directory: sub\n    env_file: [one.env, two.env]\n")
            .file("a.yaml", "services: {a: {image: 'a:${ONE}${TWO}', volumes: ['./x:/x']}}")
            .file("b.yaml", "services: {a: {init: true}}")
            .file("one.env", "ONE=1\nTWO=1\n")
            .file("two.env", "TWO=2\n");
    assert_eq!(root.printed("services.a.image"), json!("a:12"));
    assert_eq!(root.printed("services.a.init"), json!(true));
    assert_eq!(root.printed("services.a.volumes.0.source"), json!("/srv/app/sub/x"));
}

#[test]
fn a_file_overrides_what_it_includes() {
    let root = stack("include: [a.yaml]\nservices: {a: {image: 'a:2'}}")
        .file("a.yaml", "services: {a: {image: 'a:1', init: true}}");
    assert_eq!(root.printed("services.a.image"), json!("a:2"));
    assert_eq!(root.printed("services.a.init"), json!(true));
}

#[test]
fn invalid_includes_are_refused() {
    assert!(stack("include: [no.yaml]").refusal().contains("compose.yaml:1:11: file /srv/app/no.yaml does not exist"));
    let cycle = stack("include: [a.yaml]").file("a.yaml", "include: [compose.yaml]\nservices: {a: {image: a}}");
    assert!(cycle.refusal().contains("include each other in a cycle"), "{}", cycle.refusal());
    assert!(stack("include: a.yaml").refusal().contains("must be a list of paths"));
    let inner = stack("include: [a.yaml]").file("a.yaml", "services:\n  a:\n    imagee: a\n").refusal();
    assert!(inner.starts_with("/srv/app/a.yaml:3:5: unknown key `imagee`"), "{inner}");
}

#[test]
fn a_template_with_a_value_of_the_wrong_kind_is_refused() {
    let refusal = stack("services: {web: {extends: {file: t.yaml, service: t}, depends_on: [db]}, db: {image: d}}")
        .file("t.yaml", "services:\n  t:\n    image: t\n    depends_on: db\n")
        .refusal();
    assert!(
        refusal.starts_with("/srv/app/t.yaml:4:5: must be a list of strings or a mapping, not a string"),
        "{refusal}"
    );
}

#[test]
fn remote_files_are_not_fetched() {
    for elsewhere in ["https://example.com/app.git", "oci://example.com/app:1", "git@example.com:app.git"] {
        let include = stack(&format!("include: ['{elsewhere}']")).refusal();
        assert!(include.contains("is remote, and remote files are not fetched"), "{include}");
        let extends = stack(&format!("services: {{a: {{extends: {{file: '{elsewhere}', service: a}}}}}}")).refusal();
        assert!(extends.contains("is remote, and remote files are not fetched"), "{extends}");
    }
}

#[test]
fn files_outside_of_the_folder_are_read_only_without_a_root() {
    let outside = |text: &str| stack(text).file("../other/o.yaml", "services: {o: {image: o}}").file("../e", "A=1\n");
    let include = "include:\n  - ../other/o.yaml\n";
    assert_eq!(outside(include).printed("services.o.image"), json!("o"));
    assert_eq!(outside(include).beneath("/srv").printed("services.o.image"), json!("o"));
    let refusal = outside(include).beneath("/srv/app").refusal();
    assert!(refusal.contains("compose.yaml:2:5: /srv/other/o.yaml is outside of /srv/app"), "{refusal}");
    for text in [
        "include: [/etc/passwd]",
        "include: [/srv/app/../../etc/passwd]",
        "services: {a: {extends: {file: ../other/o.yaml, service: o}}}",
        "services: {a: {image: a, env_file: ../e}}",
        "include: [{path: a.yaml, env_file: ../e}]",
    ] {
        let refusal = outside(text).beneath("/srv/app").refusal();
        assert!(refusal.contains("is outside of /srv/app, and no other folder is read"), "{refusal}");
    }
}
