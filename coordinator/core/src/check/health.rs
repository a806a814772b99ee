//! Rules about dependencies: services that wait for others wait until these are ready.
use super::known;
use super::{Remark, ServiceInput};
use landfast_compose::model::{Condition, Service};

/// LF005: reports a dependency without a health check. With `service_healthy` and no health check in the file, the image's
/// own health check counts.
pub(super) fn check(input: ServiceInput<'_>) -> Vec<Remark> {
    let mut waiting = Vec::new();
    for (name, service) in &input.subject.project.services {
        let Some(dependency) = service.depends_on.get(input.name) else { continue };
        match dependency.condition {
            Condition::Completed => {}
            Condition::Healthy if !is_off(input.service) => return Vec::new(),
            Condition::Started | Condition::Healthy => waiting.push(name.as_str()),
        }
    }
    let checked = input.service.healthcheck.as_ref().is_some_and(|check| !check.test.is_empty());
    if waiting.is_empty() || (checked && !is_off(input.service)) {
        return Vec::new();
    }
    let (who, key) = (waiting.join(", "), if is_off(input.service) { "healthcheck" } else { "" });
    let message = format!("nothing shows when {} is ready, and {who} depends on it", input.name);
    vec![input.remark(key, message, "give it a healthcheck:, and wait with condition: service_healthy")]
}

fn is_off(service: &Service) -> bool {
    let none = |test: &[String]| test.first().is_some_and(|word| word == "NONE");
    service.healthcheck.as_ref().is_some_and(|check| check.disable || none(&check.test))
}

/// LF012: reports services that start before their database is ready.
pub(super) fn condition(input: ServiceInput<'_>) -> Vec<Remark> {
    let started = input.service.depends_on.iter().filter(|(name, dependency)| {
        let database = input.subject.project.services.get(*name).is_some_and(known::is_database);
        database && dependency.condition == Condition::Started
    });
    let remark = |(name, _): (&String, _)| {
        let message = format!("{} starts before {name} accepts connections: it only waits for its process", input.name);
        let help = format!("write depends_on: {{{name}: {{condition: service_healthy}}}}");
        input.remark(&format!("depends_on.{name}"), message, help)
    };
    started.map(remark).collect()
}
