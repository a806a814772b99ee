//! From remarks to findings: levels, exceptions with their reasons, and exceptions that nothing needs any more.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::judges::JUDGES;
use super::{Finding, Remark, ServiceInput, Subject};
use crate::policy::{Exception, Exceptions, Level, Policy, rule};
use landfast_compose::Location;

/// The key of a service under which it has exceptions of its own.
const INLINE: &str = "x-landfast-check";

/// All that the rules say about one project, in order of place.
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

/// `x-landfast-check: {LF007: why}` of a service, as it is written. What cannot be read
/// there excuses nothing, and is told.
fn inline(input: ServiceInput<'_>, policy: &Policy, findings: &mut Vec<Finding>) -> Exceptions {
    let mut own = BTreeMap::new();
    let Some(written) = input.subject.written["services"][input.name].get(INLINE) else { return Exceptions::new() };
    let mut told = |key: &str, message: String| {
        let help = format!("write `{INLINE}: {{LF001: \"why it is good here\"}}`");
        findings.push(finding(input, "LF000", policy.level("LF000"), input.remark(key, message, help)));
    };
    let Value::Object(entries) = written else {
        told(INLINE, "the exceptions must be a mapping of code to reason".to_owned());
        return Exceptions::new();
    };
    for (code, reason) in entries {
        let key = format!("{INLINE}.{code}");
        let reason = reason.as_str().map(str::trim).filter(|reason| !reason.is_empty());
        match (rule(code), reason) {
            (None, _) => told(&key, format!("there is no rule {code}")),
            (_, None) => told(&key, format!("the exception from {code} gives no reason")),
            (Some(rule), Some(reason)) => {
                let location = input.subject.project.locate(&format!("services.{}.{key}", input.name)).cloned();
                own.insert(rule.code, Exception { reason: reason.to_owned(), location, inline: true });
            }
        }
    }
    Exceptions::from([(input.name.to_owned(), own)])
}

/// An exception that excuses nothing hides the next finding of its kind.
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
            _ => format!("{} has no service {service} to except from {code}", subject.stack),
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
            help: "take it out, so that it does not hide the next finding of its kind".to_owned(),
            exception: None,
        });
    }
}
