//! Keys of the mappings inside a service.
use super::{DOCUMENTATION_ONLY, DRIVER_OPTIONS, LABELS, NAMES, TEXT_OR_NAMES, TEXTS, cases, object, plain, requiring};
use crate::forms::short;
use crate::schema::Keys::{Any as AnyKey, Names};
use crate::schema::Merge::{Hosts, Replace, Sequence};
use crate::schema::Presence::Always;
use crate::schema::Shape::{
    Choice, Command, DeviceCount, Duration, Flag, Int, List, Map, Mode, MultiOptions, Nullable, Object as Mapping,
    Options, Pairs, Published, Short, Size, Test, Text, TextOrFlag, Truth,
};
use crate::schema::{ANY, Field, Index, NUMBER_ONLY, Object, Presence, Shape, Unique, WHOLE, key};

pub(super) static BUILD: Object = object(&[
    key("context", Text).except(&[&cases::REMOTE_CONTEXT]),
    key("dockerfile", Text),
    key("dockerfile_inline", Text),
    key("entitlements", TEXTS).except(&[&cases::ENTITLEMENTS]),
    key("args", Pairs { keeps_null: true }).merge(Sequence).index(Index::Key),
    key("provenance", TextOrFlag).ignored(NO_ATTESTATIONS),
    key("sbom", TextOrFlag).ignored(NO_ATTESTATIONS),
    key("ssh", Shape::Ssh).long(short::ssh).except(&[&cases::SSH]),
    key("labels", LABELS).merge(Sequence).index(Index::Key),
    key("cache_from", TEXTS).except(&[&cases::CACHE_KINDS]),
    key("cache_to", TEXTS).ignored("the cache stays with the builder and is not exported"),
    key("no_cache", Flag),
    key("no_cache_filter", TEXT_OR_NAMES).long(short::texts),
    key("additional_contexts", LABELS)
        .merge(Sequence)
        .index(Index::Key)
        .long(short::pairs)
        .except(&[&cases::REMOTE_CONTEXT]),
    key("pull", Flag),
    key("extra_hosts", Shape::Hosts).merge(Hosts).except(&[&cases::BUILD_GATEWAY]),
    key("isolation", Text).ignored("it only applies to Windows"),
    key("network", Text).except(&[&cases::BUILD_NETWORK]),
    key("target", Text),
    key("secrets", List(&Short(&[Text, Mapping(&SECRET_REFERENCE)]), Unique::No))
        .long(short::file_references)
        .except(&[&cases::SECRET_OF_A_BUILD]),
    key("shm_size", Size(WHOLE)).except(&[&cases::OLD_BUILDER]),
    key("tags", TEXTS).index(Index::Key),
    key("ulimits", ULIMITS).except(&[&cases::OLD_BUILDER]),
    key("platforms", TEXTS).except(&[&cases::PLATFORMS]),
    key("privileged", Flag).except(&[&cases::PRIVILEGED_BUILD]),
]);

const NO_ATTESTATIONS: &str = "images are built without attestations";

/// A secret of a build.
static SECRET_REFERENCE: Object = object(&[
    key("source", Text),
    key("target", Text),
    key("uid", Text).except(&[&cases::SECRET_MODE]),
    key("gid", Text).except(&[&cases::SECRET_MODE]),
    key("mode", Mode).written().except(&[&cases::SECRET_MODE]),
]);

pub(super) static CREDENTIAL_SPEC: Object = object(&[key("config", Text), key("file", Text), key("registry", Text)]);

pub(super) static DEPENDENCY: Object = requiring(
    &["condition"],
    &[
        key("condition", Choice(&["service_started", "service_healthy", "service_completed_successfully"])),
        key("restart", Flag).note("the container is recreated when the other one is"),
        key("required", Truth).written(),
    ],
);

pub(super) static DEVELOP: Object = object(&[key("watch", List(&Mapping(&WATCH), Unique::No)).long(short::watches)]);

static WATCH: Object = requiring(
    &["path", "action"],
    &[
        key("path", Text),
        key("action", Choice(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
        key("target", Text),
        key("exec", Mapping(&HOOK)).presence(Always),
        key("include", TEXT_OR_NAMES).long(short::texts),
        key("ignore", TEXT_OR_NAMES).long(short::texts),
        key("initial_sync", Truth),
    ],
);

pub(super) static DEVICE: Object =
    requiring(&["source"], &[key("source", Text), key("target", Text), key("permissions", Text)]);

pub(super) static GPU: Object = object(&[
    key("capabilities", NAMES),
    key("driver", Text),
    key("count", DeviceCount),
    key("device_ids", NAMES),
    key("options", LABELS),
]);

pub(super) static ENV_FILE: Object =
    plain(&["path"], &[key("path", Text), key("required", Flag).presence(Presence::UnlessTrue), key("format", Text)]);

pub(super) static EXTENDS: Object = plain(&["service"], &[key("file", Text), key("service", Text)]);

pub(super) static FILE_REFERENCE: Object = object(&[
    key("source", Text),
    key("target", Text),
    key("uid", Text).except(&[&cases::MOUNTED_FILE]),
    key("gid", Text).except(&[&cases::MOUNTED_FILE]),
    key("mode", Mode).written().except(&[&cases::MOUNTED_FILE]),
]);

pub(super) static HEALTHCHECK: Object = object(&[
    key("test", Test).merge(Replace),
    key("timeout", Duration).written(),
    key("interval", Duration).written(),
    key("retries", Int(ANY)).written(),
    key("start_period", Duration).written(),
    key("start_interval", Duration).written().note("needs Docker Engine 25"),
    key("disable", Flag),
]);

pub(super) static HOOK: Object = requiring(&["command"], HOOK_FIELDS);

const HOOK_FIELDS: &[Field] = &[
    key("command", Command).presence(Presence::Nullable),
    key("user", Text),
    key("privileged", Flag),
    key("working_dir", Text),
    key("environment", Pairs { keeps_null: true }),
];

pub(super) static PRE_START: Object = object(&[
    key("command", Command).presence(Presence::Nullable),
    key("entrypoint", Command).presence(Presence::Nullable),
    key("environment", Pairs { keeps_null: true }),
    key("image", Text),
    key("networks", Short(&[NAMES, Map(Names, &Nullable(&Mapping(&ATTACHMENT)))])).long(short::names),
    key("privileged", Flag),
    key("user", Text),
    key("working_dir", Text),
    key("per_replica", Flag),
]);

pub(super) static LOGGING: Object =
    object(&[key("driver", Text), key("options", Options { number: true, null: true })]);

pub(super) static SERVICE_MODEL: Object = object(&[key("endpoint_var", Text), key("model_var", Text)]);

pub(super) static ATTACHMENT: Object = object(&[
    key("aliases", NAMES).index(Index::Key),
    key("driver_opts", DRIVER_OPTIONS),
    key("gw_priority", Int(NUMBER_ONLY)).note("needs Docker Engine 28"),
    key("interface_name", Text).note("needs Docker Engine 28.1"),
    key("ipv4_address", Text).note("on a network of the fleet, checked against every stack and host"),
    key("ipv6_address", Text),
    key("link_local_ips", NAMES).index(Index::Key),
    key("mac_address", Text).except(&[&cases::FLEET_MAC]),
    key("priority", Int(NUMBER_ONLY)),
]);

pub(super) static PORT: Object = object(&[
    key("name", Text).note(DOCUMENTATION_ONLY),
    key("mode", Text).note(DOCUMENTATION_ONLY),
    key("host_ip", Text).note("loopback by default, unless `publish` in `landfast.toml` opens the port"),
    key("target", Int(WHOLE.within(0, u32::MAX as i64))),
    key("published", Published),
    key("protocol", Text),
    key("app_protocol", Text).note(DOCUMENTATION_ONLY),
]);

pub(super) static PROVIDER: Object = requiring(&["type"], &[key("type", Text), key("options", MultiOptions)]);

pub(super) const ULIMITS: Shape = Map(AnyKey, &Short(&[Int(WHOLE), Mapping(&ULIMIT)]));

static ULIMIT: Object = requiring(&["soft", "hard"], &[key("soft", Int(WHOLE)), key("hard", Int(WHOLE))]);

pub(super) static MOUNT: Object = requiring(
    &["type"],
    &[
        key("type", Choice(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])).except(&[&cases::MOUNT_TYPES]),
        key("source", Text)
            .note("an anonymous volume moves to the next container of the instance, and is removed with the last one"),
        key("target", Text),
        key("read_only", Flag),
        key("consistency", Text).note("no effect on Linux, as with Compose"),
        key("bind", Mapping(&MOUNT_BIND)),
        key("volume", Mapping(&MOUNT_VOLUME)),
        key("tmpfs", Mapping(&MOUNT_TMPFS)),
        key("image", Mapping(&MOUNT_IMAGE))
            .refused("images cannot be mounted yet: copy the files into the image of the service"),
    ],
);

static MOUNT_BIND: Object = object(&[
    key("selinux", Choice(&["z", "Z"])),
    key("propagation", Text),
    key("create_host_path", Flag).presence(Presence::UnlessTrue),
    key("recursive", Choice(&["enabled", "disabled", "writable", "readonly"]))
        .except(&[&cases::RECURSIVE])
        .note("`writable` and `readonly` need Docker Engine 25"),
]);

static MOUNT_IMAGE: Object = object(&[key("subpath", Text)]);

static MOUNT_TMPFS: Object = object(&[key("size", Size(WHOLE.within(0, i64::MAX))), key("mode", Int(ANY))]);

static MOUNT_VOLUME: Object = object(&[
    key("labels", LABELS).merge(Sequence).note("only for an anonymous volume, which the engine creates for this mount"),
    key("nocopy", Flag),
    key("subpath", Text).note("needs Docker Engine 26"),
]);
