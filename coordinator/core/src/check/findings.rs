//! Turns remarks into findings with levels and exceptions, and reports unused exceptions.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::judges::JUDGES;
use super::{Finding, Remark, ServiceInput, Subject};
use crate::policy::{Exception, Exceptions, Level, Policy, rule};
use landfast_compose::Location;

/// Key of a service that holds its own exceptions.
const INLINE: &str = "x-landfast-check";

/// Returns the findings of all rules about one project, ordered by location.
pub fn check(subject: Subject<'_>, policy: &Policy, exceptions: &Exceptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for (name, service) in &subject.project.services {
        let input = ServiceInput { subject, policy, name, service };
        let inline = inline(input, policy, &mut findings);
        for (code, judge) in JUDGES {
            for remark in judge(input) {
                let mut finding = finding(input, code, policy.level(code), remark);
                finding.exception = [(name.as_str(), &inline), (name, exceptions), ("*", exceptions)]
                    .into_iter()
                    .find_map(|(who, from)| from.get(who)?.get(code))
                    .cloned();
                used.extend(finding.exception.as_ref().map(|exception| (code, exception.location.clone())));
                findings.push(finding);
            }
        }
        stale(subject, policy, &inline, &used, &mut findings);
    }
    stale(subject, policy, exceptions, &used, &mut findings);
    findings.retain(|finding| finding.level > Level::Off);
    let place = |finding: &Finding| (finding.location.clone(), finding.code, finding.path.clone());
    findings.sort_by_key(place);
    findings
}

fn finding(input: ServiceInput<'_>, code: &'static str, level: Level, remark: Remark) -> Finding {
    Finding {
        code,
        level,
        location: input.subject.project.locate(&remark.path).cloned(),
        stack: input.subject.stack.to_owned(),
        service: Some(input.name.to_owned()),
        path: remark.path,
        message: remark.message,
        help: remark.help,
        exception: None,
    }
}

/// Reads the exceptions that a service has under `x-landfast-check`, such as `{LF007: why}`. An invalid exception excuses
/// nothing and becomes a finding.
fn inline(input: ServiceInput<'_>, policy: &Policy, findings: &mut Vec<Finding>) -> Exceptions {
    let mut own = BTreeMap::new();
    let Some(written) = input.subject.written["services"][input.name].get(INLINE) else { return Exceptions::new() };
    let mut report = |key: &str, message: String| {
        let help = format!("write `{INLINE}: {{LF001: \"why it is acceptable here\"}}`");
        findings.push(finding(input, "LF000", policy.level("LF000"), input.remark(key, message, help)));
    };
    let Value::Object(entries) = written else {
        report(INLINE, "the exceptions must map codes to reasons".to_owned());
        return Exceptions::new();
    };
    for (code, reason) in entries {
        let key = format!("{INLINE}.{code}");
        let reason = reason.as_str().map(str::trim).filter(|reason| !reason.is_empty());
        match (rule(code), reason) {
            (None, _) => report(&key, format!("there is no rule {code}")),
            (_, None) => report(&key, format!("the exception from {code} has no reason")),
            (Some(rule), Some(reason)) => {
                let location = input.subject.project.locate(&format!("services.{}.{key}", input.name)).cloned();
                own.insert(rule.code, Exception { reason: reason.to_owned(), location, inline: true });
            }
        }
    }
    Exceptions::from([(input.name.to_owned(), own)])
}

/// Reports exceptions that excuse nothing, because they would hide the next finding of the same rule.
fn stale(
    subject: Subject<'_>,
    policy: &Policy,
    exceptions: &Exceptions,
    used: &BTreeSet<(&'static str, Option<Location>)>,
    findings: &mut Vec<Finding>,
) {
    let all = exceptions.iter().flat_map(|(service, own)| own.iter().map(move |(code, one)| (service, code, one)));
    for (service, code, exception) in all.filter(|(_, code, one)| !used.contains(&(**code, one.location.clone()))) {
        let known = subject.project.services.contains_key(service);
        let message = match service.as_str() {
            "*" => format!("nothing in {} needs the exception from {code}", subject.stack),
            _ if known => format!("{service} does not need the exception from {code}"),
            _ => format!("{} has no service {service}, which has an exception from {code}", subject.stack),
        };
        let path = match exception.inline {
            true => format!("services.{service}.{INLINE}.{code}"),
            false => format!("stacks.{}.check.{service}.{code}", subject.stack),
        };
        findings.push(Finding {
            code: "LF000",
            level: policy.level("LF000"),
            location: exception.location.clone(),
            stack: subject.stack.to_owned(),
            service: known.then(|| service.clone()),
            path,
            message,
            help: "remove it, so that it does not hide the next finding of the same rule".to_owned(),
            exception: None,
        });
    }
}
