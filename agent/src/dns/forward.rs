//! Forwards queries that the fleet cannot answer to the host's own server. Messages are passed on as bytes.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::Ipv4Net;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Settings;
use super::answer::Transport;
use super::framing::{read_message, write_message};

/// Time to wait for the host's server. Clients usually wait five seconds.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the first server in the host's `resolv.conf` that is not this one.
pub(super) async fn upstream(settings: &Settings, ours: &BTreeMap<Ipv4Addr, Ipv4Net>) -> io::Result<SocketAddr> {
    let conf = tokio::fs::read_to_string(&settings.resolv_conf).await?;
    let server = servers(&conf).find(|server| !is_ours(*server, ours));
    let server = server.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no DNS server"))?;
    Ok(SocketAddr::new(server, settings.port))
}

fn is_ours(server: IpAddr, ours: &BTreeMap<Ipv4Addr, Ipv4Net>) -> bool {
    matches!(server, IpAddr::V4(server) if ours.contains_key(&server))
}

fn servers(conf: &str) -> impl Iterator<Item = IpAddr> {
    conf.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    })
}

pub(super) async fn forward(query: &[u8], upstream: SocketAddr, transport: Transport) -> io::Result<Vec<u8>> {
    let ask = async {
        match transport {
            Transport::Udp => over_udp(query, upstream).await,
            Transport::Tcp => over_tcp(query, upstream).await,
        }
    };
    timeout(UPSTREAM_TIMEOUT, ask).await?
}

/// Sends a query over UDP from a port of its own, connected to the server, so that no other address can answer.
async fn over_udp(query: &[u8], upstream: SocketAddr) -> io::Result<Vec<u8>> {
    let any: IpAddr = if upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    socket.send(query).await?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    loop {
        let got = socket.recv(&mut answer).await?;
        if got >= 12 && answer[..2] == query[..2] {
            answer.truncate(got);
            return Ok(answer);
        }
    }
}

async fn over_tcp(query: &[u8], upstream: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    write_message(&mut stream, query).await?;
    read_message(&mut stream, usize::from(u16::MAX)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_the_resolver_reads_them() {
        let conf = "# nameserver 9.9.9.9\nsearch lan\n nameserver\t10.0.0.1 # first\nnameserver fe80::1%eth0\nnameserver ::1\n";
        assert_eq!(servers(conf).map(|server| server.to_string()).collect::<Vec<_>>(), ["10.0.0.1", "::1"]);
    }

    #[tokio::test]
    async fn a_query_is_never_sent_to_ourselves() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { port: 53, resolv_conf: folder.path().join("resolv.conf") };
        let ours = "172.19.255.1".parse().expect("an address");
        let zone = BTreeMap::from([(ours, "172.19.0.0/16".parse().expect("a subnet"))]);
        std::fs::write(&settings.resolv_conf, "nameserver 172.19.255.1\nnameserver 192.0.2.1\n").expect("written");
        assert_eq!(upstream(&settings, &zone).await.expect("a server").to_string(), "192.0.2.1:53");
        std::fs::write(&settings.resolv_conf, "nameserver 172.19.255.1\n").expect("written");
        assert!(upstream(&settings, &zone).await.is_err());
    }
}
