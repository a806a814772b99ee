//! Whether those who wait for a service wait for the right thing.
use super::known;
use super::{Remark, Site};
use landfast_compose::model::{Condition, Service};

/// LF005. Who waits for `service_healthy` without a health check in the file counts on the image's own.
pub(super) fn check(site: Site<'_>) -> Vec<Remark> {
    let mut waiting = Vec::new();
    for (name, service) in &site.subject.project.services {
        let Some(dependency) = service.depends_on.get(site.name) else { continue };
        match dependency.condition {
            Condition::Completed => {}
            Condition::Healthy if !is_off(site.service) => return Vec::new(),
            Condition::Started | Condition::Healthy => waiting.push(name.as_str()),
        }
    }
    let checked = site.service.healthcheck.as_ref().is_some_and(|check| !check.test.is_empty());
    if waiting.is_empty() || (checked && !is_off(site.service)) {
        return Vec::new();
    }
    let (who, key) = (waiting.join(", "), if is_off(site.service) { "healthcheck" } else { "" });
    let message = format!("nobody knows when {} is ready, and {who} depends on it", site.name);
    vec![site.remark(key, message, "give it a healthcheck:, and wait with condition: service_healthy")]
}

fn is_off(service: &Service) -> bool {
    let none = |test: &[String]| test.first().is_some_and(|word| word == "NONE");
    service.healthcheck.as_ref().is_some_and(|check| check.disable || none(&check.test))
}

/// LF012.
pub(super) fn condition(site: Site<'_>) -> Vec<Remark> {
    let started = site.service.depends_on.iter().filter(|(name, dependency)| {
        let database = site.subject.project.services.get(*name).is_some_and(known::is_database);
        database && dependency.condition == Condition::Started
    });
    let remark = |(name, _): (&String, _)| {
        let message = format!("{} starts before {name} takes connections: it only waits for its process", site.name);
        let help = format!("write depends_on: {{{name}: {{condition: service_healthy}}}}");
        site.remark(&format!("depends_on.{name}"), message, help)
    };
    started.map(remark).collect()
}
