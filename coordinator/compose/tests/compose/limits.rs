//! Files that expand without limit are refused.
use crate::stack::stack;

#[test]
fn aliases_of_aliases() {
    let mut text = "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("x-{level}: &a{level} [{aliases}]\n"));
    }
    assert!(stack(&text).refusal().contains("expands to more than"));
}

#[test]
fn merge_keys_of_merge_keys() {
    let mut text = "x-0: &a0 {k: v}\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        text.push_str(&format!("x-{level}: &a{level} {{l: *a{below}, r: *a{below}}}\n"));
    }
    assert!(stack(&text).refusal().contains("expands to more than"));
}

#[test]
fn values_inside_values() {
    let text = format!("x-deep: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    assert!(stack(&text).refusal().contains("nested more than 128 levels"));
}

#[test]
fn defaults_inside_defaults() {
    let text = format!("services: {{a: {{image: '{}x{}'}}}}", "${A:-".repeat(5000), "}".repeat(5000));
    assert!(stack(&text).refusal().contains("invalid interpolation format"));
}

#[test]
fn a_port_range_may_have_all_ports() {
    let text = "services: {a: {image: a, ports: ['1-65535:1-65535']}}";
    assert_eq!(stack(text).printed("services.a.ports").as_array().unwrap().len(), 65535);
}

#[test]
fn includes_of_includes() {
    let mut bomb = stack("include: [0.yaml]");
    for level in 0..20 {
        let next = format!("{}.yaml", level + 1);
        bomb = bomb.file(&format!("{level}.yaml"), &format!("include: [{next}, {next}]\n"));
    }
    bomb = bomb.file("20.yaml", "services: {a: {image: a}}");
    assert!(bomb.refusal().contains("the project reads more than 2000 files"));
}

#[test]
fn variables_of_variables() {
    let mut text = "V0=xxxxxxxxxx\n".to_owned();
    for level in 1..30 {
        let below = format!("${{V{}}}", level - 1);
        text.push_str(&format!("V{level}={}\n", below.repeat(10)));
    }
    let refusal = stack("services: {a: {image: a, env_file: bomb.env}}").file("bomb.env", &text).refusal();
    assert!(refusal.contains("a value grows beyond 4 MiB"), "{refusal}");
}

#[test]
fn long_chains_of_services_that_extend_or_depend_on_each_other() {
    let chain = |key: &str, length: usize| {
        let service =
            |level: usize| format!("  s{level}: {{image: a, {key}}}\n").replace("NEXT", &format!("s{}", level + 1));
        let services: String = (0..length).map(service).collect();
        stack(&format!("services:\n{services}  s{length}: {{image: a}}\n"))
    };
    assert!(chain("extends: NEXT", 10_000).refusal().contains("extend each other more than 64 levels deep"));
    assert!(chain("depends_on: [NEXT]", 5_000).try_load().is_ok());
}

#[test]
fn long_chains_of_includes() {
    let mut chain = stack("include: [0.yaml]");
    for level in 0..1000 {
        chain = chain.file(&format!("{level}.yaml"), &format!("include: [{}.yaml]\n", level + 1));
    }
    assert!(chain.refusal().contains("includes are nested more than 32 levels deep"));
}

#[test]
fn long_texts_that_are_repeated_by_aliases_variables_and_env_files() {
    let long = "x".repeat(1 << 20);
    let aliases = format!("x-a: &a '{long}'\nx-b: [{}]\n", vec!["*a"; 100].join(", "));
    assert!(stack(&aliases).refusal().contains("expands to more than 100000 values or 16 MiB of text"));
    let texts = format!("x-b: [{}]\n", vec!["$V"; 100].join(", "));
    let refusal = stack(&texts).variable("V", &long).refusal();
    assert!(refusal.contains("expands to more than 500000 values or 64 MiB of text"), "{refusal}");
    let lines: String = (0..100).map(|n| format!("V{n}=$V\n")).collect();
    let refusal = stack("services: {a: {image: a, env_file: e}}").variable("V", &long).file("e", &lines).refusal();
    assert!(refusal.starts_with("/srv/app/e:17:1: the values of the file grow beyond 16 MiB"), "{refusal}");
}

#[test]
fn a_large_service_that_many_others_extend() {
    let labels = vec!["'a=b'"; 1000].join(", ");
    let services: String = (0..1000).map(|n| format!("  s{n}: {{extends: base}}\n")).collect();
    let refusal = stack(&format!("services:\n  base: {{image: a, dns: [{labels}]}}\n{services}")).refusal();
    assert!(refusal.contains("the project expands to more than 500000 values"), "{refusal}");
}

#[test]
fn ranges_of_ports_of_several_services() {
    let refusal = stack(
        "services:\n  a: {image: a, ports: ['1-40000']}\n  b:\n    image: b\n    ports:\n      - 1-40000:1-40000/udp\n",
    )
    .refusal();
    assert!(refusal.starts_with("/srv/app/compose.yaml:6:9: the project has more than 65535 ports"), "{refusal}");
}

#[test]
fn env_files_with_too_many_variables() {
    let lines: String = (0..60_000).map(|n| format!("V{n}=\n")).collect();
    let services: String = (0..4).map(|n| format!("  s{n}: {{image: a, env_file: e}}\n")).collect();
    let refusal = stack(&format!("services:\n{services}")).file("e", &lines).refusal();
    assert!(refusal.contains("compose.yaml:5:18: env files set more than 200000 variables"), "{refusal}");
    let refusal = stack("services: {a: {image: a, env_file: e}}").file("e", &"#".repeat((2 << 20) + 1)).refusal();
    assert!(refusal.contains("/srv/app/e: the env file is larger than 2 MiB"), "{refusal}");
}

#[test]
fn only_the_first_mistakes_and_warnings_are_reported() {
    let keys: String = (0..5000).map(|n| format!("    k{n}: 1\n")).collect();
    let refusal = stack(&format!("services:\n  a:\n    image: a\n{keys}")).refusal();
    assert_eq!(refusal.lines().filter(|line| line.contains("unknown key")).count(), 100);
    assert!(refusal.ends_with("and 4900 more mistakes"), "{refusal}");
    let variables: String = (0..5000).map(|n| format!("$V{n}")).collect();
    let loaded = stack(&format!("x-v: '{variables}'\nservices: {{a: {{image: a}}}}")).load();
    assert_eq!(loaded.warnings.len(), 1000);
}

#[test]
fn a_message_does_not_quote_a_whole_file() {
    let refusal = stack(&format!("services: {{a: {{image: 'a${{{}'}}}}", "é".repeat(1 << 20))).refusal();
    assert!(refusal.contains("invalid interpolation format in `a${é") && refusal.len() < 3000, "{}", refusal.len());
}
