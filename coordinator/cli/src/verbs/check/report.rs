//! Prints findings for people, grouped by file and rule. The first finding of a group is printed in full, and the others
//! are only named.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;

use landfast_compose::{Diagnostic, Diagnostics};
use landfast_core::check::{Finding, secrets};

use crate::output::{self, StdoutError, escape};
use landfast_engine::project;

use crate::Context;

/// Maximum number of further findings that are named for a rule in one file.
const NAMED: usize = 8;

/// Prints the findings except excused ones.
pub(super) fn print(context: &Context, findings: &[Finding], secrets: &BTreeSet<String>) -> Result<(), StdoutError> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.counts()) {
        let same = |group: &&mut Vec<&Finding>| {
            group.first().is_some_and(|first| first.code == finding.code && file(first) == file(finding))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    // Sorted by file, then the most severe first.
    groups.sort_by_key(|group| group.first().map(|first| (file(first).map(Path::to_owned), Reverse(first.level))));
    let diagnostics: Vec<_> = groups.iter().filter_map(|group| diagnostic(group)).collect();
    if diagnostics.is_empty() {
        return Ok(());
    }
    let source = |file: &Path| {
        let text = project::reader(&context.current_dir.join(file)).ok().flatten()?;
        let lines: Vec<_> = text.lines().map(|line| secrets::mask(line, secrets)).collect();
        Some(lines.join("\n"))
    };
    let shown = project::shorten(Diagnostics(diagnostics), &context.current_dir).with_lines(source);
    output::print(&format!("{}\n", escape::lines(&shown)))
}

fn file(finding: &Finding) -> Option<&Path> {
    finding.location.as_ref().map(|location| &*location.file)
}

/// Returns the diagnostic for the findings of one rule in one file.
fn diagnostic(group: &[&Finding]) -> Option<Diagnostic> {
    let (first, others) = group.split_first()?;
    let also = if others.is_empty() { String::new() } else { format!("\n  also: {}", names(others)) };
    Some(Diagnostic {
        location: first.location.clone(),
        path: first.path.clone(),
        message: format!("{} {}: {}", first.level.name(), first.code, first.message),
        hint: Some(format!("{}{also}", first.help)),
        users: Box::default(),
    })
}

/// Lists findings by path and line: `db (line 12), cache.environment.TOKEN (line 30)`.
fn names(others: &[&Finding]) -> String {
    let name = |finding: &&Finding| {
        let who = finding.path.strip_prefix("services.").unwrap_or(&finding.path);
        let line = finding.location.as_ref().map(|location| format!(" (line {})", location.line)).unwrap_or_default();
        format!("{who}{line}")
    };
    let mut names: Vec<_> = others.iter().map(name).collect();
    names.dedup();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}
