//! The ports of the host that are in use, and who uses them. The engine reports the ports of containers, and the kernel's
//! tables of sockets show the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use landfast_agent_core::desired::Claim;
use landfast_agent_core::observed::Listed;
use procfs::net::{self, TcpNetEntry, TcpState, UdpNetEntry, UdpState};
use procfs::process::{self, FDTarget};
use procfs::{ProcError, ProcResult};

use crate::error_text::in_one_line;
use crate::wire::UsedPort;

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listener {
    address: IpAddr,
    port: u16,
    protocol: &'static str,
    inode: u64,
}

/// Whether to find out which processes hold the ports, which takes a look at the open files of every process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processes {
    Named,
    Unnamed,
}

/// Lists all ports in use. Blocks: it reads files below `/proc`.
pub(crate) fn used(containers: &BTreeMap<String, Listed>, processes: Processes) -> Vec<UsedPort> {
    let mut used: Vec<UsedPort> = containers.values().flat_map(published).collect();
    let listeners = listeners();
    // The engine's proxy holds the published ports of containers. They belong to the containers.
    let others: Vec<&Listener> = listeners
        .iter()
        .filter(|listener| {
            !used.iter().any(|used| used.port == u32::from(listener.port) && used.protocol == listener.protocol)
        })
        .collect();
    let names = match processes {
        Processes::Named => names(&others.iter().map(|listener| listener.inode).collect()),
        Processes::Unnamed => BTreeMap::new(),
    };
    used.extend(others.into_iter().map(|listener| UsedPort {
        address: listener.address.to_string(),
        port: listener.port.into(),
        protocol: listener.protocol.to_owned(),
        owner: names.get(&listener.inode).cloned().unwrap_or_else(|| "a process on the host".to_owned()),
        instance: String::new(),
    }));
    used
}

fn published(listed: &Listed) -> Vec<UsedPort> {
    let instance = listed.instance.as_ref().map(ToString::to_string).unwrap_or_default();
    let ports = listed.ports.iter().map(|port| UsedPort {
        address: port.address.clone(),
        port: port.published.into(),
        protocol: port.protocol.clone(),
        owner: format!("container {}", listed.foreign.name),
        instance: instance.clone(),
    });
    ports.collect()
}

/// Names the holders of what these claims ask for. Empty if no holder is found.
pub(crate) fn owners(
    claims: &BTreeSet<Claim>,
    used: &[UsedPort],
    containers: &BTreeMap<String, Listed>,
) -> Vec<String> {
    let mut owners = Vec::new();
    for claim in claims {
        match claim {
            Claim::Port { port, protocol, .. } => {
                let holder = used.iter().find(|used| {
                    let (address, protocol) = (used.address.clone(), used.protocol.clone());
                    let held = u16::try_from(used.port).map(|port| Claim::Port { address, port, protocol });
                    held.is_ok_and(|held| held.clashes(claim))
                });
                owners.extend(holder.map(|used| format!("port {port}/{protocol} is held by {}", used.owner)));
            }
            Claim::Address { network, address } => {
                let holder = containers.values().find(|listed| listed.addresses.get(network) == Some(address));
                owners.extend(
                    holder.map(|listed| format!("address {address} is held by container {}", listed.foreign.name)),
                );
            }
        }
    }
    owners
}

fn listeners() -> BTreeSet<Listener> {
    let tcp = [net::tcp(), net::tcp6()].into_iter().flat_map(entries).filter_map(|entry| listener_tcp(&entry));
    let udp = [net::udp(), net::udp6()].into_iter().flat_map(entries).filter_map(|entry| listener_udp(&entry));
    tcp.chain(udp).collect()
}

/// Returns the entries of one of the kernel's tables of sockets. A kernel without IPv6 has no table for it.
fn entries<T>(table: ProcResult<Vec<T>>) -> Vec<T> {
    table.unwrap_or_else(|error| {
        if !matches!(error, ProcError::NotFound(_)) {
            tracing::warn!(error = in_one_line(&error), "listening sockets not read");
        }
        Vec::new()
    })
}

fn listener_tcp(entry: &TcpNetEntry) -> Option<Listener> {
    (entry.state == TcpState::Listen).then(|| Listener::new(entry.local_address, "tcp", entry.inode))
}

/// Returns the listener of a UDP socket without a peer, which receives from any address. The kernel shows its state as
/// closed.
fn listener_udp(entry: &UdpNetEntry) -> Option<Listener> {
    (entry.state == UdpState::Close).then(|| Listener::new(entry.local_address, "udp", entry.inode))
}

impl Listener {
    fn new(address: SocketAddr, protocol: &'static str, inode: u64) -> Self {
        Listener { address: address.ip().to_canonical(), port: address.port(), protocol, inode }
    }
}

/// Names the processes that hold these sockets, by inode: `nginx (process 812)`. Sockets whose process is not found are
/// left out.
fn names(inodes: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    for process in process::all_processes().into_iter().flatten().flatten() {
        if names.len() == inodes.len() {
            break;
        }
        for descriptor in process.fd().into_iter().flatten().flatten() {
            if let FDTarget::Socket(inode) = descriptor.target
                && inodes.contains(&inode)
            {
                let name = process.stat().map(|stat| stat.comm).unwrap_or_default();
                names.insert(inode, format!("{name} (process {})", process.pid));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use landfast_agent_core::observed::{Foreign, Port, State};
    use procfs::FromReadSI as _;
    use procfs::net::{TcpNetEntries, UdpNetEntries};

    fn web() -> BTreeMap<String, Listed> {
        let port = Port { address: "0.0.0.0".to_owned(), published: 8080, target: 80, protocol: "tcp".to_owned() };
        let listed = Listed {
            instance: None,
            state: State::Running,
            foreign: Foreign { name: "web".to_owned(), ..Foreign::default() },
            ports: vec![port],
            addresses: [("infra_net".to_owned(), "172.19.0.5".to_owned())].into(),
            ..Listed::default()
        };
        [("id".to_owned(), listed)].into()
    }

    #[test]
    fn sockets_that_receive_from_anybody_listen_and_no_others() {
        let header =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let line = |address: &str, state: &str| {
            let rest = "00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
            format!("{header}   0: {address} 00000000:0000 {state} {rest}\n")
        };
        let system = procfs::current_system_info();
        let tcp = |text: String| {
            let table = TcpNetEntries::from_read(text.as_bytes(), system).expect("as the kernel writes it");
            table.0.iter().find_map(listener_tcp)
        };
        let udp = |text: String| {
            let table = UdpNetEntries::from_read(text.as_bytes(), system).expect("as the kernel writes it");
            table.0.iter().find_map(listener_udp)
        };
        let expected = |address: IpAddr, protocol| Listener { address, port: 8080, protocol, inode: 4711 };
        let (loopback, any) = ("0100007F:1F90", "00000000000000000000000000000000:1F90");
        let mapped = "0000000000000000FFFF00000100007F:1F90";
        assert_eq!(tcp(line(loopback, "0A")), Some(expected(Ipv4Addr::LOCALHOST.into(), "tcp")));
        assert_eq!(tcp(line(any, "0A")), Some(expected(Ipv6Addr::UNSPECIFIED.into(), "tcp")));
        assert_eq!(tcp(line(mapped, "0A")), Some(expected(Ipv4Addr::LOCALHOST.into(), "tcp")));
        assert_eq!(tcp(line(loopback, "01")), None);
        assert_eq!(udp(line(loopback, "07")), Some(expected(Ipv4Addr::LOCALHOST.into(), "udp")));
        assert_eq!(udp(line(loopback, "01")), None);
    }

    #[test]
    fn f49_the_owner_of_a_port_and_of_an_address_is_named() {
        let containers = web();
        let used: Vec<UsedPort> = containers.values().flat_map(published).collect();
        let port = Claim::Port { address: "127.0.0.1".to_owned(), port: 8080, protocol: "tcp".to_owned() };
        let address = Claim::Address { network: "infra_net".to_owned(), address: "172.19.0.5".to_owned() };
        let named = owners(&[port, address].into(), &used, &containers);
        assert_eq!(named, ["address 172.19.0.5 is held by container web", "port 8080/tcp is held by container web"]);
    }

    #[test]
    fn a_process_that_listens_is_named() {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = socket.local_addr().expect("bound").port();
        let used = used(&BTreeMap::new(), Processes::Named);
        let found = used.iter().find(|used| used.port == u32::from(port)).expect("listening");
        assert!(found.owner.contains(&format!("(process {})", std::process::id())), "{}", found.owner);
    }
}
