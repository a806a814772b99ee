//! Keys of networks, volumes, secrets, configs and models.
use super::{DOCUMENTATION_ONLY, DRIVER_OPTIONS, LABELS, SWARM, TEXTS, cases, object, requiring};
use crate::schema::Merge::{Pools, Sequence};
use crate::schema::Presence::Always;
use crate::schema::Shape::{Flag, Int, List, Object as Mapping, Options, Short, Text};
use crate::schema::{Index, NUMBER_ONLY, Object, Shape, Unique, key};

const EXTERNAL: Shape = Short(&[Mapping(&EXTERNAL_NAME), Flag]);

static EXTERNAL_NAME: Object = object(&[key("name", Text)]);

pub(super) static NETWORK: Object = object(&[
    key("name", Text),
    key("driver", Text).except(&[&cases::DRIVERS]),
    key("driver_opts", DRIVER_OPTIONS),
    key("ipam", Mapping(&IPAM)).presence(Always),
    key("external", EXTERNAL),
    key("internal", Flag),
    key("attachable", Flag),
    key("labels", LABELS).merge(Sequence).index(Index::Key),
    key("enable_ipv4", Flag).written().note("needs Docker Engine 28"),
    key("enable_ipv6", Flag).written(),
]);

static IPAM: Object = object(&[
    key("driver", Text),
    key("config", List(&Mapping(&POOL), Unique::No)).merge(Pools),
    key("options", Options { number: false, null: false }),
]);

static POOL: Object = object(&[
    key("subnet", Text),
    key("gateway", Text),
    key("ip_range", Text),
    key("aux_addresses", Options { number: false, null: false }),
]);

pub(super) static VOLUME: Object = object(&[
    key("name", Text),
    key("driver", Text),
    key("driver_opts", DRIVER_OPTIONS),
    key("external", EXTERNAL),
    key("labels", LABELS).merge(Sequence),
]);

pub(super) static SECRET: Object = object(&[
    key("name", Text).note(DOCUMENTATION_ONLY),
    key("file", Text),
    key("environment", Text).except(&[&cases::READ_ONLY_FILE, &cases::HIDDEN_FILE]),
    key("external", EXTERNAL).except(&[&cases::NO_STORE]),
    key("labels", LABELS).note(DOCUMENTATION_ONLY),
    key("driver", Text).refused(SWARM),
    key("driver_opts", DRIVER_OPTIONS).refused(SWARM),
    key("template_driver", Text).refused(SWARM),
]);

pub(super) static CONFIG: Object = object(&[
    key("name", Text).note(DOCUMENTATION_ONLY),
    key("file", Text),
    key("environment", Text).except(&[&cases::READ_ONLY_FILE, &cases::HIDDEN_FILE]),
    key("content", Text).except(&[&cases::READ_ONLY_FILE, &cases::HIDDEN_FILE]),
    key("external", EXTERNAL).except(&[&cases::NO_STORE]),
    key("labels", LABELS).note(DOCUMENTATION_ONLY),
    key("template_driver", Text).refused(SWARM),
]);

pub(super) static MODEL: Object = requiring(
    &["model"],
    &[key("name", Text), key("model", Text), key("context_size", Int(NUMBER_ONLY)), key("runtime_flags", TEXTS)],
);
