//! Compares the definitions of a network in two stacks.

use std::collections::{BTreeMap, BTreeSet};

use landfast_proto::v1::{Network, Pool};

/// Returns the keys that two stacks define differently, each with both values. Labels do not matter.
pub(crate) fn differences(one: &Network, other: &Network) -> Vec<String> {
    let (ours, theirs) = (settings(one), settings(other));
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let value = |settings: &BTreeMap<String, String>, key: &String| {
        settings.get(key).cloned().unwrap_or_else(|| "not set".to_owned())
    };
    let changed = keys.into_iter().filter(|key| ours.get(*key) != theirs.get(*key));
    let text = |key: &String| {
        format!("{key} is {} in {} and {} in {}", value(&ours, key), one.stack, value(&theirs, key), other.stack)
    };
    changed.map(text).collect()
}

/// What a definition sets, by the key of the Compose file.
fn settings(network: &Network) -> BTreeMap<String, String> {
    let driver = if network.driver.is_empty() { "bridge" } else { &network.driver };
    let plain = Pool { subnet: network.subnet.clone(), gateway: network.gateway.clone(), ..Pool::default() };
    let pools = if network.pools.is_empty() { std::slice::from_ref(&plain) } else { &network.pools };
    let pools: Vec<String> = pools.iter().map(pool_text).filter(|text| !text.is_empty()).collect();
    let written = [
        ("driver", driver.to_owned()),
        ("internal", network.internal.to_string()),
        ("attachable", network.attachable.to_string()),
        ("enable_ipv6", network.ipv6.to_string()),
        ("enable_ipv4", network.ipv4.map(|value| value.to_string()).unwrap_or_default()),
        ("ipam.config", pools.join(" and ")),
        ("ipam.driver", network.ipam_driver.clone()),
    ];
    let written = written.into_iter().filter(|(_, value)| !value.is_empty());
    let written = written.map(|(key, value)| (key.to_owned(), value));
    let options = entries("driver_opts", &network.options).chain(entries("ipam.options", &network.ipam_options));
    written.chain(options).collect()
}

fn entries<'m>(key: &'m str, map: &'m BTreeMap<String, String>) -> impl Iterator<Item = (String, String)> + 'm {
    map.iter().map(move |(name, value)| (format!("{key}.{name}"), format!("{value:?}")))
}

fn pool_text(pool: &Pool) -> String {
    let part = |key: &str, value: &str| (!value.is_empty()).then(|| format!("{key} {value}"));
    let parts = [part("subnet", &pool.subnet), part("ip_range", &pool.ip_range), part("gateway", &pool.gateway)];
    let taken = pool.aux_addresses.iter().map(|(name, address)| format!("aux_address {name} {address}"));
    parts.into_iter().flatten().chain(taken).collect::<Vec<_>>().join(", ")
}
