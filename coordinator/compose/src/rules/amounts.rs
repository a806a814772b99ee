//! Checks keys of a service that set the same value in two places.
use crate::diagnostic::Diagnostic;
use crate::text::interpolate::join;
use crate::text::node::{Node, Value};

/// Checks that scales and limits do not contradict each other, and that several instances have no common name.
pub(super) fn check_amounts(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let deploy = service.at_key("deploy");
    let replicas = deploy.and_then(|deploy| deploy.at_key("replicas")).filter(|replicas| !replicas.is_null());
    let scale = service.at_key("scale").filter(|scale| !scale.is_null());
    if let (Some(scale), Some(replicas)) = (scale, replicas)
        && scale.value != replicas.value
    {
        let message = "`scale` and `deploy.replicas` differ";
        mistakes.push(Diagnostic::at(&scale.at, message).key(join(path, "scale")));
    }
    for (count, key) in [(scale, "scale"), (replicas, "deploy.replicas")] {
        if let Some(Node { value: Value::Int(..0), at, .. }) = count {
            mistakes.push(Diagnostic::at(at, "cannot be negative").key(join(path, key)));
        }
    }
    let count = scale.or(replicas).map_or(1, |count| if let Value::Int(count) = count.value { count } else { 1 });
    if count > 1 && service.text_at("container_name").is_some_and(|name| !name.is_empty()) {
        let message = format!("{count} instances cannot have the same `container_name`");
        mistakes.push(Diagnostic::at(&service.at, message).key(join(path, "container_name")));
    }
    let Some(resources) = deploy.and_then(|deploy| deploy.at_key("resources")) else { return };
    let pairs = [
        ("cpus", "limits", "cpus"),
        ("mem_limit", "limits", "memory"),
        ("mem_reservation", "reservations", "memory"),
        ("pids_limit", "limits", "pids"),
    ];
    for (key, set, amount) in pairs {
        let (Some(short), Some(set_node)) = (service.at_key(key), resources.at_key(set)) else { continue };
        let long = set_node.at_key(amount);
        if !is_zero(short) && long.is_none_or(|long| !same_amount(short, long)) {
            let message = format!("`{key}` and `deploy.resources.{set}.{amount}` differ");
            mistakes.push(Diagnostic::at(&short.at, message).key(join(path, key)));
        }
    }
}

fn is_zero(node: &Node) -> bool {
    node.scalar_text().is_none_or(|text| text == "0" || text.is_empty())
}

fn same_amount(a: &Node, b: &Node) -> bool {
    a.scalar_text() == b.scalar_text()
}

/// Checks that no two mounts have the same target.
pub(super) fn check_targets(service: &Node, path: &str, mistakes: &mut Vec<Diagnostic>) {
    let mut seen: Vec<(&str, String)> = Vec::new();
    let short = service.at_key("tmpfs").into_iter().flat_map(Node::items).enumerate();
    let short = short
        .filter_map(|(index, item)| Some((item.as_str()?.split(':').next()?, item, format!("{path}.tmpfs[{index}]"))));
    let long = service.at_key("volumes").into_iter().flat_map(Node::items).enumerate();
    let long =
        long.filter_map(|(index, item)| Some((item.text_at("target")?, item, format!("{path}.volumes[{index}]"))));
    for (target, item, path) in short.chain(long) {
        match seen.iter().find(|(other, _)| *other == target) {
            Some((_, first)) => {
                let message = format!("`{target}` is already mounted by {first}");
                mistakes.push(Diagnostic::at(&item.at, message).key(path));
            }
            None => seen.push((target, path)),
        }
    }
}
