//! Overlays in a real kernel. Hosts and containers are network namespaces, connected by a switch that is a namespace too.
//!
//! The tests need root, iproute2, nsenter and the kernel's VXLAN, bridge and veth. Without them they fail with the command
//! that failed.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use landfast_agent_core::overlay::{Desired, Neighbour, diff};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::*;

const BRIDGE: &str = "lf-0123456789ab";
const DEVICE: &str = "lx-0123456789ab";

/// A network namespace, deleted when dropped.
struct Namespace(String);

impl Namespace {
    fn new(role: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lfx-{}-{}-{role}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run("ip", &["netns", "add", &name]);
        let namespace = Self(name);
        // IPv6 would send frames of its own, which would be counted among those that cross.
        namespace.run("sh", &["-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"]);
        namespace.ip("link set lo up");
        namespace
    }

    fn path(&self) -> String {
        format!("/var/run/netns/{}", self.0)
    }

    fn ip(&self, command: &str) -> String {
        run("ip", &[["-n", &self.0].as_slice(), &command.split(' ').collect::<Vec<_>>()].concat())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let net = format!("--net={}", self.path());
        run("nsenter", &[&[net.as_str(), program], arguments].concat())
    }

    /// Whether a datagram of `size` bytes to `address` reaches `other`, and an answer comes back.
    fn reaches(&self, other: &Namespace, address: &str, size: usize) -> bool {
        let (server, client) = (socket(other), socket(self));
        let port = server.local_addr().expect("an address").port();
        let mut buffer = vec![0; 2000];
        // Each request may fail where the connection is cut.
        let Ok(_) = client.send_to(&vec![7; size], (address, port)) else { return false };
        let Ok((got, from)) = server.recv_from(&mut buffer) else { return false };
        let Ok(_) = server.send_to(&buffer[..got], from) else { return false };
        client.recv(&mut buffer).is_ok_and(|got| got == size)
    }
}

fn socket(namespace: &Namespace) -> UdpSocket {
    let socket = inside(namespace, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)));
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
    socket.set_broadcast(true).expect("set");
    socket
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let deleted = Command::new("ip").args(["netns", "del", &self.0]).status();
        let is_gone = deleted.is_ok_and(|status| status.success());
        assert!(is_gone || std::thread::panicking(), "{} is still there", self.0);
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it ran");
    assert!(output.status.success(), "{program} {arguments:?} (needs root): {}", text(&output));
    text(&output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Hosts on one LAN, each with the bridge that the engine would have created.
struct Lan {
    switch: Namespace,
    hosts: Vec<Host>,
}

struct Host {
    overlay: Overlay,
    desired: Desired,
    containers: Vec<Namespace>,
    namespace: Namespace,
}

impl Lan {
    fn new(hosts: u8) -> Self {
        let switch = Namespace::new("lan");
        switch.ip("link add lan type bridge");
        switch.ip("link set lan up");
        let mut lan = Self { switch, hosts: Vec::new() };
        for number in 1..=hosts {
            let host = Host::new(number);
            lan.plug(&host.namespace, &format!("h{number}"), &format!("192.0.2.{number}/24"));
            lan.hosts.push(host);
        }
        lan
    }

    fn plug(&self, host: &Namespace, port: &str, address: &str) {
        self.switch.ip(&format!("link add {port} type veth peer name eth0 netns {}", host.0));
        self.switch.ip(&format!("link set {port} master lan up"));
        host.ip(&format!("address add {address} dev eth0"));
        host.ip("link set eth0 up");
    }

    /// Starts a container on a host and programs all other hosts.
    fn start(&mut self, on: usize, last: u8, epoch: u8) {
        self.hosts[on].start(last, epoch);
        for (number, host) in self.hosts.iter_mut().enumerate() {
            let address = Ipv4Addr::new(172, 19, 0, last);
            if number == on {
                host.desired.neighbours.remove(&address);
            } else {
                host.desired.neighbours.insert(address, Neighbour { mac: mac(epoch, last), host: lan_address(on) });
            }
        }
    }

    async fn converge(&self) {
        for host in &self.hosts {
            host.converge().await;
        }
    }
}

fn lan_address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(host).expect("few hosts") + 1)
}

fn mac(epoch: u8, last: u8) -> Mac {
    Mac::from_bytes(&[2, 0x1f, 0, epoch, 0, last]).expect("six bytes")
}

fn gateway_mac(host: u8) -> Mac {
    Mac::from_bytes(&[2, 0x1f, 0, 0, 255, host]).expect("six bytes")
}

impl Host {
    fn new(number: u8) -> Self {
        let namespace = Namespace::new(&format!("host{number}"));
        namespace.ip(&format!("link add {BRIDGE} type bridge"));
        namespace.ip(&format!("address add 172.19.255.{number}/16 dev {BRIDGE}"));
        namespace.ip(&format!("link set {BRIDGE} up"));
        let others = (1..=3).filter(|other| *other != number).map(|other| {
            let neighbour = Neighbour { mac: gateway_mac(other), host: lan_address(usize::from(other) - 1) };
            (Ipv4Addr::new(172, 19, 255, other), neighbour)
        });
        let desired = Desired {
            bridge: BRIDGE.to_owned(),
            vni: 4711,
            local: lan_address(usize::from(number) - 1),
            mtu: 1450,
            mac: gateway_mac(number),
            neighbours: others.collect(),
        };
        Self { overlay: inside(&namespace, Overlay::open), desired, containers: Vec::new(), namespace }
    }

    fn start(&mut self, last: u8, epoch: u8) {
        let container = Namespace::new(&format!("c{last}"));
        let port = format!("v{last}e{epoch}");
        self.namespace.ip(&format!("link add {port} mtu 1450 type veth peer name eth0 netns {}", container.0));
        self.namespace.ip(&format!("link set {port} master {BRIDGE} up"));
        container.ip(&format!("link set eth0 address {} mtu 1450", mac(epoch, last)));
        container.ip(&format!("address add 172.19.0.{last}/16 dev eth0"));
        container.ip("link set eth0 up");
        self.containers.push(container);
    }

    fn stop(&mut self, last: u8, epoch: u8) {
        // A namespace removes its devices some time after it is deleted. This one must be gone now.
        self.namespace.ip(&format!("link del v{last}e{epoch}"));
        self.containers.clear();
    }

    async fn plan(&self) -> Vec<Step> {
        diff(&self.desired, &self.overlay.observe(BRIDGE).await.expect("observed"))
    }

    async fn converge(&self) {
        for step in self.plan().await {
            self.carry_out(&step).expect("carried out");
        }
        assert_eq!(self.plan().await, [], "a second look finds nothing to do");
    }

    /// Carries out a step in the host's namespace, where the agent would run.
    fn carry_out(&self, step: &Step) -> Result<(), OverlayError> {
        let runtime = tokio::runtime::Handle::current();
        inside(&self.namespace, || Ok(runtime.block_on(self.overlay.apply(BRIDGE, step))))
    }

    /// Number of frames that the VXLAN device has sent.
    fn sent(&self) -> u64 {
        let listed = self.namespace.run("cat", &["/proc/net/dev"]);
        let line = listed.lines().find(|line| line.contains(DEVICE)).expect("the device");
        line.split_whitespace().nth(10).expect("a column").parse().expect("a number")
    }

    fn forwarding(&self) -> String {
        self.namespace.run("bridge", &["fdb", "show"])
    }
}

/// Runs `open` in a namespace. Its sockets stay there.
fn inside<T: Send>(namespace: &Namespace, open: impl FnOnce() -> io::Result<T> + Send) -> T {
    let (path, runtime) = (namespace.path(), tokio::runtime::Handle::current());
    std::thread::scope(|scope| {
        let open = scope.spawn(move || {
            let _guard = runtime.enter();
            let namespace = File::open(path).expect("a namespace");
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Network))
                .expect("entered, as root");
            open().expect("opened")
        });
        open.join().expect("it did not panic")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_gateways_and_hosts_reach_each_other_and_no_arp_crosses() {
    let mut lan = Lan::new(2);
    lan.start(0, 11, 1);
    lan.start(1, 12, 1);
    lan.converge().await;
    let [a, b] = &lan.hosts[..] else { panic!("two hosts") };
    let (one, two) = (&a.containers[0], &b.containers[0]);

    let before = (a.sent(), b.sent());
    assert!(one.reaches(two, "172.19.0.12", 10), "container to container");
    assert_eq!((a.sent() - before.0, b.sent() - before.1), (1, 1), "a datagram and its answer, and no arp");
    assert!(one.reaches(&b.namespace, "172.19.255.2", 10), "container to another host's gateway");
    assert!(a.namespace.reaches(two, "172.19.0.12", 10), "host to another host's container");
    assert!(b.namespace.reaches(one, "172.19.0.11", 10), "and the other way");
    assert!(one.reaches(&a.namespace, "172.19.255.1", 10), "container to its own gateway");

    let before = a.sent();
    assert!(one.reaches(two, "172.19.0.12", 1422), "a full frame");
    assert_eq!(a.sent() - before, 1, "and it was one");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_to_unknown_addresses_are_not_sent_to_other_hosts() {
    let mut lan = Lan::new(2);
    lan.start(0, 11, 1);
    lan.start(1, 12, 1);
    // The container is on host 2, but no table of host 1 has it.
    lan.hosts[1].start(13, 1);
    lan.converge().await;
    let (one, hidden) = (&lan.hosts[0].containers[0], &lan.hosts[1].containers[1]);
    let before = lan.hosts[0].sent();
    assert!(!one.reaches(hidden, "172.19.0.13", 10), "its arp found somebody");
    assert!(!one.reaches(hidden, "172.19.255.255", 10), "a broadcast arrived");
    assert!(!one.reaches(hidden, "224.0.0.1", 10), "a multicast arrived");
    assert_eq!(lan.hosts[0].sent(), before, "something crossed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_s_tables_are_as_they_were_planned() {
    let mut lan = Lan::new(2);
    lan.start(1, 12, 1);
    lan.converge().await;
    let table = lan.hosts[0].forwarding();
    let has = |row: &str| assert!(table.lines().any(|line| line.trim() == row), "no {row:?} in\n{table}");
    has(&format!("02:1f:00:01:00:0c dev {DEVICE} master {BRIDGE} static"));
    has(&format!("02:1f:00:01:00:0c dev {DEVICE} dst 192.0.2.2 self permanent"));
    let neighbours = lan.hosts[0].namespace.ip(&format!("neighbour show dev {BRIDGE} nud permanent"));
    assert!(neighbours.contains("172.19.0.12 lladdr 02:1f:00:01:00:0c PERMANENT"), "{neighbours}");
    let link = lan.hosts[0].namespace.ip(&format!("-d link show {DEVICE}"));
    for word in ["nolearning", "dstport 4789", "learning off", "flood off", "mcast_flood off", "bcast_flood off"] {
        assert!(link.contains(word), "no {word:?} in {link}");
    }
    assert!(link.contains("neigh_suppress on") && link.contains("mtu 1450"), "{link}");
    let bridge = lan.hosts[0].namespace.ip(&format!("link show {BRIDGE}"));
    assert!(bridge.contains("02:1f:00:00:ff:01") && bridge.contains("mtu 1450"), "{bridge}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_device_deleted_by_hand_is_noticed_and_made_again() {
    let mut lan = Lan::new(2);
    lan.start(0, 11, 1);
    lan.start(1, 12, 1);
    lan.converge().await;
    let (host, two) = (&lan.hosts[0], &lan.hosts[1].containers[0]);
    let mut events = inside(&host.namespace, events);
    host.namespace.ip(&format!("link del {DEVICE}"));
    assert!(!host.containers[0].reaches(two, "172.19.0.12", 10));
    let woken = tokio::time::timeout(Duration::from_secs(5), events.recv()).await;
    assert_eq!(woken.expect("an event within 5 seconds"), Some(()));
    host.converge().await;
    let healed = Instant::now();
    while !host.containers[0].reaches(two, "172.19.0.12", 10) {
        assert!(
            healed.elapsed() < Duration::from_secs(5),
            "the container's own question was lost, it asks each second"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f38_when_an_address_moves_no_row_of_the_old_place_is_left_and_the_new_one_answers() {
    let mut lan = Lan::new(3);
    lan.start(0, 11, 1);
    lan.start(1, 12, 1);
    lan.converge().await;
    let reaches =
        |lan: &Lan, from: &Namespace, on: usize| from.reaches(&lan.hosts[on].containers[0], "172.19.0.12", 10);
    assert!(reaches(&lan, &lan.hosts[0].containers[0], 1), "before the move");

    lan.hosts[1].stop(12, 1);
    lan.start(2, 12, 2);
    lan.converge().await;
    for host in &lan.hosts {
        assert!(!host.forwarding().contains("02:1f:00:01:00:0c"), "the old mac in\n{}", host.forwarding());
    }
    assert!(reaches(&lan, &lan.hosts[0].namespace, 2), "from a host");
    assert!(reaches(&lan, &lan.hosts[0].containers[0], 2), "from a container that knew the old place");
}

#[tokio::test(flavor = "multi_thread")]
async fn f35_a_foreign_device_with_our_vni_is_named_and_stays() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    host.namespace.ip("link add other type vxlan id 4711 dstport 4789 local 192.0.2.1");
    let create = Step::CreateDevice { vni: 4711, local: host.desired.local };
    let error = host.carry_out(&create).expect_err("refused");
    assert!(matches!(error, OverlayError::VniTaken { .. }), "{error}");
    assert!(host.namespace.ip("link show other").contains("other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_network_is_removed_and_what_is_not_ours_stays() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    host.converge().await;
    host.namespace.ip("link add lx-other type bridge");
    host.overlay.retain(&BTreeSet::from([BRIDGE.to_owned()])).await.expect("done");
    assert_eq!(host.plan().await, []);
    host.overlay.retain(&BTreeSet::new()).await.expect("done");
    let links = host.namespace.ip("link show");
    assert!(!links.contains(DEVICE) && links.contains("lx-other") && links.contains(BRIDGE), "{links}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_bridge_yet_nothing_is_seen_and_applying_says_so() {
    let namespace = Namespace::new("bare");
    let overlay = inside(&namespace, Overlay::open);
    assert_eq!(overlay.observe(BRIDGE).await.expect("observed"), Observed::default());
    let error = overlay.apply(BRIDGE, &Step::SetBridgeMtu(1450)).await.expect_err("refused");
    assert!(error.to_string().contains(BRIDGE), "{error}");
    overlay.apply(BRIDGE, &Step::RemoveDevice).await.expect("gone is gone");
}
