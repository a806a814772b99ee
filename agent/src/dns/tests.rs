//! The server on real sockets. Each test has loopback addresses of its own: 127.x.y.1 is the gateway and 127.x.y.2 the
//! host's server.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use rustix::net::SocketType;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::framing::{read_message, write_message};
use super::*;

struct Host {
    gateway: Ipv4Addr,
    upstream: Ipv4Addr,
    port: u16,
    zone: watch::Sender<Zone>,
    folder: tempfile::TempDir,
    _serving: AbortOnDropHandle<()>,
}

impl Host {
    /// Starts a server for `names`, on a gateway whose subnet is `subnet` or all of loopback.
    async fn with(names: &[(&str, &[u8])], subnet: Option<&str>) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let [x, y] = (NEXT.fetch_add(1, Ordering::Relaxed) + 256).to_be_bytes();
        let (gateway, upstream) = (Ipv4Addr::new(127, x, y, 1), Ipv4Addr::new(127, x, y, 2));
        let port = UdpSocket::bind((gateway, 0)).await.expect("bound").local_addr().expect("an address").port();
        let names = names.iter().map(|(name, last)| ((*name).to_owned(), last.iter().map(|last| at(*last)).collect()));
        let subnet = subnet.unwrap_or("127.0.0.0/8").parse().expect("a subnet");
        let (zone, zone_seen) = watch::channel(Zone::new(names, [(gateway, subnet)]));
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { port, resolv_conf: folder.path().join("resolv.conf") };
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(zone_seen, settings)));
        let host = Self { gateway, upstream, port, zone, folder, _serving: serving };
        host.wait_until_it_listens().await;
        host
    }

    async fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect((self.gateway, self.port)).await.is_err() {
            assert!(Instant::now() < deadline, "it does not listen on {}", self.gateway);
            tokio::task::yield_now().await;
        }
    }

    fn resolv_conf(&self, text: &str) {
        std::fs::write(self.folder.path().join("resolv.conf"), text).expect("written");
    }

    /// Runs a server of the host that answers every query over UDP with one address.
    async fn run_upstream(&self) {
        let socket = UdpSocket::bind((self.upstream, self.port)).await.expect("bound");
        self.resolv_conf(&format!("nameserver {}\n", self.upstream));
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((got, from)) = socket.recv_from(&mut buffer).await {
                let mut reply = Message::from_vec(&buffer[..got]).expect("a query").into_response();
                let name = reply.queries[0].name().clone();
                reply.add_answer(hickory_proto::rr::Record::from_rdata(name, 60, RData::A(at(99).into())));
                socket.send_to(&reply.to_vec().expect("encoded"), from).await.expect("sent");
            }
        });
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Message {
        self.try_ask(&question(name, kind).to_vec().expect("encoded")).await.expect("an answer")
    }

    async fn try_ask(&self, query: &[u8]) -> Option<Message> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bound");
        socket.send_to(query, (self.gateway, self.port)).await.expect("sent");
        let mut buffer = [0; 65535];
        let answer = timeout(Duration::from_secs(4), socket.recv_from(&mut buffer)).await.ok()?;
        let (got, from) = answer.expect("received");
        assert_eq!(from, SocketAddr::from((self.gateway, self.port)), "answered from where it was asked");
        Some(Message::from_vec(&buffer[..got]).expect("a message"))
    }

    async fn ask_over_tcp(&self, name: &str) -> Message {
        let mut stream = TcpStream::connect((self.gateway, self.port)).await.expect("connected");
        write_message(&mut stream, &question(name, RecordType::A).to_vec().expect("encoded")).await.expect("sent");
        Message::from_vec(&read_message(&mut stream, 65535).await.expect("answered")).expect("a message")
    }
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 19, 0, last)
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
    message
}

/// Returns the last bytes of the addresses in an answer.
fn addresses(answer: &Message) -> Vec<u8> {
    let address = |data: &RData| data.ip_addr().map(|address| address.to_string().rsplit('.').next().map(str::parse));
    answer.answers.iter().map(|record| address(&record.data).flatten().expect("an address").expect("a byte")).collect()
}

#[tokio::test]
async fn a_name_has_all_its_addresses_for_a_few_seconds_whatever_its_case() {
    let host = Host::with(&[("redis", &[20]), ("etcd.Data", &[52, 50, 51])], None).await;
    let answer = host.ask("ReDis.", RecordType::A).await;
    assert_eq!((answer.metadata.id, answer.metadata.response_code), (4711, ResponseCode::NoError));
    assert!(answer.metadata.authoritative && answer.metadata.recursion_desired);
    assert_eq!(answer.queries[0].name().to_ascii(), "ReDis.", "the question comes back as it was asked");
    assert_eq!((addresses(&answer), answer.answers[0].ttl), (vec![20], 5));
    assert_eq!(addresses(&host.ask_over_tcp("redis.").await), [20]);
}

#[tokio::test]
async fn several_addresses_take_turns_to_be_first() {
    let host = Host::with(&[("etcd", &[50, 51, 52])], None).await;
    let mut firsts = Vec::new();
    for _ in 0..3 {
        let answer = addresses(&host.ask("etcd.", RecordType::A).await);
        assert_eq!(answer.len(), 3);
        firsts.push(answer[0]);
    }
    firsts.sort_unstable();
    assert_eq!(firsts, [50, 51, 52]);
}

#[tokio::test]
async fn a_name_of_the_fleet_has_no_ipv6_and_that_is_no_error() {
    let host = Host::with(&[("redis", &[20])], None).await;
    for kind in [RecordType::AAAA, RecordType::MX, RecordType::HTTPS] {
        let answer = host.ask("redis.", kind).await;
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 0), "{kind}");
    }
}

#[tokio::test]
async fn what_the_fleet_does_not_know_is_asked_of_the_host_s_server() {
    let host = Host::with(&[("redis", &[20])], None).await;
    host.run_upstream().await;
    let answer = host.ask("example.com.", RecordType::A).await;
    assert_eq!((addresses(&answer), answer.answers[0].ttl, answer.metadata.id), (vec![99], 60, 4711));
    assert_eq!(addresses(&host.ask("redis.", RecordType::A).await), [20], "and only that");
}

#[tokio::test]
async fn without_a_server_of_the_host_an_unknown_name_is_refused_at_once() {
    let host = Host::with(&[("redis", &[20])], None).await;
    let begun = Instant::now();
    // There is no file, no server in it, only this server, or one that does not exist.
    for conf in [None, Some("search lan\n".to_owned()), Some(format!("nameserver {}\n", host.gateway))] {
        conf.inspect(|conf| host.resolv_conf(conf));
        assert_eq!(host.ask("nobody.", RecordType::A).await.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(host.ask("example.com.", RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
    }
    host.resolv_conf(&format!("nameserver {}\n", host.upstream));
    assert_eq!(host.ask("nobody.", RecordType::A).await.metadata.response_code, ResponseCode::NXDomain);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_of_the_host_that_says_nothing_is_not_waited_for_long() {
    let host = Host::with(&[], None).await;
    let _silent = UdpSocket::bind((host.upstream, host.port)).await.expect("bound");
    host.resolv_conf(&format!("nameserver {}\n", host.upstream));
    assert_eq!(host.ask("example.com.", RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn an_address_of_the_fleet_has_its_name_and_is_never_asked_of_others() {
    let host = Host::with(&[("redis", &[20])], None).await;
    host.zone.send_modify(|zone| {
        let subnet = "172.19.0.0/16".parse().expect("a subnet");
        zone.gateways.insert(at(254), subnet);
    });
    host.run_upstream().await;
    let answer = host.ask("20.0.19.172.in-addr.arpa.", RecordType::PTR).await;
    assert!(matches!(&answer.answers[0].data, RData::PTR(name) if name.to_ascii() == "redis."), "{answer}");
    let unknown = host.ask("21.0.19.172.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!((unknown.metadata.response_code, unknown.answers.len()), (ResponseCode::NXDomain, 0));
    assert_eq!(addresses(&host.ask("1.2.0.192.in-addr.arpa.", RecordType::PTR).await), [99]);
}

#[tokio::test]
async fn t37_who_is_not_on_the_network_gets_no_answer() {
    let host = Host::with(&[("redis", &[20])], Some("10.1.0.0/16")).await;
    let query = question("redis.", RecordType::A).to_vec().expect("encoded");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bound");
    socket.send_to(&query, (host.gateway, host.port)).await.expect("sent");
    let silence = timeout(Duration::from_millis(300), socket.recv(&mut [0; 512])).await;
    assert!(silence.is_err(), "it was answered");
    let mut stream = TcpStream::connect((host.gateway, host.port)).await.expect("connected");
    // The connection is closed. Writing may still succeed; reading finds the end.
    drop(write_message(&mut stream, &query).await);
    assert!(read_message(&mut stream, 65535).await.is_err(), "it was answered over TCP");
}

#[tokio::test]
async fn t37_an_answer_that_is_too_large_is_cut_and_whole_over_tcp() {
    let all: Vec<u8> = (1..=200).collect();
    let host = Host::with(&[("many", &all)], None).await;
    let cut = host.ask("many.", RecordType::A).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let mut query = question("many.", RecordType::A);
    query.set_edns(Edns::new()).edns.as_mut().expect("edns").set_max_payload(65000);
    let cut = host.try_ask(&query.to_vec().expect("encoded")).await.expect("an answer");
    assert!(cut.metadata.truncation, "whatever size is asked for");
    assert_eq!(host.ask_over_tcp("many.").await.answers.len(), 200);
}

#[tokio::test]
async fn t37_garbage_is_refused_or_passed_over_and_the_server_goes_on() {
    let host = Host::with(&[("redis", &[20])], None).await;
    let mut response = question("redis.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    let mut update = question("redis.", RecordType::A);
    update.metadata.op_code = OpCode::Update;
    let mut two = question("redis.", RecordType::A);
    two.add_query(two.queries[0].clone());
    // The name points at itself.
    let looping = [&question("x.", RecordType::A).to_vec().expect("encoded")[..12], &[0xc0, 12, 0, 1, 0, 1]].concat();

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bound");
    for ignored in [&[][..], b"x", &[0xff; 11], &[0xff; 600], &response.to_vec().expect("encoded")] {
        socket.send_to(ignored, (host.gateway, host.port)).await.expect("sent");
    }
    let silence = timeout(Duration::from_millis(300), socket.recv(&mut [0; 512])).await;
    assert!(silence.is_err(), "what is no query was answered");
    let code = async |query: Vec<u8>| host.try_ask(&query).await.expect("an answer").metadata.response_code;
    assert_eq!(code(looping).await, ResponseCode::FormErr);
    assert_eq!(code(two.to_vec().expect("encoded")).await, ResponseCode::FormErr);
    assert_eq!(code(update.to_vec().expect("encoded")).await, ResponseCode::NotImp);
    assert_eq!(addresses(&host.ask("redis.", RecordType::A).await), [20]);
}

#[tokio::test]
async fn names_and_gateways_change_while_it_serves() {
    let mut host = Host::with(&[("redis", &[20])], None).await;
    let old = host.gateway;
    host.gateway = Ipv4Addr::new(127, 255, old.octets()[2], 7);
    let subnet = "127.0.0.0/8".parse().expect("a subnet");
    host.zone.send_replace(Zone::new([("redis".to_owned(), vec![at(21)])], [(host.gateway, subnet)]));
    host.wait_until_it_listens().await;
    assert_eq!(addresses(&host.ask("redis.", RecordType::A).await), [21]);
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect((old, host.port)).await.is_ok() {
        assert!(Instant::now() < deadline, "it still listens on the old one");
    }
}

#[tokio::test]
async fn an_address_that_is_not_there_yet_is_listened_on() {
    let host = Host::with(&[], None).await;
    // The address is from TEST-NET-2 (RFC 5737), so no host has it.
    let absent = Ipv4Addr::new(198, 51, 100, 1);
    let subnet = "198.51.100.0/24".parse().expect("a subnet");
    host.zone.send_modify(|zone| {
        zone.gateways.insert(absent, subnet);
    });
    let deadline = Instant::now() + Duration::from_secs(5);
    let held = || match listen::bind(SocketAddrV4::new(absent, host.port), SocketType::DGRAM) {
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::AddrInUse,
    };
    while !held() {
        assert!(Instant::now() < deadline, "nobody listens on it");
        tokio::task::yield_now().await;
    }
}
