//! Looks up the addresses of a name: in `/etc/hosts`, then by DNS as `/etc/resolv.conf` says, then by `getent`.
//!
//! The C library is asked for nothing: linked statically, its `getaddrinfo` loads plugins that must be of the very same
//! version. `getent` belongs to the machine and knows what DNS does not, as names of mDNS and of directories.

use std::net::IpAddr;
use std::process::Stdio;
use std::str::FromStr as _;
use std::time::Duration;

use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::process::Command;

use super::config::Family;

/// Why a name has no address here.
#[derive(Debug, thiserror::Error)]
#[error("no address was found: {0}")]
pub struct NoAddress(String);

/// A look-up that takes longer is given up.
const LIMIT: Duration = Duration::from_secs(10);

/// The addresses of a name, the best first; an address is its own.
pub async fn addresses(name: &str, family: Family) -> Result<Vec<IpAddr>, NoAddress> {
    if let Ok(address) = IpAddr::from_str(name) {
        return Ok(vec![address]);
    }
    let asked = tokio::time::timeout(LIMIT, by_dns(name, system()));
    let (found, why) = match asked.await.unwrap_or_else(|_| Err("DNS does not answer".to_owned())) {
        Ok(found) => (found, "it has none of the kind that AddressFamily asks for".to_owned()),
        Err(why) => (tokio::time::timeout(LIMIT, by_getent(name)).await.unwrap_or_default(), why),
    };
    let found: Vec<IpAddr> = found.into_iter().filter(|address| is_of(*address, family)).collect();
    if found.is_empty() { Err(NoAddress(why)) } else { Ok(found) }
}

fn is_of(address: IpAddr, family: Family) -> bool {
    match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    }
}

/// A resolver as `/etc/resolv.conf` says. Without that file, `/etc/hosts` alone is looked at.
fn system() -> ResolverBuilder<TokioRuntimeProvider> {
    TokioResolver::builder_tokio().unwrap_or_else(|_| {
        let nothing = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        TokioResolver::builder_with_config(nothing, TokioRuntimeProvider::default())
    })
}

async fn by_dns(name: &str, resolver: ResolverBuilder<TokioRuntimeProvider>) -> Result<Vec<IpAddr>, String> {
    let resolver = resolver.build().map_err(|error| error.to_string())?;
    let found = resolver.lookup_ip(name).await.map_err(|error| match error {
        error if error.is_no_records_found() => "DNS and /etc/hosts do not know it".to_owned(),
        error => error.to_string(),
    })?;
    Ok(found.iter().collect())
}

/// What the machine's own look-up says. Without such a program it says nothing.
async fn by_getent(name: &str) -> Vec<IpAddr> {
    let mut getent = Command::new("getent");
    getent.args(["ahosts", "--", name]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = getent.output().await.map(|output| output.stdout).unwrap_or_default();
    listed(&String::from_utf8_lossy(&output))
}

/// The addresses at the beginning of the lines, each once.
fn listed(output: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in output.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if let Ok(address) = first.parse()
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::NameServerConfig;

    use super::*;

    #[test]
    fn what_getent_lists_is_read() {
        let output =
            "10.77.0.11      STREAM box.local\n10.77.0.11      DGRAM  \nfe80::1%eth0 STREAM\n::1 RAW\nnothing\n\n";
        assert_eq!(listed(output), [IpAddr::from([10, 77, 0, 11]), "::1".parse().unwrap()]);
    }

    #[tokio::test]
    async fn an_address_is_its_own_and_a_name_is_looked_up() {
        assert_eq!(addresses("10.77.0.11", Family::Any).await.unwrap(), [IpAddr::from([10, 77, 0, 11])]);
        let local = addresses("localhost", Family::V4).await.unwrap();
        assert_eq!(local, [IpAddr::from([127, 0, 0, 1])]);
    }

    /// A name server on the loopback that knows one address for every name but `no`, until the test ends.
    async fn name_server() -> u16 {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                // The header is 12 bytes, and the question goes on to the end of the name, with its kind and class.
                let end = 12 + query[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
                let is_a = query[end - 4..end - 2] == [0, 1] && query[12..15] != *b"\x02no";
                let header = [query[0], query[1], 0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0];
                let mut answer = [&header[..], &query[12..end]].concat();
                if is_a {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 77, 0, 11]);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        port
    }

    #[tokio::test]
    async fn a_name_server_is_asked() {
        let mut server = NameServerConfig::udp([127, 0, 0, 1].into());
        server.connections[0].port = name_server().await;
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let resolver = || TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default());
        assert_eq!(by_dns("box.example", resolver()).await, Ok(vec![IpAddr::from([10, 77, 0, 11])]));
        assert_eq!(by_dns("no.example", resolver()).await.unwrap_err(), "DNS and /etc/hosts do not know it");
    }
}
