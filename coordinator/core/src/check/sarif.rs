//! Findings as SARIF 2.1.0 (OASIS), for code hosts and editors.
use std::path::Path;

use serde_json::{Value, json};

use super::{Exception, Finding, Level, RULES, Rule};
use landfast_compose::Location;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Returns the log of one run. Paths inside `root` become relative to it.
pub fn log(findings: &[Finding], root: &Path, version: &str) -> Value {
    let rules: Vec<_> = RULES.iter().map(descriptor).collect();
    let results: Vec<_> = findings.iter().map(|finding| result(finding, root)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "landfast", "semanticVersion": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.summary() },
        "help": { "text": rule.page, "markdown": rule.page },
        "defaultConfiguration": { "level": rule.level.name() },
    })
}

fn result(finding: &Finding, root: &Path) -> Value {
    let index = RULES.iter().position(|rule| rule.code == finding.code);
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": level(finding.level),
        "message": { "text": format!("{}; {}.", finding.message, finding.help) },
        "locations": [{
            "logicalLocations": [{ "fullyQualifiedName": format!("{}/{}", finding.stack, finding.path) }],
        }],
        // Line numbers change; the rule, the stack and the key do not.
        "partialFingerprints": { "landfastKey/v1": format!("{}/{}/{}", finding.code, finding.stack, finding.path) },
        "suppressions": finding.exception.iter().map(|exception| suppression(exception, root)).collect::<Vec<_>>(),
    });
    if let Some(location) = &finding.location {
        result["locations"][0]["physicalLocation"] = physical(location, root);
    }
    result
}

/// SARIF has no level `off`, but findings never have it either.
fn level(level: Level) -> &'static str {
    match level {
        Level::Off => "none",
        other => other.name(),
    }
}

fn suppression(exception: &Exception, root: &Path) -> Value {
    let kind = if exception.inline { "inSource" } else { "external" };
    let mut suppression = json!({ "kind": kind, "status": "accepted", "justification": exception.reason });
    if let Some(location) = &exception.location {
        suppression["location"] = json!({ "physicalLocation": physical(location, root) });
    }
    suppression
}

fn physical(location: &Location, root: &Path) -> Value {
    let mut physical = json!({ "artifactLocation": artifact(&location.file, root) });
    if location.line > 0 {
        physical["region"] = json!({ "startLine": location.line, "startColumn": location.column.max(1) });
    }
    physical
}

fn artifact(file: &Path, root: &Path) -> Value {
    match file.strip_prefix(root) {
        Ok(inner) => json!({ "uri": uri(inner), "uriBaseId": "%SRCROOT%" }),
        Err(_) if file.is_absolute() => json!({ "uri": format!("file://{}", uri(file)) }),
        Err(_) => json!({ "uri": uri(file), "uriBaseId": "%SRCROOT%" }),
    }
}

/// Escapes all characters of a path that a URI does not allow (RFC 3986).
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
