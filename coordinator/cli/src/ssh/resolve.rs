//! Resolves host names: with `/etc/hosts`, then with DNS as configured in `/etc/resolv.conf`, then with `getent`.
//!
//! The C library's `getaddrinfo` is not used, because in a static binary it loads plugins that must match the version
//! of the library. `getent` is a program of the machine and covers sources other than DNS, such as mDNS and directory
//! services.

use std::net::IpAddr;
use std::process::Stdio;
use std::str::FromStr as _;
use std::time::Duration;

use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::process::Command;

use super::config::Family;

/// A host name that has no address.
#[derive(Debug, thiserror::Error)]
#[error("it has no address: {0}")]
pub struct NoAddress(String);

/// Time limit of a lookup.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Resolves a name to its addresses, the preferred one first. An address resolves to itself.
pub async fn addresses(name: &str, family: Family) -> Result<Vec<IpAddr>, NoAddress> {
    if let Ok(address) = IpAddr::from_str(name) {
        return Ok(vec![address]);
    }
    let asked = tokio::time::timeout(LOOKUP_TIMEOUT, by_dns(name, system()));
    let (found, why) = match asked.await.unwrap_or_else(|_| Err("the DNS server did not respond".to_owned())) {
        Ok(found) => (found, "none of its addresses matches AddressFamily".to_owned()),
        Err(why) => (tokio::time::timeout(LOOKUP_TIMEOUT, by_getent(name)).await.unwrap_or_default(), why),
    };
    let found: Vec<IpAddr> = found.into_iter().filter(|address| matches_family(*address, family)).collect();
    if found.is_empty() { Err(NoAddress(why)) } else { Ok(found) }
}

fn matches_family(address: IpAddr, family: Family) -> bool {
    match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    }
}

/// A resolver that uses `/etc/resolv.conf`. Without that file, it uses only `/etc/hosts`.
fn system() -> ResolverBuilder<TokioRuntimeProvider> {
    TokioResolver::builder_tokio().unwrap_or_else(|_| {
        let nothing = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        TokioResolver::builder_with_config(nothing, TokioRuntimeProvider::default())
    })
}

async fn by_dns(name: &str, resolver: ResolverBuilder<TokioRuntimeProvider>) -> Result<Vec<IpAddr>, String> {
    let resolver = resolver.build().map_err(|error| error.to_string())?;
    let found = resolver.lookup_ip(name).await.map_err(|error| match error {
        error if error.is_no_records_found() => "it is neither in DNS nor in /etc/hosts".to_owned(),
        error => error.to_string(),
    })?;
    Ok(found.iter().collect())
}

/// Resolves a name with `getent`. Returns no address if the program is missing.
async fn by_getent(name: &str) -> Vec<IpAddr> {
    let mut getent = Command::new("getent");
    getent.args(["ahosts", "--", name]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = getent.output().await.map(|output| output.stdout).unwrap_or_default();
    parse_getent(&String::from_utf8_lossy(&output))
}

/// Parses the addresses at the beginning of the lines, without duplicates.
fn parse_getent(output: &str) -> Vec<IpAddr> {
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
    fn the_output_of_getent_is_parsed() {
        let output =
            "10.77.0.11      STREAM box.local\n10.77.0.11      DGRAM  \nfe80::1%eth0 STREAM\n::1 RAW\nnothing\n\n";
        assert_eq!(parse_getent(output), [IpAddr::from([10, 77, 0, 11]), "::1".parse().unwrap()]);
    }

    #[tokio::test]
    async fn an_address_resolves_to_itself_and_a_name_is_looked_up() {
        assert_eq!(addresses("10.77.0.11", Family::Any).await.unwrap(), [IpAddr::from([10, 77, 0, 11])]);
        let local = addresses("localhost", Family::V4).await.unwrap();
        assert_eq!(local, [IpAddr::from([127, 0, 0, 1])]);
    }

    /// A name server on the loopback interface that resolves every name except `no` to one address. It stops with the
    /// test.
    async fn name_server() -> u16 {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                // The header is 12 bytes long. The question ends after the name, its type and its class.
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
    async fn a_name_server_is_queried() {
        let mut server = NameServerConfig::udp([127, 0, 0, 1].into());
        server.connections[0].port = name_server().await;
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let resolver = || TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default());
        assert_eq!(by_dns("box.example", resolver()).await, Ok(vec![IpAddr::from([10, 77, 0, 11])]));
        assert_eq!(by_dns("no.example", resolver()).await.unwrap_err(), "it is neither in DNS nor in /etc/hosts");
    }
}
