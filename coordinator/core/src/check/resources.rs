//! What one service takes from the others of its host: memory and disk.
use super::{Remark, Site};

/// LF003.
pub(super) fn memory(site: Site<'_>) -> Vec<Remark> {
    let limits = [site.service.mem_limit, site.service.deploy.resources.limits.memory];
    if limits.iter().flatten().any(|limit| limit.0 > 0) {
        return Vec::new();
    }
    let message = format!("{} may take all memory of its host", site.name);
    vec![site.remark("", message, "limit it: mem_limit: 512m, or deploy.resources.limits.memory")]
}

/// LF004. Of the engine's drivers only `json-file` keeps everything; it is also the one when none is named.
pub(super) fn logs(site: Site<'_>) -> Vec<Remark> {
    let logging = site.service.logging.clone().unwrap_or_default();
    let keeps_all = matches!(logging.driver.as_deref(), None | Some("" | "json-file"));
    if !keeps_all || logging.options.contains_key("max-size") {
        return Vec::new();
    }
    let key = if site.service.logging.is_some() { "logging" } else { "" };
    let message = format!("{} logs until the disk is full", site.name);
    let help = "write logging: {driver: json-file, options: {max-size: 10m, max-file: \"3\"}}, or driver: local";
    vec![site.remark(key, message, help)]
}
