//! Files that unfold without end are refused at once.
use crate::stack::stack;

#[test]
fn aliases_of_aliases() {
    let mut text = "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("x-{level}: &a{level} [{aliases}]\n"));
    }
    assert!(stack(&text).refusal().contains("unfolds into more than"));
}

#[test]
fn merge_keys_of_merge_keys() {
    let mut text = "x-0: &a0 {k: v}\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        text.push_str(&format!("x-{level}: &a{level} {{l: *a{below}, r: *a{below}}}\n"));
    }
    assert!(stack(&text).refusal().contains("unfolds into more than"));
}

#[test]
fn values_inside_values() {
    let text = format!("x-deep: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    assert!(stack(&text).refusal().contains("nested more than"));
}

#[test]
fn defaults_inside_defaults() {
    let text = format!("services: {{a: {{image: '{}x{}'}}}}", "${A:-".repeat(5000), "}".repeat(5000));
    assert!(stack(&text).refusal().contains("invalid interpolation format"));
}

#[test]
fn a_range_of_ports_has_no_more_than_there_are() {
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
    assert!(bomb.refusal().contains("files lead to each other"));
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
fn services_that_extend_or_wait_for_each_other_in_a_long_chain() {
    let chain = |key: &str, length: usize| {
        let service =
            |level: usize| format!("  s{level}: {{image: a, {key}}}\n").replace("NEXT", &format!("s{}", level + 1));
        let services: String = (0..length).map(service).collect();
        stack(&format!("services:\n{services}  s{length}: {{image: a}}\n"))
    };
    assert!(chain("extends: NEXT", 10_000).refusal().contains("extend each other more than 64 deep"));
    assert!(chain("depends_on: [NEXT]", 5_000).try_load().is_ok());
}

#[test]
fn files_that_include_each_other_in_a_long_chain() {
    let mut chain = stack("include: [0.yaml]");
    for level in 0..1000 {
        chain = chain.file(&format!("{level}.yaml"), &format!("include: [{}.yaml]\n", level + 1));
    }
    assert!(chain.refusal().contains("include each other more than 32 deep"));
}
