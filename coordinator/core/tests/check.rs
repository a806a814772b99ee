//! Tests of the policy lint: what each rule reports and what it accepts, and the effect of levels and exceptions.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfast_compose::{Input, Project};
use landfast_core::check::{Exceptions, Finding, Level, Policy, RULES, Subject, check, rule, secrets};
use landfast_core::fleet::{Fleet, Publish};

/// Input of the lint in addition to a compose file.
#[derive(Default)]
struct Given {
    policy: Policy,
    exceptions: Exceptions,
    publish: BTreeMap<String, Publish>,
    /// Number of hosts; 3 by default.
    hosts: Option<usize>,
}

fn load(text: &str) -> (Project, serde_json::Value) {
    let input = Input {
        files: vec![(PathBuf::from("/srv/web/compose.yaml"), text.to_owned())],
        working_dir: PathBuf::from("/srv/web"),
        environment: BTreeMap::from([("DB_PASSWORD".to_owned(), "from outside".to_owned())]),
        ..Input::default()
    };
    let reader = |file: &Path| Ok(file.ends_with("app.env").then(|| "TOKEN=abcdef\n".to_owned()));
    let loaded = landfast_compose::load(&input, &reader).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    let project = loaded.project().unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    (project, landfast_compose::uninterpolated(&input, &reader).unwrap())
}

fn findings(text: &str, given: &Given) -> Vec<Finding> {
    let (project, written) = load(text);
    let subject = Subject {
        stack: "web",
        project: &project,
        written: &written,
        root: Path::new("/srv/web"),
        publish: &given.publish,
        hosts: given.hosts.unwrap_or(3),
    };
    check(subject, &given.policy, &given.exceptions)
}

/// Returns the codes of all findings.
fn codes(text: &str) -> Vec<&'static str> {
    findings(text, &Given::default()).iter().map(|finding| finding.code).collect()
}

/// Returns a compose file with a service `app` that has these keys.
fn app(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!("services:\n  app:\n    image: app:1\n{keys}")
}

/// Adds another service.
fn and(text: String, name: &str, keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!("{text}  {name}:\n{keys}")
}

#[track_caller]
fn finds(code: &str, text: &str) {
    let found = codes(text);
    assert!(found.contains(&code), "{code} is not among {found:?} of\n{text}");
}

#[track_caller]
fn passes(code: &str, text: &str) {
    let found = findings(text, &Given::default());
    let said: Vec<_> = found.iter().filter(|finding| finding.code == code).map(|finding| &finding.message).collect();
    assert!(said.is_empty(), "{code} says {said:?} of\n{text}");
}

/// Returns the YAML blocks of a page.
fn examples(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn codes_keep_their_meaning() {
    // A code keeps its meaning. The line of a removed rule stays here, so that its code is not used again.
    let known = [
        ("LF000", "exception that matches nothing"),
        ("LF001", "image without a tag or with the tag latest"),
        ("LF002", "runs as root unnecessarily"),
        ("LF003", "no memory limit"),
        ("LF004", "no log rotation"),
        ("LF005", "no health check on a service that others depend on"),
        ("LF006", "database port published beyond loopback"),
        ("LF007", "engine socket mounted"),
        ("LF008", "privileged container"),
        ("LF009", "root file system could be read-only"),
        ("LF010", "secret in plain text in the compose file"),
        ("LF011", "bind mount outside the data folder"),
        ("LF012", "depends_on a database without a condition"),
        ("LF013", "added capabilities"),
        ("LF014", "secret passed in an environment variable"),
        ("LF015", "may run as root"),
        ("LF016", "sees only the containers of its own host"),
    ];
    for one in &RULES {
        assert!(known.contains(&(one.code, one.title)), "{} {} is new, or another rule's", one.code, one.title);
        assert!(std::ptr::eq(rule(one.code).unwrap(), one), "{} exists twice", one.code);
    }
}

#[test]
fn every_rule_has_a_page_whose_bad_example_it_finds_and_whose_good_one_it_passes() {
    for rule in &RULES {
        let page = rule.page;
        assert!(page.starts_with(&format!("# {}: {}\n\n", rule.code, rule.title)), "{}", rule.code);
        for section in ["\n## Why\n", "\n## How to fix it\n", "\n## Bad\n", "\n## Good\n"] {
            assert!(page.contains(section), "{} lacks {section}", rule.code);
        }
        assert!(page.lines().all(|line| line.len() <= 140), "{} has lines that are too long", rule.code);
        assert!(rule.summary().len() > 20, "{}: {}", rule.code, rule.summary());
        let [bad, good] = examples(page)[..] else { panic!("{} has not two examples", rule.code) };
        finds(rule.code, bad);
        passes(rule.code, good);
    }
}

#[test]
fn a_missing_tag_is_reported_unless_the_image_is_built_or_pinned() {
    for image in ["app", "app:latest", "registry.lan:5000/app", "docker.io/library/app:latest"] {
        finds("LF001", &format!("services: {{app: {{image: '{image}'}}}}"));
    }
    for image in ["app:1", "registry.lan:5000/app:1.2", "app@sha256:00", "app:latest@sha256:00"] {
        passes("LF001", &format!("services: {{app: {{image: '{image}'}}}}"));
    }
    passes("LF001", "services: {app: {image: app, build: .}}");
}

#[test]
fn root_is_reported_if_nothing_else_needs_it() {
    for user in ["root", "'0'", "0:0", "root:root"] {
        finds("LF002", &app(&format!("user: {user}")));
    }
    passes("LF002", &app("user: '1000'"));
    for needs in ["privileged: true", "cap_add: [NET_ADMIN]", "devices: [/dev/fuse]", "pid: host", "network_mode: host"]
    {
        passes("LF002", &app(&format!("user: root\n{needs}")));
        passes("LF015", &app(needs));
    }
}

#[test]
fn an_image_that_does_not_run_as_root_is_not_reported() {
    finds("LF015", &app(""));
    finds("LF015", "services: {app: {image: 'team/postgres-backup:1'}}");
    for image in
        ["postgres:16", "ghcr.io/team/postgres:16", "bitnami/nginx:1", "nginxinc/nginx-unprivileged:1", "a:1-nonroot"]
    {
        passes("LF015", &format!("services: {{app: {{image: '{image}'}}}}"));
    }
    passes("LF015", &app("cap_drop: [ALL]"));
}

#[test]
fn both_forms_of_a_memory_limit_count() {
    finds("LF003", &app(""));
    finds("LF003", &app("deploy: {resources: {reservations: {memory: 64m}}}"));
    passes("LF003", &app("mem_limit: 64m"));
    passes("LF003", &app("deploy: {resources: {limits: {memory: 64m}}}"));
}

#[test]
fn logs_need_rotation_or_another_driver() {
    finds("LF004", &app(""));
    finds("LF004", &app("logging: {options: {max-file: '3'}}"));
    passes("LF004", &app("logging: {options: {max-size: 1m}}"));
    for driver in ["local", "journald", "none", "syslog"] {
        passes("LF004", &app(&format!("logging: {{driver: {driver}}}")));
    }
}

#[test]
fn a_service_that_others_wait_for_needs_a_health_check() {
    let waits = |condition: &str, other: &str| {
        and(
            app(&format!("depends_on: {{other: {{condition: {condition}}}}}")),
            "other",
            &format!("image: o:1\n{other}"),
        )
    };
    finds("LF005", &waits("service_started", ""));
    finds("LF005", &waits("service_started", "healthcheck: {disable: true}"));
    finds("LF005", &waits("service_started", "healthcheck: {test: [NONE]}"));
    passes("LF005", &waits("service_started", "healthcheck: {test: 'true'}"));
    // The image has one, or this could never start.
    passes("LF005", &waits("service_healthy", ""));
    passes("LF005", &waits("service_completed_successfully", ""));
    passes("LF005", &app(""));
}

#[test]
fn a_published_database_port_is_reported() {
    let port = |image: &str, port: &str| format!("services: {{db: {{image: '{image}', ports: ['{port}']}}}}");
    finds("LF006", &port("postgres:16", "0.0.0.0:5432:5432"));
    finds("LF006", &port("postgres:16", "192.168.2.1:15432:5432"));
    finds("LF006", &port("our-own:1", "0.0.0.0:5432:5432"));
    finds("LF006", "services: {db: {image: 'redis:7', network_mode: host}}");
    passes("LF006", &port("postgres:16", "127.0.0.1:5432:5432"));
    passes("LF006", &port("postgres:16", "[::1]:5432:5432"));
    // Landfast binds these to loopback.
    passes("LF006", &port("postgres:16", "5432:5432"));
    passes("LF006", &port("web:1", "0.0.0.0:80:80"));
    passes("LF006", &port("postgres-exporter:1", "0.0.0.0:9187:9187"));
}

#[test]
fn a_port_that_landfast_toml_opens_is_reported() {
    let text = "services: {db: {image: 'postgres:16', ports: ['5432:5432']}}";
    for (who, publish, open) in [
        ("db", Publish::Lan, true),
        ("*", Publish::All, true),
        ("db", Publish::Loopback, false),
        ("web", Publish::All, false),
    ] {
        let given = Given { publish: BTreeMap::from([(who.to_owned(), publish)]), ..Given::default() };
        let found = findings(text, &given);
        let port = found.iter().find(|finding| finding.code == "LF006");
        assert_eq!(port.is_some(), open, "{who} {publish:?}");
        assert!(port.is_none_or(|finding| finding.message.contains(&format!("stacks.web.publish.{who}"))));
    }
}

#[test]
fn the_engine_socket_is_found_at_every_target() {
    for source in ["/var/run/docker.sock", "/run/docker.sock", "/var/run", "/run/user/1000/docker.sock"] {
        finds("LF007", &app(&format!("volumes: ['{source}:/x:ro']")));
        passes("LF011", &app(&format!("volumes: ['{source}:/x:ro']")));
    }
    passes("LF007", &app("volumes: ['/var/lib/app:/x']"));
    passes(
        "LF007",
        "services: {s: {image: 'tecnativa/docker-socket-proxy:1', volumes: ['/run/docker.sock:/run/docker.sock']}}",
    );
}

#[test]
fn only_capabilities_beyond_the_default_count_as_added() {
    for added in ["SYS_ADMIN", "cap_net_admin", "ALL"] {
        finds("LF013", &app(&format!("cap_add: [{added}]")));
    }
    passes("LF013", &app("cap_drop: [ALL]\ncap_add: [CHOWN, CAP_SETUID, net_bind_service]"));
    finds("LF008", &app("privileged: true"));
    passes("LF008", &app("privileged: false"));
}

#[test]
fn a_read_only_root_is_suggested_where_it_is_likely_to_work() {
    for hint in ["user: '1000'", "cap_drop: [ALL]"] {
        finds("LF009", &app(hint));
        passes("LF009", &app(&format!("{hint}\nread_only: true")));
    }
    passes("LF009", &app(""));
    let found = findings("services: {db: {image: 'postgres:16', tmpfs: [/tmp]}}", &Given::default());
    let finding = found.iter().find(|finding| finding.code == "LF009").unwrap();
    assert_eq!(finding.help, "write read_only: true and tmpfs: [/var/run/postgresql]");
}

#[test]
fn a_secret_is_found_by_name_or_value_and_never_printed() {
    for (variable, code) in [
        ("DB_PASSWORD: hunter2", "LF010"),
        ("DB_PASSWORD: ${NO_SUCH:-hunter2}", "LF010"),
        ("URL: postgres://app:hunter2@db/app", "LF010"),
        ("DB_PASSWORD: ${DB_PASSWORD}", "LF014"),
        ("DB_PASSWORD: ${DB_PASSWORD:?}", "LF014"),
        ("URL: postgres://app:${DB_PASSWORD}@db/app", "LF014"),
    ] {
        let other = if code == "LF010" { "LF014" } else { "LF010" };
        for text in [
            app(&format!("environment: {{{}}}", variable.replacen(": ", ": '", 1) + "'")),
            app(&format!("environment: ['{}']", variable.replacen(": ", "=", 1))),
        ] {
            finds(code, &text);
            passes(other, &text);
            let said = format!("{:?}", findings(&text, &Given::default()));
            assert!(!said.contains("hunter2") && !said.contains("from outside"), "{said}");
        }
    }
    finds("LF014", &app("env_file: app.env"));
    for harmless in
        ["DB_PASSWORD_FILE: /run/secrets/x", "ALLOW_EMPTY_PASSWORD: 'yes'", "DB_PASSWORD: ''", "TOKEN_TTL: 5m"]
    {
        passes("LF010", &app(&format!("environment: {{{harmless}}}")));
    }
}

#[test]
fn secrets_are_masked_in_lines_of_files() {
    let (project, _) = load(&app("environment: {DB_PASSWORD: hunter2, PLAIN: x}"));
    let names = secrets::names(&project);
    assert_eq!(
        secrets::mask("    environment: {DB_PASSWORD: hunter2, PLAIN: x}", &names),
        "    environment: {DB_PASSWORD: ***"
    );
    assert_eq!(secrets::mask("    environment: {PLAIN: x}", &names), "    environment: {PLAIN: x}");
}

#[test]
fn bind_mounts_outside_the_stack_and_the_data_folders_are_reported() {
    let mount = |mount: &str| app(&format!("volumes: ['{mount}']"));
    finds("LF011", &mount("/srv/other:/x"));
    finds("LF011", &mount("/srv/other:/x:ro"));
    finds("LF011", &mount("../other:/x"));
    finds("LF011", &mount("/etc/localtime:/etc/localtime"));
    for good in
        ["./data:/x", "/srv/web/data:/x", "/etc/localtime:/etc/localtime:ro", "/proc:/host/proc:ro", "/anonymous"]
    {
        passes("LF011", &mount(good));
    }
    let policy = Policy { data_folders: vec!["/srv/data".into(), "data".into()], ..Policy::default() };
    let given = Given { policy, ..Given::default() };
    for (source, found) in [
        ("/srv/data/x", false),
        ("./data/x", false),
        ("./config", true),
        ("./config:/x:ro", false),
        ("/srv/database", true),
    ] {
        let source = if source.contains(':') { source.to_owned() } else { format!("{source}:/x") };
        let said = findings(&mount(&source), &given);
        assert_eq!(said.iter().any(|finding| finding.code == "LF011"), found, "{source}");
    }
}

#[test]
fn a_dependency_on_a_database_needs_a_condition() {
    let waits = |image: &str, on: &str| and(app(&format!("depends_on: {on}")), "db", &format!("image: {image}"));
    finds("LF012", &waits("postgres:16", "[db]"));
    finds("LF012", &waits("redis:7", "{db: {condition: service_started}}"));
    passes("LF012", &waits("postgres:16", "{db: {condition: service_healthy}}"));
    passes("LF012", &waits("migrate:1", "[db]"));
}

#[test]
fn a_finding_names_its_file_line_and_column() {
    let found = findings(&app("privileged: true"), &Given::default());
    let finding = found.iter().find(|finding| finding.code == "LF008").unwrap();
    assert_eq!(finding.location.as_ref().unwrap().to_string(), "/srv/web/compose.yaml:4:5");
    assert_eq!((finding.path.as_str(), finding.level), ("services.app.privileged", Level::Error));
}

const FLEET: &str = r#"
[fleet]
name = "home"
[hosts.alpha]
address = "192.168.2.201"
[check]
LF008 = "warning"
LF003 = "off"
data_folders = ["/srv/data"]
[stacks.web.check.app]
LF008 = "it drives the modem"
[stacks.web.check."*"]
LF004 = "the engines rotate"
"#;

fn given(text: &str) -> Given {
    let fleet = Fleet::parse("landfast.toml", text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let exceptions = fleet.stacks["web"].exceptions.clone();
    Given { policy: fleet.check, exceptions, ..Given::default() }
}

#[test]
fn landfast_toml_sets_levels_and_exceptions_with_a_reason() {
    let found = findings(&and(app("privileged: true"), "b", "image: b:1\nprivileged: true"), &given(FLEET));
    let privileged: Vec<_> = found.iter().filter(|finding| finding.code == "LF008").collect();
    assert!(privileged.iter().all(|finding| finding.level == Level::Warning));
    let reasons: Vec<_> = privileged.iter().map(|it| it.exception.as_ref().map(|it| it.reason.as_str())).collect();
    assert_eq!(reasons, [Some("it drives the modem"), None]);
    let logs = found.iter().filter(|finding| finding.code == "LF004");
    assert!(logs.map(|finding| finding.counts()).all(|counts| !counts));
    assert!(found.iter().all(|finding| finding.code != "LF003" && finding.code != "LF000"), "{found:?}");
}

#[test]
fn an_unused_exception_is_reported_with_its_location() {
    let text = FLEET.replace("check.app", "check.ap");
    let found = findings(&app("privileged: true\nlogging: {driver: local}"), &given(&text));
    let told: Vec<_> = found.iter().filter(|finding| finding.code == "LF000").collect();
    let said = |at: usize| format!("{}: {}", told[at].location.as_ref().unwrap(), told[at].message);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(said(0), "landfast.toml:11:1: web has no service ap, which has an exception from LF008");
    assert_eq!(said(1), "landfast.toml:13:1: nothing in web needs the exception from LF004");
}

#[test]
fn invalid_rules_levels_and_reasons_are_refused_with_their_location() {
    let mistakes =
        |from: &str, to: &str| Fleet::parse("landfast.toml", &FLEET.replace(from, to)).unwrap_err().to_string();
    let unknown = mistakes("LF003 =", "LF103 =");
    assert!(unknown.starts_with("landfast.toml:8:1: unknown key (check.LF103)\n  hint: did you mean LF0"), "{unknown}");
    let level = mistakes("\"off\"", "\"of\"");
    assert!(
        level.starts_with("landfast.toml:8:1: \"of\": expected \"error\", \"warning\", \"note\" or \"off\""),
        "{level}"
    );
    for no_reason in ["\"\"", "\"  \"", "\"off\""] {
        let said = mistakes("\"it drives the modem\"", no_reason);
        assert!(said.starts_with("landfast.toml:11:1: ") && said.contains("is not a reason"), "{said}");
    }
    assert!(mistakes("LF008 = \"it", "LF888 = \"it").contains("landfast.toml:11:1: unknown key"));
}

#[test]
fn a_service_may_have_exceptions_of_its_own() {
    let excused = |exceptions: &str| {
        findings(&app(&format!("privileged: true\nx-landfast-check: {exceptions}")), &Given::default())
    };
    let found = excused("{LF008: it drives the modem}");
    let privileged = found.iter().find(|finding| finding.code == "LF008").unwrap();
    assert!(privileged.exception.as_ref().is_some_and(|exception| exception.inline));
    for (bad, why) in [
        ("{LF001: no reason}", "app does not need the exception from LF001"),
        ("{LF999: x}", "there is no rule LF999"),
        ("{LF008: ''}", "the exception from LF008 has no reason"),
        ("[LF008]", "the exceptions must map codes to reasons"),
    ] {
        let found = excused(bad);
        let told = found.iter().find(|finding| finding.code == "LF000").unwrap_or_else(|| panic!("{bad}"));
        assert_eq!(told.message, why);
        assert_eq!(told.location.as_ref().map(|location| location.line), Some(5), "{bad}");
        assert!(found.iter().any(|finding| finding.code == "LF008" && finding.counts()), "{bad}");
    }
}

#[test]
fn services_that_see_only_their_own_host_are_reported() {
    let socket = "volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']";
    let service = |image: &str, keys: &str| format!("services:\n  app:\n    image: {image}\n    {keys}\n");
    for image in [
        "traefik:3",
        "docker.io/library/traefik",
        "nginxproxy/nginx-proxy",
        "willfarrell/autoheal",
        "portainer/portainer-ce",
    ] {
        finds("LF016", &service(image, socket));
    }
    let everywhere = format!("deploy: {{mode: global}}\n    {socket}");
    finds("LF016", &service("traefik:3", &everywhere));
    for (image, keys) in [
        ("autoheal:1", everywhere.as_str()),
        ("traefik:3", "command: --providers.file.directory=/routes"),
        ("app:1", socket),
        ("tecnativa/docker-socket-proxy", socket),
        ("traefik-whoami:1", socket),
    ] {
        passes("LF016", &service(image, keys));
    }
    // By way of a proxy it is the proxy's engine.
    let with = |name: &str, image: &str| {
        and(service("traefik:3", "command: [--endpoint=tcp://proxy:2375]"), name, &format!("image: {image}"))
    };
    finds("LF016", &with("proxy", "tecnativa/docker-socket-proxy"));
    finds(
        "LF016",
        &with("proxy", "tecnativa/docker-socket-proxy").replace("command: [--endpoint=", "environment: [DOCKER_HOST="),
    );
    passes("LF016", &with("other", "tecnativa/docker-socket-proxy"));
    passes("LF016", &with("proxy", "nginx"));
}

#[test]
fn a_fleet_of_one_host_has_no_containers_on_other_hosts() {
    let text = "services: {app: {image: 'traefik:3', volumes: ['/var/run/docker.sock:/s']}}";
    let said = |hosts| {
        let found = findings(text, &Given { hosts: Some(hosts), ..Given::default() });
        found.into_iter().filter(|finding| finding.code == "LF016").map(|it| (it.path, it.message)).collect::<Vec<_>>()
    };
    assert_eq!(said(1), []);
    let message = "app finds containers through an engine socket, so it sees only one of the fleet's 2 hosts";
    assert_eq!(said(2), [("services.app.volumes[0]".to_owned(), message.to_owned())]);
}
