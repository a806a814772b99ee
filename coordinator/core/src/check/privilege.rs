//! What a process may do beyond what it needs.
use super::known;
use super::{Remark, ServiceInput};
use landfast_compose::model::Service;

/// What the engine gives every container: adding one of these to `cap_drop: [ALL]` is less than saying nothing.
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

/// LF002: the file asks for root. What is privileged in other ways is told there.
pub(super) fn root(input: ServiceInput<'_>) -> Vec<Remark> {
    let Some(user) = input.service.user.as_deref().filter(|user| is_root(user)) else { return Vec::new() };
    if needs_root(input.service) {
        return Vec::new();
    }
    let message = format!("{} runs as root (user {user}), and nothing else here says what for", input.name);
    vec![input.remark("user", message, "give it a user of its own, as 1000:1000, and let that user own its data")]
}

/// LF015: neither the file nor what is known of the image says who it runs as.
pub(super) fn perhaps_root(input: ServiceInput<'_>) -> Vec<Remark> {
    let service = input.service;
    let said = service.user.as_deref().is_some_and(|user| !user.is_empty());
    if said || needs_root(service) || drops_all(service) || known::leaves_root(service) {
        return Vec::new();
    }
    let message = format!("{} runs as root unless its image says otherwise", input.name);
    vec![input.remark("", message, "say who it runs as with user:, as 1000:1000")]
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("0" | "root"))
}

/// Root without capabilities is hardly root: LF002 still asks why the file wants it, LF015 does not.
fn drops_all(service: &Service) -> bool {
    service.cap_drop.iter().any(|capability| bare(capability) == "ALL")
}

/// Where root is what makes it work: devices, the host's namespaces, capabilities beyond the usual.
fn needs_root(service: &Service) -> bool {
    let of_the_host = |mode: &Option<String>| mode.as_deref() == Some("host");
    service.privileged
        || !service.devices.is_empty()
        || of_the_host(&service.pid)
        || of_the_host(&service.network_mode)
        || unusual(service).next().is_some()
        || super::mounts::sockets(service).next().is_some()
}

/// LF008.
pub(super) fn privileged(input: ServiceInput<'_>) -> Vec<Remark> {
    if !input.service.privileged {
        return Vec::new();
    }
    let message = format!("{} is privileged: whoever breaks into it has the host", input.name);
    let help = "take it out and add what is missing with devices: or cap_add:, one by one";
    vec![input.remark("privileged", message, help)]
}

/// LF013.
pub(super) fn capabilities(input: ServiceInput<'_>) -> Vec<Remark> {
    let added = unusual(input.service).map(|(at, capability)| {
        let message = match capability.as_str() {
            "ALL" => format!("{} has every capability: that is as good as privileged", input.name),
            other => format!("{} may do more than containers usually can: {other}", input.name),
        };
        input.remark(&format!("cap_add[{at}]"), message, "take it out, or say in an exception what it is needed for")
    });
    added.collect()
}

fn unusual(service: &Service) -> impl Iterator<Item = (usize, String)> {
    let all = service.cap_add.iter().enumerate().map(|(at, capability)| (at, bare(capability)));
    all.filter(|(_, capability)| !USUAL.contains(&capability.as_str()))
}

/// `CAP_SYS_ADMIN`, `sys_admin` and `SYS_ADMIN` are one.
fn bare(capability: &str) -> String {
    let upper = capability.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

/// LF009: where it is known to do, or where its user could not write to the image's files anyway.
pub(super) fn read_only(input: ServiceInput<'_>) -> Vec<Remark> {
    let service = input.service;
    let other_user = service.user.as_deref().is_some_and(|user| !user.is_empty() && !is_root(user));
    let known = known::read_only_with(service);
    if service.read_only || service.privileged || (known.is_none() && !other_user && !drops_all(service)) {
        return Vec::new();
    }
    let reason = match known {
        Some(_) => "its image does without",
        None if other_user => "its user owns nothing there",
        None => "without capabilities there is little it could do there",
    };
    let mounted = |folder: &&&str| {
        let tmpfs = service.tmpfs.iter().map(|it| it.target.as_str());
        let target = |path: &str| path.trim_end_matches('/') == **folder;
        !tmpfs.chain(service.volumes.iter().map(|it| it.target.as_str())).any(target)
    };
    let lacking: Vec<&str> = known.unwrap_or(&["/tmp"]).iter().filter(mounted).copied().collect();
    let help = match lacking.is_empty() {
        true => "write read_only: true".to_owned(),
        false => format!("write read_only: true and tmpfs: [{}]", lacking.join(", ")),
    };
    vec![input.remark("", format!("{} could have a read-only root: {reason}", input.name), help)]
}
