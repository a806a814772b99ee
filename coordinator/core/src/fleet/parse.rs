//! Parses `landfast.toml` into a fleet. [`super::check`] checks conditions across keys.
use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use landfast_agreement::{HostName, NetworkName, ProjectName, StackName, ports};
use toml::de::DeTable;

use super::reader::{Field, Reader, Table};
use super::{Fleet, FleetNetwork, Host, NamedEnvFile, Placement, PlacementRule, Publish, StackConfig};
use crate::environments::{self, EnvFilePattern};
use crate::policy::{self, Exception, Level, Policy};
use landfast_compose::Diagnostic;

/// Default MTU: VXLAN needs 50 of the usual 1500 bytes.
const MTU: u32 = 1450;

/// Returns the parts of the fleet that could be read, and all errors.
pub(super) fn parse(file_name: &str, text: &str) -> (Fleet, Vec<Diagnostic>) {
    let parsed = DeTable::parse(text);
    let mut reader = Reader::new(file_name, text);
    let mut fleet = Fleet::default();
    match &parsed {
        Ok(document) => read(&mut reader, Table::root(document.get_ref()), &mut fleet),
        Err(error) => {
            let message = error.message().trim_end().to_owned();
            reader.mistake(&error.span().unwrap_or(0..0), "", format!("invalid TOML: {message}"));
        }
    }
    (fleet, reader.mistakes)
}

fn read<'t>(reader: &mut Reader<'t>, root: Table<'t>, fleet: &mut Fleet) {
    for section in reader.known("", root, &["fleet", "networks", "hosts", "stacks", "check"]) {
        let Some(table) = reader.table(&section) else { continue };
        match section.name() {
            "fleet" => read_fleet(reader, table, fleet),
            "networks" => fleet.networks = entries(reader, &section, table, read_network),
            "check" => fleet.check = read_policy(reader, &section, table),
            "hosts" => fleet.hosts = entries(reader, &section, table, read_host),
            _ => fleet.stacks = entries(reader, &section, table, read_stack),
        }
    }
    if fleet.name.is_empty() && reader.mistakes.is_empty() {
        reader.mistake(&(0..0), "fleet.name", "the fleet has no name: write name = \"home\" under [fleet]");
    }
}

fn read_fleet<'t>(reader: &mut Reader<'t>, table: Table<'t>, fleet: &mut Fleet) {
    for field in reader.known("fleet", table, &["name"]) {
        let Some(name) = reader.text(&field) else { continue };
        if !HostName::is_valid(&name) {
            reader.mistake_at(&field, format!("{name:?} is not a name of a fleet: {}", HostName::RULE));
        }
        fleet.name = name;
    }
}

type ReadEntry<'t, T> = fn(&mut Reader<'t>, &Field<'t>, Table<'t>) -> Option<T>;

/// Reads a table of named tables, such as `[hosts.alpha]` and `[hosts.beta]`.
fn entries<'t, T>(
    reader: &mut Reader<'t>,
    section: &Field<'t>,
    table: Table<'t>,
    read: ReadEntry<'t, T>,
) -> BTreeMap<String, T> {
    let mut entries = BTreeMap::new();
    for field in reader.fields(&section.path, table) {
        let name = field.path[section.path.len() + 1..].to_owned();
        let checked = match section.path.as_str() {
            "hosts" => name.parse::<HostName>().map(drop),
            "stacks" => name.parse::<StackName>().map(drop),
            _ => name.parse::<NetworkName>().map(drop),
        };
        if let Err(invalid) = checked {
            reader.mistake_at(&field, invalid.to_string());
            continue;
        }
        let entry = reader.table(&field).and_then(|table| read(reader, &field, table));
        entries.extend(entry.map(|entry| (name, entry)));
    }
    entries
}

fn read_network<'t>(reader: &mut Reader<'t>, at: &Field<'t>, table: Table<'t>) -> Option<FleetNetwork> {
    let (mut subnet, mut auto, mut gateways, mut mtu) = (None, None, None, MTU);
    for field in reader.known(&at.path, table, &["subnet", "auto", "gateways", "mtu"]) {
        match field.name() {
            "subnet" => subnet = Some(read_subnet(reader, &field)?),
            "auto" => auto = Some(read_subnet(reader, &field)?),
            "gateways" => gateways = Some(read_subnet(reader, &field)?),
            _ => mtu = reader.number(&field)?,
        }
    }
    let Some(subnet) = subnet else {
        return reader.refuse(at, "the network has no subnet: write subnet = \"172.19.0.0/16\"");
    };
    if subnet.prefix_len() > 26 {
        return reader.refuse(at, format!("{subnet} is too small: a fleet network is a /26 or larger"));
    }
    let location = reader.location(&at.span);
    let auto = auto.unwrap_or_else(|| last(subnet, 1));
    let gateways = gateways.unwrap_or_else(|| last(subnet, if subnet.prefix_len() <= 16 { 8 } else { 2 }));
    Some(FleetNetwork { subnet, auto, gateways, mtu, location })
}

/// Returns the last of the 2^bits equal parts of a subnet.
fn last(subnet: Ipv4Net, bits: u8) -> Ipv4Net {
    let parts = subnet.subnets(subnet.prefix_len() + bits);
    parts.ok().and_then(Iterator::last).unwrap_or(subnet)
}

fn read_subnet<'t>(reader: &mut Reader<'t>, field: &Field<'t>) -> Option<Ipv4Net> {
    let subnet: Ipv4Net = reader.parsed(field, "an IPv4 subnet, such as 172.19.0.0/16")?;
    if subnet.trunc() == subnet {
        return Some(subnet);
    }
    reader.refuse(field, format!("{subnet} is an address, not a subnet: did you mean {}?", subnet.trunc()))
}

fn read_host<'t>(reader: &mut Reader<'t>, at: &Field<'t>, table: Table<'t>) -> Option<Host> {
    let (mut address, mut port, mut labels) = (None, ports::AGENT, BTreeMap::new());
    for field in reader.known(&at.path, table, &["address", "port", "labels"]) {
        match field.name() {
            "address" => address = Some(reader.parsed(&field, "an IPv4 address, such as 192.168.2.201")?),
            "port" => match reader.number(&field).map(u16::try_from) {
                Some(Ok(number)) if number > 0 => port = number,
                _ => return reader.refuse(&field, "a port is a number from 1 to 65535"),
            },
            _ => {
                let table = reader.table(&field)?;
                for label in reader.fields(&field.path, table) {
                    let value = reader.text(&label)?;
                    labels.insert(label.path[field.path.len() + 1..].to_owned(), value);
                }
            }
        }
    }
    let location = reader.location(&at.span);
    match address {
        Some(address) => Some(Host { address, port, labels, location }),
        None => reader.refuse(at, "the host has no address: write address = \"192.168.2.201\""),
    }
}

fn read_stack<'t>(reader: &mut Reader<'t>, at: &Field<'t>, table: Table<'t>) -> Option<StackConfig> {
    let mut stack = StackConfig {
        path: at.name().into(),
        project: None,
        files: Vec::new(),
        env: None,
        env_location: None,
        env_files: Vec::new(),
        profiles: Vec::new(),
        place: BTreeMap::new(),
        publish: BTreeMap::new(),
        exceptions: BTreeMap::new(),
        location: reader.location(&at.span),
    };
    for field in reader.known(
        &at.path,
        table,
        &["path", "project", "files", "env", "env_files", "profiles", "place", "publish", "check"],
    ) {
        match field.name() {
            "path" => stack.path = reader.text(&field).unwrap_or_default().into(),
            "project" => stack.project = read_project(reader, &field),
            "files" => stack.files = reader.texts(&field).unwrap_or_default().into_iter().map(Into::into).collect(),
            "env" => {
                stack.env = read_env(reader, &field);
                stack.env_location = Some(reader.location(&field.span));
            }
            "env_files" => stack.env_files = read_env_files(reader, &field),
            "profiles" => stack.profiles = reader.texts(&field).unwrap_or_default(),
            "place" => stack.place = services(reader, &field, read_placement),
            "check" => stack.exceptions = services(reader, &field, read_exceptions),
            _ => stack.publish = services(reader, &field, read_publish),
        }
    }
    Some(stack)
}

/// Reads a table of services, in which `*` stands for services that are not listed.
fn services<'t, T>(
    reader: &mut Reader<'t>,
    field: &Field<'t>,
    read: fn(&mut Reader<'t>, &Field<'t>) -> Option<T>,
) -> BTreeMap<String, T> {
    let mut services = BTreeMap::new();
    let Some(table) = reader.table(field) else { return services };
    for service in reader.fields(&field.path, table) {
        let name = service.path[field.path.len() + 1..].to_owned();
        services.extend(read(reader, &service).map(|value| (name, value)));
    }
    services
}

fn read_placement<'t>(reader: &mut Reader<'t>, field: &Field<'t>) -> Option<Placement> {
    let location = reader.location(&field.span);
    let rule = if field.is_list() {
        PlacementRule::Hosts(reader.texts(field)?)
    } else if field.is_table() {
        let table = reader.table(field)?;
        read_label(reader, field, table)?
    } else {
        PlacementRule::Hosts(vec![reader.text(field)?])
    };
    Some(Placement { rule, location })
}

fn read_label<'t>(reader: &mut Reader<'t>, at: &Field<'t>, table: Table<'t>) -> Option<PlacementRule> {
    let fields = reader.known(&at.path, table, &["label"]);
    let Some(field) = fields.first() else {
        return reader.refuse(at, "expected a host, a list of hosts, or { label = \"disk=ssd\" }");
    };
    let text = reader.text(field)?;
    match text.split_once('=') {
        Some((key, value)) => Some(PlacementRule::Label { key: key.trim().into(), value: value.trim().into() }),
        None => reader.refuse(field, format!("{text:?} is not a label: expected key=value")),
    }
}

fn read_publish<'t>(reader: &mut Reader<'t>, field: &Field<'t>) -> Option<Publish> {
    match reader.text(field)?.as_str() {
        "loopback" => Some(Publish::Loopback),
        "lan" => Some(Publish::Lan),
        "all" => Some(Publish::All),
        other => reader.refuse(field, format!("{other:?}: expected \"loopback\", \"lan\" or \"all\"")),
    }
}

fn read_project<'t>(reader: &mut Reader<'t>, field: &Field<'t>) -> Option<String> {
    let name = reader.text(field)?;
    match name.parse::<ProjectName>() {
        Ok(_) => Some(name),
        Err(invalid) => reader.refuse(field, invalid.to_string()),
    }
}

fn read_env<'t>(reader: &mut Reader<'t>, field: &Field<'t>) -> Option<String> {
    let name = reader.text(field)?;
    if environments::is_name(&name) {
        return Some(name);
    }
    reader.refuse(
        field,
        format!("{name:?} is not an environment: it is the part of a file name after .env., such as dev"),
    )
}

fn read_env_files<'t>(reader: &mut Reader<'t>, field: &Field<'t>) -> Vec<NamedEnvFile> {
    let Some(texts) = reader.places(field) else { return Vec::new() };
    if texts.is_empty() {
        reader.mistake_at(field, "the list is empty: remove it to use .env and the .env.NAME of the environment");
    }
    let mut files = Vec::new();
    for (text, span) in texts {
        match EnvFilePattern::parse(&text) {
            Ok(pattern) => files.push(NamedEnvFile { pattern, location: reader.location(&span) }),
            Err(why) => reader.mistake(&span, &field.path, why),
        }
    }
    files
}

/// Reads `[check]`: levels of rules, and the data folders.
fn read_policy<'t>(reader: &mut Reader<'t>, at: &Field<'t>, table: Table<'t>) -> Policy {
    let mut policy = Policy::default();
    let known: Vec<_> = std::iter::once("data_folders").chain(policy::codes()).collect();
    for field in reader.known(&at.path, table, &known) {
        match policy::rule(field.name()) {
            Some(rule) => policy.levels.extend(read_level(reader, &field).map(|level| (rule.code, level))),
            None => {
                policy.data_folders = reader.texts(&field).unwrap_or_default().into_iter().map(Into::into).collect();
            }
        }
    }
    policy
}

fn read_level<'t>(reader: &mut Reader<'t>, field: &Field<'t>) -> Option<Level> {
    let word = reader.text(field)?;
    let level = Level::parse(&word);
    if level.is_none() {
        reader.mistake_at(field, format!("{word:?}: expected \"error\", \"warning\", \"note\" or \"off\""));
    }
    level
}

/// Reads exceptions, such as `LF007 = "why it is acceptable here"`.
fn read_exceptions<'t>(reader: &mut Reader<'t>, at: &Field<'t>) -> Option<BTreeMap<&'static str, Exception>> {
    let table = reader.table(at)?;
    let mut exceptions = BTreeMap::new();
    for field in reader.known(&at.path, table, &policy::codes()) {
        let (Some(rule), Some(reason)) = (policy::rule(field.name()), reader.text(&field)) else { continue };
        if reason.trim().is_empty() || Level::parse(&reason).is_some() {
            reader.mistake_at(
                &field,
                format!("{reason:?} is not a reason: say why the exception from {} is acceptable", rule.code),
            );
            continue;
        }
        let location = Some(reader.location(&field.span));
        exceptions.insert(rule.code, Exception { reason, location, inline: false });
    }
    Some(exceptions)
}
