//! Tests of reading `landfast.toml`, and of its error messages.
#![allow(clippy::unwrap_used)]
use landfast_core::fleet::{Fleet, PlacementRule, Publish};

const WHOLE: &str = r#"
[fleet]
name = "home"

[networks.infra_net]
subnet   = "172.19.0.0/16"
auto     = "172.19.128.0/17"
gateways = "172.19.255.0/24"

[hosts.alpha]
address = "192.168.2.201"
labels  = { disk = "ssd" }
[hosts.beta]
address = "192.168.2.202"
port = 7300

[stacks.infra]
path     = "infra"
env      = "dev"
profiles = ["core"]
[stacks.infra.place]
"etcd-1" = "alpha"
"etcd-2" = ["alpha", "beta"]
"*"      = { label = "disk=ssd" }
[stacks.infra.publish]
traefik  = "lan"
"#;

fn mistakes(text: &str) -> String {
    Fleet::parse("landfast.toml", text).unwrap_err().to_string()
}

#[test]
fn a_whole_fleet_is_read() {
    let fleet = Fleet::parse("landfast.toml", WHOLE).unwrap();
    assert_eq!(fleet.name, "home");
    assert_eq!(fleet.networks["infra_net"].mtu, 1450);
    assert_eq!(fleet.hosts["alpha"].port, 7219);
    assert_eq!(fleet.hosts["beta"].port, 7300);
    assert_eq!(fleet.hosts["alpha"].labels["disk"], "ssd");
    let stack = &fleet.stacks["infra"];
    assert_eq!(stack.env.as_deref(), Some("dev"));
    assert_eq!(stack.place["etcd-1"].rule, PlacementRule::Hosts(vec!["alpha".into()]));
    assert_eq!(stack.place["*"].rule, PlacementRule::Label { key: "disk".into(), value: "ssd".into() });
    assert_eq!(stack.publish["traefik"], Publish::Lan);
}

#[test]
fn default_ranges_are_at_the_end_of_the_subnet() {
    let fleet = Fleet::parse("f", "[fleet]\nname = \"a\"\n[networks.n]\nsubnet = \"10.7.0.0/16\"").unwrap();
    assert_eq!(fleet.networks["n"].auto.to_string(), "10.7.128.0/17");
    assert_eq!(fleet.networks["n"].gateways.to_string(), "10.7.255.0/24");
}

#[test]
fn invalid_toml_is_reported_with_its_location() {
    assert!(
        mistakes("[fleet\nname = 3").starts_with("landfast.toml:1:7: invalid TOML: "),
        "{}",
        mistakes("[fleet\nname = 3")
    );
}

#[test]
fn an_unknown_key_is_reported_with_its_location_and_a_similar_key() {
    let text = WHOLE.replace("subnet   =", "subnett  =");
    assert_eq!(
        mistakes(&text),
        "landfast.toml:5:11: the network has no subnet: write subnet = \"172.19.0.0/16\" (networks.infra_net)\n\
         landfast.toml:6:1: unknown key (networks.infra_net.subnett)\n  hint: did you mean subnet?"
    );
}

#[test]
fn overlapping_ranges_are_refused_with_both_locations() {
    let text = format!("{WHOLE}\n[networks.other]\nsubnet = \"172.19.64.0/20\"\n");
    assert_eq!(
        mistakes(&text),
        "landfast.toml:28:11: the subnet 172.19.64.0/20 overlaps 172.19.0.0/16 of infra_net (landfast.toml:5:11) \
         (networks.other.subnet)"
    );
}

#[test]
fn ranges_outside_the_subnet_are_refused() {
    let text = WHOLE.replace("172.19.128.0/17", "172.20.128.0/17");
    assert_eq!(
        mistakes(&text),
        "landfast.toml:5:11: auto 172.20.128.0/17 is not inside the subnet 172.19.0.0/16 (networks.infra_net.auto)"
    );
    assert!(mistakes(&WHOLE.replace("172.19.0.0/16", "172.19.0.1/16")).contains("did you mean 172.19.0.0/16?"));
    assert!(mistakes(&WHOLE.replace("172.19.255.0/24", "172.19.128.0/17")).contains("no automatic address is left"));
    assert!(
        mistakes(&WHOLE.replace("172.19.255.0/24", "172.19.255.4/32")).contains("room for 1 hosts, the fleet has 2")
    );
}

#[test]
fn an_unknown_host_is_refused_with_the_known_hosts() {
    let text = WHOLE.replace("\"etcd-1\" = \"alpha\"", "\"etcd-1\" = \"gamma\"");
    assert_eq!(
        mistakes(&text),
        "landfast.toml:22:1: no host is called gamma: the fleet has alpha, beta (stacks.infra.place.etcd-1)"
    );
    assert!(mistakes(&WHOLE.replace("disk=ssd", "disk=hdd")).contains("no host has the label disk=hdd"));
}

#[test]
fn invalid_hosts_are_refused() {
    assert!(mistakes(&WHOLE.replace(".202", ".201").replace("7300", "7219")).contains("is also the address of alpha"));
    assert!(mistakes(&WHOLE.replace("192.168.2.202", "172.19.3.4")).contains("is in 172.19.0.0/16"));
    assert!(mistakes(&WHOLE.replace("192.168.2.202", "beta.lan")).contains("is not an IPv4 address"));
    assert!(mistakes(&WHOLE.replace("port = 7300", "port = 0")).contains("a port is a number from 1 to 65535"));
    assert!(
        mistakes(&WHOLE.replace("hosts.beta", "hosts.Beta"))
            .contains("\"Beta\" is not a name of a host: lower-case letters")
    );
}

#[test]
fn a_stack_whose_name_no_agent_accepts_is_refused() {
    let stack = |name: &str| mistakes(&format!("{WHOLE}\n[stacks.{name}]\npath = \"x\"\n"));
    assert!(stack(&"a".repeat(200)).contains("is not a name of a stack: lower-case letters"));
    assert!(stack("\"a.b\"").contains("\"a.b\" is not a name of a stack"));
}

#[test]
fn all_errors_are_reported_at_once() {
    let text = WHOLE.replace("\"lan\"", "\"wan\"").replace("\"dev\"", "7").replace("disk=ssd", "ssd");
    assert_eq!(mistakes(&text).lines().count(), 3, "{}", mistakes(&text));
}

#[test]
fn an_invalid_project_name_is_refused() {
    let read = |name: &str| {
        Fleet::parse("landfast.toml", &format!("[fleet]\nname = \"home\"\n[stacks.web]\nproject = {name}\n"))
    };
    assert_eq!(read("\"shop_1\"").unwrap().stacks["web"].project.as_deref(), Some("shop_1"));
    for (name, said) in [
        ("\"Shop\"", "landfast.toml:4:1: \"Shop\" is not a name of a project: lower-case letters, digits, - and _"),
        ("\"_a\"", "is not a name of a project"),
        ("\"\"", "is not a name of a project"),
        ("3", "expected a string in quotes, found integer"),
    ] {
        let refusal = read(name).unwrap_err().to_string();
        assert!(refusal.contains(said) && refusal.contains("(stacks.web.project)"), "{refusal}");
    }
}
