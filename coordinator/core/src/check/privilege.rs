//! Rules about privileges of processes.
use super::known;
use super::{Remark, ServiceInput};
use landfast_compose::model::Service;

/// Default capabilities of the engine. Adding one of them to `cap_drop: [ALL]` still leaves fewer than the default.
const USUAL: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// LF002: reports that the file asks for root. Other rules report services with more privileges.
pub(super) fn root(input: ServiceInput<'_>) -> Vec<Remark> {
    let Some(user) = input.service.user.as_deref().filter(|user| is_root(user)) else { return Vec::new() };
    if needs_root(input.service) {
        return Vec::new();
    }
    let message = format!("{} runs as root (user {user}), and nothing else in the file shows why", input.name);
    vec![input.remark("user", message, "set another user, such as 1000:1000, and let that user own its data")]
}

/// LF015: reports that neither the file nor the image shows which user the service runs as.
pub(super) fn perhaps_root(input: ServiceInput<'_>) -> Vec<Remark> {
    let service = input.service;
    let has_user = service.user.as_deref().is_some_and(|user| !user.is_empty());
    if has_user || needs_root(service) || drops_all(service) || known::leaves_root(service) {
        return Vec::new();
    }
    let message = format!("{} runs as root unless its image sets another user", input.name);
    vec![input.remark("", message, "set its user, such as user: 1000:1000")]
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("0" | "root"))
}

/// Root without capabilities has few privileges: LF002 still reports it, and LF015 does not.
fn drops_all(service: &Service) -> bool {
    service.cap_drop.iter().any(|capability| bare(capability) == "ALL")
}

/// Whether the service needs root: it has devices, host namespaces or added capabilities.
fn needs_root(service: &Service) -> bool {
    let of_the_host = |mode: &Option<String>| mode.as_deref() == Some("host");
    service.privileged
        || !service.devices.is_empty()
        || of_the_host(&service.pid)
        || of_the_host(&service.network_mode)
        || unusual(service).next().is_some()
        || super::mounts::sockets(service).next().is_some()
}

/// LF008: reports privileged containers.
pub(super) fn privileged(input: ServiceInput<'_>) -> Vec<Remark> {
    if !input.service.privileged {
        return Vec::new();
    }
    let message = format!("{} is privileged: an attacker who takes it over controls the host", input.name);
    let help = "remove it, and add only what is missing with devices: or cap_add:";
    vec![input.remark("privileged", message, help)]
}

/// LF013: reports added capabilities.
pub(super) fn capabilities(input: ServiceInput<'_>) -> Vec<Remark> {
    let added = unusual(input.service).map(|(at, capability)| {
        let message = match capability.as_str() {
            "ALL" => format!("{} has all capabilities, which is almost the same as privileged", input.name),
            other => format!("{} has a capability that containers do not have by default: {other}", input.name),
        };
        input.remark(&format!("cap_add[{at}]"), message, "remove it, or say in an exception why it is needed")
    });
    added.collect()
}

fn unusual(service: &Service) -> impl Iterator<Item = (usize, String)> {
    let all = service.cap_add.iter().enumerate().map(|(at, capability)| (at, bare(capability)));
    all.filter(|(_, capability)| !USUAL.contains(&capability.as_str()))
}

/// Name of a capability in its short form: `CAP_SYS_ADMIN` and `sys_admin` become `SYS_ADMIN`.
fn bare(capability: &str) -> String {
    let upper = capability.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

/// LF009: reports a writable root where the image works without, or where its user cannot write to the image's files.
pub(super) fn read_only(input: ServiceInput<'_>) -> Vec<Remark> {
    let service = input.service;
    let other_user = service.user.as_deref().is_some_and(|user| !user.is_empty() && !is_root(user));
    let known = known::read_only_with(service);
    if service.read_only || service.privileged || (known.is_none() && !other_user && !drops_all(service)) {
        return Vec::new();
    }
    let reason = match known {
        Some(_) => "its image works with one",
        None if other_user => "its user owns no files there",
        None => "without capabilities it can write little there",
    };
    let mounted = |folder: &&&str| {
        let tmpfs = service.tmpfs.iter().map(|it| it.target.as_str());
        let target = |path: &str| path.trim_end_matches('/') == **folder;
        !tmpfs.chain(service.volumes.iter().map(|it| it.target.as_str())).any(target)
    };
    let missing: Vec<&str> = known.unwrap_or(&["/tmp"]).iter().filter(mounted).copied().collect();
    let help = match missing.is_empty() {
        true => "write read_only: true".to_owned(),
        false => format!("write read_only: true and tmpfs: [{}]", missing.join(", ")),
    };
    vec![input.remark("", format!("{} could have a read-only root: {reason}", input.name), help)]
}
