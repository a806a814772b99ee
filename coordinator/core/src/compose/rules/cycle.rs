//! Dependencies must not come back to where they began.
use crate::compose::diagnostic::Diagnostic;
use crate::compose::text::node::{Map, Node};

/// Finds the first circle.
pub(super) fn check_cycle(project: &Node) -> Result<(), Diagnostic> {
    let Some(services) = project.at_key("services").and_then(Node::as_map) else { return Ok(()) };
    let mut done: Vec<&str> = Vec::new();
    services.keys().try_for_each(|name| visit(name, services, &mut Vec::new(), &mut done))
}

fn visit<'a>(
    name: &'a str,
    services: &'a Map,
    path: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Result<(), Diagnostic> {
    let Some(service) = services.get(name) else { return Ok(()) };
    if let Some(start) = path.iter().position(|other| *other == name) {
        let circle = format!("{} > {name}", path[start..].join(" > "));
        let from = path.last().copied().unwrap_or(name);
        let dependencies = services.get(from).and_then(|service| service.at_key("depends_on"));
        let at = dependencies.and_then(|dependencies| dependencies.at_key(name)).map_or(&service.at, |node| &node.at);
        return Err(Diagnostic::at(at, format!("services depend on each other in a circle: {circle}"))
            .key(format!("services.{from}.depends_on.{name}"))
            .hint("one of them must start without the other"));
    }
    if done.contains(&name) {
        return Ok(());
    }
    path.push(name);
    for (dependency, _) in service.at_key("depends_on").into_iter().flat_map(Node::entries) {
        visit(dependency, services, path, done)?;
    }
    path.pop();
    done.push(name);
    Ok(())
}
