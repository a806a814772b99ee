//! Rules about resources that services of a host share: memory and disk.
use super::{Remark, ServiceInput};

/// LF003: reports services without a memory limit.
pub(super) fn memory(input: ServiceInput<'_>) -> Vec<Remark> {
    let limits = [input.service.mem_limit, input.service.deploy.resources.limits.memory];
    if limits.iter().flatten().any(|limit| limit.0 > 0) {
        return Vec::new();
    }
    let message = format!("{} can use all memory of its host", input.name);
    vec![input.remark("", message, "set a limit: mem_limit: 512m, or deploy.resources.limits.memory")]
}

/// LF004: reports logs without rotation. Only the `json-file` driver, which is the default, keeps all logs.
pub(super) fn logs(input: ServiceInput<'_>) -> Vec<Remark> {
    let logging = input.service.logging.clone().unwrap_or_default();
    let keeps_all = matches!(logging.driver.as_deref(), None | Some("" | "json-file"));
    if !keeps_all || logging.options.contains_key("max-size") {
        return Vec::new();
    }
    let key = if input.service.logging.is_some() { "logging" } else { "" };
    let message = format!("{} keeps all its logs until the disk is full", input.name);
    let help = "write logging: {driver: json-file, options: {max-size: 10m, max-file: \"3\"}}, or driver: local";
    vec![input.remark(key, message, help)]
}
