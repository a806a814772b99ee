//! Decides the answer to a query, from the zone alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use ipnet::IpNet;

use super::Zone;

/// Time to live of an answer, in seconds. It is short because an address may move to another host.
const TTL: u32 = 5;
/// Size of the largest answer over UDP, which every network passes in one packet (DNS flag day 2020).
const UDP_MAX: u16 = 1232;

/// What to do about a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send this answer.
    Answer(Vec<u8>),
    /// Ask the host's server, and send `otherwise` if it does not answer.
    Forward { otherwise: Vec<u8> },
    /// Do nothing, because the message is not a query.
    Ignore,
}

/// Transport of a query, which limits the size of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Decides the answer to a query. `turn` grows with every query and rotates the addresses of a name.
pub(super) fn answer(query: &[u8], zone: &Zone, turn: usize, transport: Transport) -> Verdict {
    let Ok(query) = Message::from_vec(query) else { return malformed(query) };
    if query.metadata.message_type != MessageType::Query {
        return Verdict::Ignore;
    }
    let reply = |code, answers| Verdict::Answer(encode(&query, code, answers, transport));
    let [question] = query.queries.as_slice() else { return reply(ResponseCode::FormErr, Vec::new()) };
    if query.metadata.op_code != OpCode::Query {
        return reply(ResponseCode::NotImp, Vec::new());
    }
    match lookup(question, zone, turn) {
        Some((code, answers)) => reply(code, answers),
        None => Verdict::Forward { otherwise: encode(&query, refusal(question), Vec::new(), transport) },
    }
}

/// Answers with a format error to a message that cannot be read but has the header of a query.
fn malformed(query: &[u8]) -> Verdict {
    match query {
        [high, low, flags, ..] if query.len() >= 12 && flags & 0x80 == 0 => {
            let id = u16::from_be_bytes([*high, *low]);
            let error = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
            error.to_vec().map_or(Verdict::Ignore, Verdict::Answer)
        }
        _ => Verdict::Ignore,
    }
}

/// Looks a question up in the zone; `None` if the fleet does not know the name.
fn lookup(question: &Query, zone: &Zone, turn: usize) -> Option<(ResponseCode, Vec<Record>)> {
    if question.query_class() != DNSClass::IN {
        return None;
    }
    if let Some(address) = fleet_address(question.name(), zone) {
        return Some(reverse(question, address, &zone.names));
    }
    let mut addresses = zone.names.get(&key(question.name())).filter(|addresses| !addresses.is_empty())?.clone();
    let first = turn % addresses.len();
    addresses.rotate_left(first);
    let answers = match question.query_type() {
        RecordType::A | RecordType::ANY => addresses,
        _ => Vec::new(),
    };
    let record = |address| record(question, RData::A(A(address)));
    Some((ResponseCode::NoError, answers.into_iter().map(record).collect()))
}

/// Returns the address whose name is asked for, if it is on one of the fleet's networks.
fn fleet_address(name: &Name, zone: &Zone) -> Option<Ipv4Addr> {
    match name.parse_arpa_name() {
        Ok(IpNet::V4(net)) if net.prefix_len() == 32 => {
            zone.gateways.values().any(|subnet| subnet.contains(&net.addr())).then_some(net.addr())
        }
        _ => None,
    }
}

/// Answers a question about the name of one of the fleet's addresses. No other server knows them, so the question is never
/// forwarded.
fn reverse(
    question: &Query,
    address: Ipv4Addr,
    names: &BTreeMap<String, Vec<Ipv4Addr>>,
) -> (ResponseCode, Vec<Record>) {
    let named = names.iter().find(|(_, addresses)| addresses.contains(&address));
    match named.and_then(|(name, _)| Name::from_ascii(format!("{name}.")).ok()) {
        Some(name) if matches!(question.query_type(), RecordType::PTR | RecordType::ANY) => {
            (ResponseCode::NoError, vec![record(question, RData::PTR(PTR(name)))])
        }
        Some(_) => (ResponseCode::NoError, Vec::new()),
        None => (ResponseCode::NXDomain, Vec::new()),
    }
}

fn record(question: &Query, data: RData) -> Record {
    Record::from_rdata(question.name().clone(), TTL, data)
}

/// Returns the key of a name in the zone: lower case, without the last dot.
fn key(name: &Name) -> String {
    let mut key = name.to_ascii().to_ascii_lowercase();
    if key.ends_with('.') {
        key.pop();
    }
    key
}

/// Chooses the response when no other server can be asked. A name of one part could only be one of the fleet, so it does
/// not exist.
fn refusal(question: &Query) -> ResponseCode {
    if question.name().num_labels() <= 1 { ResponseCode::NXDomain } else { ResponseCode::ServFail }
}

fn encode(query: &Message, code: ResponseCode, answers: Vec<Record>, transport: Transport) -> Vec<u8> {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&query.metadata);
    reply.metadata.authoritative = code != ResponseCode::ServFail;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.add_queries(query.queries.iter().take(1).cloned());
    reply.add_answers(answers);
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_MAX);
        reply.set_edns(edns);
    }
    let limit = match transport {
        Transport::Udp => query.max_payload().min(UDP_MAX),
        Transport::Tcp => u16::MAX,
    };
    match reply.to_vec() {
        Ok(bytes) if bytes.len() <= usize::from(limit) => bytes,
        // The truncation flag makes the client ask again over TCP.
        _ => reply.truncate().to_vec().unwrap_or_default(),
    }
}
