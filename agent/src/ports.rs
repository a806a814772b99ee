//! Ports of the host that are taken, and by whom: containers by what the engine publishes, everything else by the
//! kernel's table of listening sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use landfast_agent_core::desired::Claim;
use landfast_agent_core::observed::Listed;

use crate::wire::UsedPort;

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listener {
    address: IpAddr,
    port: u16,
    protocol: &'static str,
    inode: u64,
}

/// Whether to find out the names of processes: it means looking at every process's files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processes {
    Named,
    Unnamed,
}

/// All that is taken. Blocks: it reads below /proc.
pub(crate) fn used(containers: &BTreeMap<String, Listed>, processes: Processes) -> Vec<UsedPort> {
    let mut used: Vec<UsedPort> = containers.values().flat_map(published).collect();
    let listeners = listeners(Path::new("/proc"));
    // What a container publishes is held by the engine's proxy: that is the container's, not the proxy's.
    let others: Vec<&Listener> = listeners
        .iter()
        .filter(|listener| {
            !used.iter().any(|used| used.port == u32::from(listener.port) && used.protocol == listener.protocol)
        })
        .collect();
    let names = match processes {
        Processes::Named => names(Path::new("/proc"), &others.iter().map(|listener| listener.inode).collect()),
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

/// Who holds what these claims ask for, in words; empty when nobody is found.
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

fn listeners(proc: &Path) -> Vec<Listener> {
    let tables = [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")];
    let mut found = BTreeSet::new();
    for (file, protocol) in tables {
        // A kernel without IPv6 has no such table.
        let table = std::fs::read_to_string(proc.join("net").join(file)).unwrap_or_default();
        found.extend(table.lines().skip(1).filter_map(|line| listener(line, protocol)));
    }
    found.into_iter().collect()
}

/// `0: 0100007F:1F90 00000000:0000 0A … inode`: listening is state 0A for TCP, 07 for UDP.
fn listener(line: &str, protocol: &'static str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != (if protocol == "tcp" { "0A" } else { "07" }) {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener { address: address_of(address)?, port, protocol, inode: inode.parse().ok()? })
}

/// Words of the machine's byte order, in hexadecimal.
fn address_of(text: &str) -> Option<IpAddr> {
    let words = (0..text.len()).step_by(8).map(|at| u32::from_str_radix(text.get(at..at + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes.as_slice()).ok().map(|bytes| IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
}

/// Inode > `nginx (process 812)`, for those that can be found out.
fn names(proc: &Path, inodes: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    let folders = std::fs::read_dir(proc).into_iter().flatten().flatten();
    for folder in
        folders.filter(|folder| folder.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
    {
        if names.len() == inodes.len() {
            break;
        }
        let descriptors = std::fs::read_dir(folder.path().join("fd")).into_iter().flatten().flatten();
        let held = descriptors.filter_map(|descriptor| socket(&std::fs::read_link(descriptor.path()).ok()?));
        for inode in held.filter(|inode| inodes.contains(inode)) {
            let name = std::fs::read_to_string(folder.path().join("comm")).unwrap_or_default();
            names.insert(inode, format!("{} (process {})", name.trim(), folder.file_name().to_string_lossy()));
        }
    }
    names
}

/// `socket:[123]` > 123
fn socket(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfast_agent_core::observed::{Foreign, Port, State};

    fn web() -> BTreeMap<String, Listed> {
        let port = Port { address: "0.0.0.0".to_owned(), published: 8080, target: 80, protocol: "tcp".to_owned() };
        let listed = Listed {
            instance: None,
            state: State::Running,
            foreign: Foreign { name: "web".to_owned(), ..Foreign::default() },
            ports: vec![port],
            addresses: [("infra_net".to_owned(), "172.19.0.5".to_owned())].into(),
        };
        [("id".to_owned(), listed)].into()
    }

    #[test]
    fn the_kernels_lines_are_read() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        let expected = Listener { address: Ipv4Addr::LOCALHOST.into(), port: 8080, protocol: "tcp", inode: 4711 };
        assert_eq!(listener(line, "tcp"), Some(expected));
        assert_eq!(listener(&line.replace(" 0A ", " 01 "), "tcp"), None);
        let any = address_of("00000000000000000000000000000000");
        assert_eq!(any, Some(Ipv6Addr::UNSPECIFIED.into()));
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
