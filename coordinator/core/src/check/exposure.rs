//! Rules about services that other machines can reach.
use super::known;
use super::{Remark, ServiceInput};
use crate::fleet::Publish;
use landfast_compose::model::Port;

/// LF006: reports database ports beyond loopback. A port without an address is on loopback unless `landfast.toml` opens it.
pub(super) fn database_port(input: ServiceInput<'_>) -> Vec<Remark> {
    let database = known::is_database(input.service);
    let help = "use the stack's network to reach it; for a tool on the host, write 127.0.0.1 before the port";
    match input.service.network_mode.as_deref() {
        Some("host") if database => {
            let message = format!("{} is a database on the host's own network: all its ports are open", input.name);
            return vec![input.remark("network_mode", message, help)];
        }
        Some("host" | "none") => return Vec::new(),
        _ => {}
    }
    let ports = input.service.ports.iter().enumerate();
    let open = ports.filter(|(_, port)| database || known::is_database_port(port.target));
    let remark = |(at, port): (usize, &Port)| {
        let (target, whose) = (port.target, if database { "a database" } else { "a database's port" });
        let to = opened(input, port)?;
        let message = format!("{} is {whose}, and port {target} is open to {to}", input.name);
        Some(input.remark(&format!("ports[{at}]"), message, help))
    };
    open.filter_map(remark).collect()
}

/// Who can reach the port from outside its host, if anyone.
fn opened(input: ServiceInput<'_>, port: &Port) -> Option<String> {
    let by_file = port.host_ip.as_deref().filter(|address| !address.is_empty());
    match by_file {
        Some(address) if is_loopback(address) => None,
        Some("0.0.0.0" | "::" | "[::]") => Some("every machine".to_owned()),
        Some(address) => Some(format!("every machine that reaches {address}")),
        None => {
            let publish = input.subject.publish;
            let who = if publish.contains_key(input.name) { input.name } else { "*" };
            let at = format!("(stacks.{}.publish.{who} in landfast.toml)", input.subject.stack);
            match publish.get(who).copied().unwrap_or_default() {
                Publish::Loopback => None,
                Publish::Lan => Some(format!("the LAN {at}")),
                Publish::All => Some(format!("every machine {at}")),
            }
        }
    }
}

fn is_loopback(address: &str) -> bool {
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
