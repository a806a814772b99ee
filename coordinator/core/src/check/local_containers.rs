//! Rule about services that see only the containers of their own host.
use super::known::{self, Watcher};
use super::mounts::sockets;
use super::{Remark, ServiceInput};
use landfast_compose::model::Service;

/// LF016: reports services that find containers through an engine, because an engine knows only its own containers.
pub(super) fn own_host_only(input: ServiceInput<'_>) -> Vec<Remark> {
    let Some(watcher) = known::watcher(input.service).filter(|_| input.subject.hosts > 1) else { return Vec::new() };
    let is_everywhere = input.service.deploy.mode.as_deref() == Some("global");
    let Some(key) = way_to_the_engine(input).filter(|_| watcher == Watcher::Router || !is_everywhere) else {
        return Vec::new();
    };
    let message = format!(
        "{} finds containers through an engine socket, so it sees only one of the fleet's {} hosts",
        input.name, input.subject.hosts
    );
    let help = match watcher {
        Watcher::Router => {
            "write its routes into a file, because service names resolve on every host; or place the services that it routes to \
             on its own host"
        }
        Watcher::Other => "run one on every host: deploy: {mode: global}",
    };
    vec![input.remark(&key, message, help)]
}

/// Key by which a service reaches an engine: it mounts the socket, or names a socket proxy of the project.
fn way_to_the_engine(input: ServiceInput<'_>) -> Option<String> {
    if let Some((at, _)) = sockets(input.service).next() {
        return Some(format!("volumes[{at}]"));
    }
    let services = input.subject.project.services.iter();
    let proxies = services.filter(|(_, service)| known::is_socket_proxy(service)).map(|(name, _)| name.as_str());
    proxies.filter_map(|proxy| asks(input.service, &format!("tcp://{proxy}:"))).next()
}

/// Key that contains the address.
fn asks(service: &Service, address: &str) -> Option<String> {
    let in_command = service.command.iter().flatten().any(|word| word.contains(address));
    let variable = || {
        let values = service.environment.iter();
        let found = values.filter_map(|(name, value)| Some((name, value.as_ref()?))).find(|(_, v)| v.contains(address));
        found.map(|(name, _)| format!("environment.{name}"))
    };
    if in_command { Some("command".to_owned()) } else { variable() }
}
