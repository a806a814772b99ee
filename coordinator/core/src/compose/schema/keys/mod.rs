//! The keys of a Compose file: the one table of what is known, honoured, ignored and refused.
use crate::compose::forms::long;
use crate::compose::schema::Keys::{Any as AnyKey, Names};
use crate::compose::schema::Merge::{Build, Dependencies, Hosts, Logging, Pools, Replace, Sequence};
use crate::compose::schema::Presence::Always;
use crate::compose::schema::Shape::{
    Choice, Command, DeviceCount, Duration, Flag, Float, Form, Int, List, Map, Mode, MultiOptions, Nullable,
    Object as Mapping, Options, Pairs, Published, Scalars, Short, Size, Test, Text, TextOrFlag, TextOrNull, Texts,
    Truth,
};
use crate::compose::schema::{BARE, Field, Index, LOOSE, Merge, Object, Presence, Shape, Unique, WHOLE, WRITTEN, key};

const fn object(fields: &'static [Field]) -> Object {
    Object { fields, required: &[], extensions: true }
}

const fn requiring(required: &'static [&'static str], fields: &'static [Field]) -> Object {
    Object { fields, required, extensions: true }
}

const fn plain(required: &'static [&'static str], fields: &'static [Field]) -> Object {
    Object { fields, required, extensions: false }
}

const NAMES: Shape = Texts { unique: true };
const TEXTS: Shape = Texts { unique: false };
const TEXT_OR_NAMES: Shape = Short(&[Text, NAMES]);
const TEXT_OR_TEXTS: Shape = Short(&[Text, TEXTS]);
const LABELS: Shape = Pairs { keeps_null: false };
const DRIVER_OPTIONS: Shape = Options { number: true, null: false };

const WINDOWS: &str = "it has a meaning on Windows only";
const NO_HOOKS: &str = "Landfast does not run hooks: use a service that others depend on with \
                        `condition: service_completed_successfully`";
const NO_MODELS: &str = "Landfast does not run models";
const SWARM: &str = "it has a meaning in Swarm only";

/// The file.
pub(crate) static PROJECT: Object = object(&[
    key("version", Text),
    key("name", Text),
    key("include", List(&Short(&[Text, Mapping(&INCLUDE)]), Unique::No)),
    key("services", Map(Names, &Mapping(&SERVICE))).presence(Always),
    key("networks", Map(AnyKey, &Nullable(&Mapping(&NETWORK)))).long(long::external),
    key("volumes", Map(Names, &Nullable(&Mapping(&VOLUME)))).long(long::external),
    key("secrets", Map(Names, &Mapping(&SECRET))).long(long::external),
    key("configs", Map(Names, &Mapping(&CONFIG))).long(long::external),
    key("models", Map(AnyKey, &Mapping(&MODEL))).refused(NO_MODELS),
]);

static INCLUDE: Object =
    plain(&[], &[key("path", TEXT_OR_NAMES), key("env_file", TEXT_OR_NAMES), key("project_directory", Text)]);

/// A service.
pub(crate) static SERVICE: Object = object(&[
    key("annotations", LABELS).merge(Sequence).index(Index::Key),
    key("attach", Flag).written().ignored("Landfast does not attach to what it starts: see `landfast logs -f`"),
    key("blkio_config", Mapping(&BLKIO)),
    key("build", Short(&[Text, Mapping(&BUILD)]))
        .merge(Build)
        .long(long::build)
        .ignored("Landfast does not build yet: build the image and name it with `image`"),
    key("cap_add", NAMES).index(Index::Key),
    key("cap_drop", NAMES).index(Index::Key),
    key("cgroup", Choice(&["host", "private"])),
    key("cgroup_parent", Text),
    key("command", Command).merge(Replace).presence(Presence::Nullable),
    key("configs", List(&Short(&[Text, Mapping(&FILE_REFERENCE)]), Unique::No))
        .index(Index::File(""))
        .long(long::file_references),
    key("container_name", Form(is_container_name, "letters, digits, `_`, `.` and `-`, two at least")),
    key("cpu_count", Int(WHOLE.within(0, i64::MAX))).ignored(WINDOWS),
    key("cpu_percent", Float(WHOLE.within(0, 100))).ignored(WINDOWS),
    key("cpu_period", Int(LOOSE)),
    key("cpu_quota", Int(LOOSE)),
    key("cpu_rt_period", Int(LOOSE)),
    key("cpu_rt_runtime", Int(LOOSE)),
    key("cpu_shares", Int(LOOSE)),
    key("cpus", Float(LOOSE)),
    key("cpuset", Text),
    key("credential_spec", Mapping(&CREDENTIAL_SPEC)).ignored(WINDOWS),
    key("depends_on", Short(&[NAMES, Map(Names, &Mapping(&DEPENDENCY))])).merge(Dependencies).long(long::dependencies),
    key("deploy", Nullable(&Mapping(&DEPLOY))),
    key("develop", Nullable(&Mapping(&DEVELOP))).ignored("Landfast does not watch files"),
    key("device_cgroup_rules", NAMES),
    key("devices", List(&Short(&[Text, Mapping(&DEVICE)]), Unique::No)).index(Index::Device).long(long::devices),
    key("dns", TEXT_OR_NAMES).merge(Sequence).index(Index::Key).long(long::dns),
    key("dns_opt", NAMES).merge(Sequence).index(Index::Key),
    key("dns_search", TEXT_OR_NAMES).merge(Sequence).index(Index::Key).long(long::texts),
    key("domainname", Text),
    key("entrypoint", Command).merge(Replace).presence(Presence::Nullable),
    key("env_file", Short(&[Text, List(&Short(&[Text, Mapping(&ENV_FILE)]), Unique::No)]))
        .merge(Sequence)
        .index(Index::Path)
        .long(long::env_files),
    key("environment", Pairs { keeps_null: true }).merge(Sequence).index(Index::Key),
    key("expose", Scalars).index(Index::Value),
    key("extends", Short(&[Text, Mapping(&EXTENDS)])),
    key("external_links", NAMES).ignored("Landfast does not link containers: use a network that both are on"),
    key("extra_hosts", Shape::Hosts).merge(Hosts),
    key("gpus", Short(&[Choice(&["all"]), List(&Mapping(&GPU), Unique::No)])).long(long::gpus),
    key("group_add", Scalars),
    key("healthcheck", Mapping(&HEALTHCHECK)),
    key("hostname", Text),
    key("image", Text),
    key("init", Flag).written(),
    key("ipc", Text),
    key("isolation", Text).ignored(WINDOWS),
    key("label_file", TEXT_OR_TEXTS).merge(Sequence).long(long::texts),
    key("labels", LABELS).merge(Sequence).index(Index::Key),
    key("links", NAMES)
        .index(Index::Key)
        .ignored("services find each other by name without links; a further name is an alias under `networks`"),
    key("logging", Mapping(&LOGGING)).merge(Logging),
    key("mac_address", Text),
    key("mem_limit", Size(LOOSE)),
    key("mem_reservation", Size(WHOLE)),
    key("mem_swappiness", Size(WHOLE)),
    key("memswap_limit", Size(LOOSE)),
    key("models", Short(&[NAMES, Map(AnyKey, &Nullable(&Mapping(&SERVICE_MODEL)))]))
        .merge(Merge::Names)
        .long(long::names)
        .refused(NO_MODELS),
    key("network_mode", Text),
    key("networks", Short(&[NAMES, Map(Names, &Nullable(&Mapping(&ATTACHMENT)))]))
        .merge(Merge::Names)
        .long(long::names),
    key("oom_kill_disable", Flag),
    key("oom_score_adj", Int(WHOLE.within(-1000, 1000))),
    key("pid", TextOrNull),
    key("pids_limit", Int(LOOSE)),
    key("platform", Text),
    key("ports", List(&Short(&[Int(BARE), Text, Mapping(&PORT)]), Unique::Yes)).index(Index::Port).long(long::ports),
    key("post_start", List(&Mapping(&HOOK), Unique::No)).refused(NO_HOOKS),
    key("pre_start", List(&Mapping(&PRE_START), Unique::No)).refused(NO_HOOKS),
    key("pre_stop", List(&Mapping(&HOOK), Unique::No)).refused(NO_HOOKS),
    key("privileged", Flag),
    key("profiles", NAMES).index(Index::Key),
    key("provider", Mapping(&PROVIDER)).refused("Landfast runs no provider plugins"),
    key("pull_policy", Form(is_pull_policy, "always, never, missing, build, daily, weekly or every_<duration>")),
    key("pull_refresh_after", Text).ignored("use `pull_policy`"),
    key("read_only", Flag),
    key("restart", Text),
    key("runtime", Text),
    key("scale", Int(WHOLE)).written(),
    key("secrets", List(&Short(&[Text, Mapping(&FILE_REFERENCE)]), Unique::No))
        .index(Index::File("/run/secrets"))
        .long(long::file_references),
    key("security_opt", NAMES),
    key("shm_size", Size(LOOSE)),
    key("stdin_open", Flag),
    key("stop_grace_period", Duration).written(),
    key("stop_signal", Text),
    key("storage_opt", Options { number: true, null: true }),
    key("sysctls", LABELS).merge(Sequence).index(Index::Key),
    key("tmpfs", TEXT_OR_NAMES).merge(Sequence).index(Index::Key).long(long::texts),
    key("tty", Flag),
    key("ulimits", ULIMITS),
    key("use_api_socket", Truth).refused("a container that holds the engine's socket holds the host"),
    key("user", Text),
    key("userns_mode", Text),
    key("uts", Text),
    key("volumes", List(&Short(&[Text, Mapping(&MOUNT)]), Unique::Yes)).index(Index::Mount).long(long::mounts),
    key("volumes_from", NAMES).refused("name the volumes in both services"),
    key("working_dir", Text),
]);

const ULIMITS: Shape = Map(AnyKey, &Short(&[Int(WHOLE), Mapping(&ULIMIT)]));

static BLKIO: Object = plain(
    &[],
    &[
        key("device_read_bps", List(&Mapping(&THROTTLE), Unique::No)).ignored(NO_THROTTLE),
        key("device_read_iops", List(&Mapping(&THROTTLE), Unique::No)).ignored(NO_THROTTLE),
        key("device_write_bps", List(&Mapping(&THROTTLE), Unique::No)).ignored(NO_THROTTLE),
        key("device_write_iops", List(&Mapping(&THROTTLE), Unique::No)).ignored(NO_THROTTLE),
        key("weight", Int(WHOLE)),
        key("weight_device", List(&Mapping(&WEIGHT), Unique::No)).ignored(NO_THROTTLE),
    ],
);
const NO_THROTTLE: &str = "Landfast sets no limits on single devices";
static THROTTLE: Object = plain(&[], &[key("path", Text), key("rate", Size(WHOLE))]);
static WEIGHT: Object = plain(&[], &[key("path", Text), key("weight", Int(WHOLE))]);

static BUILD: Object = object(&[
    key("additional_contexts", LABELS).merge(Sequence).index(Index::Key).long(long::pairs),
    key("args", Pairs { keeps_null: true }).merge(Sequence).index(Index::Key),
    key("cache_from", TEXTS),
    key("cache_to", TEXTS),
    key("context", Text),
    key("dockerfile", Text),
    key("dockerfile_inline", Text),
    key("entitlements", TEXTS),
    key("extra_hosts", Shape::Hosts).merge(Hosts),
    key("isolation", Text),
    key("labels", LABELS).merge(Sequence).index(Index::Key),
    key("network", Text),
    key("no_cache", Flag),
    key("no_cache_filter", TEXT_OR_NAMES).long(long::texts),
    key("platforms", TEXTS),
    key("privileged", Flag),
    key("provenance", TextOrFlag),
    key("pull", Flag),
    key("sbom", TextOrFlag),
    key("secrets", List(&Short(&[Text, Mapping(&FILE_REFERENCE)]), Unique::No)).long(long::file_references),
    key("shm_size", Size(WHOLE)),
    key("ssh", Shape::Ssh).long(long::ssh),
    key("tags", TEXTS).index(Index::Key),
    key("target", Text),
    key("ulimits", ULIMITS),
]);

static CREDENTIAL_SPEC: Object = object(&[key("config", Text), key("file", Text), key("registry", Text)]);

static DEPENDENCY: Object = requiring(
    &["condition"],
    &[
        key("condition", Choice(&["service_started", "service_healthy", "service_completed_successfully"])),
        key("required", Truth).written(),
        key("restart", Flag),
    ],
);

static DEPLOY: Object = object(&[
    key("endpoint_mode", Text).ignored(SWARM),
    key("labels", LABELS).merge(Sequence).index(Index::Key).ignored(SWARM),
    key("mode", Text),
    key("placement", Mapping(&PLACEMENT)).presence(Always),
    key("replicas", Int(WHOLE)).written(),
    key("resources", Mapping(&RESOURCES)).presence(Always),
    key("restart_policy", Mapping(&RESTART_POLICY)),
    key("rollback_config", Mapping(&UPDATE_CONFIG)),
    key("update_config", Mapping(&UPDATE_CONFIG)),
]);

static PLACEMENT: Object = object(&[
    key("constraints", TEXTS),
    key("max_replicas_per_node", Int(WHOLE)),
    key("preferences", List(&Mapping(&PREFERENCE), Unique::No)),
]);
static PREFERENCE: Object = object(&[key("spread", Text)]);

static RESOURCES: Object = object(&[key("limits", Mapping(&LIMITS)), key("reservations", Mapping(&RESERVATIONS))]);
static LIMITS: Object = object(&[key("cpus", Float(LOOSE)), key("memory", Size(WRITTEN)), key("pids", Int(WHOLE))]);
static RESERVATIONS: Object = object(&[
    key("cpus", Float(LOOSE)),
    key("devices", List(&Mapping(&DEVICE_REQUEST), Unique::No)),
    key("generic_resources", List(&Mapping(&GENERIC_RESOURCE), Unique::No)).ignored(SWARM),
    key("memory", Size(WRITTEN)),
]);
static GENERIC_RESOURCE: Object = object(&[key("discrete_resource_spec", Mapping(&DISCRETE_RESOURCE))]);
static DISCRETE_RESOURCE: Object = object(&[key("kind", Text), key("value", Int(LOOSE)).written()]);

static RESTART_POLICY: Object = object(&[
    key("condition", Text),
    key("delay", Duration).written(),
    key("max_attempts", Int(WHOLE)).written(),
    key("window", Duration).written(),
]);

static UPDATE_CONFIG: Object = object(&[
    key("delay", Duration),
    key("failure_action", Text),
    key("max_failure_ratio", Float(LOOSE)),
    key("monitor", Duration),
    key("order", Choice(&["start-first", "stop-first"])),
    key("parallelism", Int(WHOLE)).written(),
]);

static DEVELOP: Object = object(&[key("watch", List(&Mapping(&WATCH), Unique::No))]);
static WATCH: Object = requiring(
    &["path", "action"],
    &[
        key("action", Choice(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
        key("exec", Mapping(&HOOK)).presence(Always),
        key("ignore", TEXT_OR_NAMES).long(long::texts),
        key("include", TEXT_OR_NAMES).long(long::texts),
        key("initial_sync", Truth),
        key("path", Text),
        key("target", Text),
    ],
);

static DEVICE: Object = requiring(&["source"], &[key("permissions", Text), key("source", Text), key("target", Text)]);

static DEVICE_REQUEST: Object = requiring(
    &["capabilities"],
    &[
        key("capabilities", NAMES),
        key("count", DeviceCount),
        key("device_ids", NAMES),
        key("driver", Text),
        key("options", LABELS),
    ],
);
static GPU: Object = object(&[
    key("capabilities", NAMES),
    key("count", DeviceCount),
    key("device_ids", NAMES),
    key("driver", Text),
    key("options", LABELS),
]);

static ENV_FILE: Object =
    plain(&["path"], &[key("format", Text), key("path", Text), key("required", Flag).presence(Presence::UnlessTrue)]);

static EXTENDS: Object = plain(&["service"], &[key("file", Text), key("service", Text)]);

static FILE_REFERENCE: Object = object(&[
    key("gid", Text),
    key("mode", Mode).written(),
    key("source", Text),
    key("target", Text),
    key("uid", Text),
]);

static HEALTHCHECK: Object = object(&[
    key("disable", Flag),
    key("interval", Duration).written(),
    key("retries", Int(LOOSE)).written(),
    key("start_interval", Duration).written(),
    key("start_period", Duration).written(),
    key("test", Test).merge(Replace),
    key("timeout", Duration).written(),
]);

static HOOK: Object = requiring(&["command"], HOOK_FIELDS);
const HOOK_FIELDS: &[Field] = &[
    key("command", Command).presence(Presence::Nullable),
    key("environment", Pairs { keeps_null: true }),
    key("privileged", Flag),
    key("user", Text),
    key("working_dir", Text),
];
static PRE_START: Object = object(&[
    key("command", Command).presence(Presence::Nullable),
    key("entrypoint", Command).presence(Presence::Nullable),
    key("environment", Pairs { keeps_null: true }),
    key("image", Text),
    key("networks", Short(&[NAMES, Map(Names, &Nullable(&Mapping(&ATTACHMENT)))])).long(long::names),
    key("per_replica", Flag),
    key("privileged", Flag),
    key("user", Text),
    key("working_dir", Text),
]);

static LOGGING: Object = object(&[key("driver", Text), key("options", Options { number: true, null: true })]);

static SERVICE_MODEL: Object = object(&[key("endpoint_var", Text), key("model_var", Text)]);

static ATTACHMENT: Object = object(&[
    key("aliases", NAMES).index(Index::Key),
    key("driver_opts", DRIVER_OPTIONS),
    key("gw_priority", Int(BARE)),
    key("interface_name", Text).ignored("no engine before 28 can name an interface"),
    key("ipv4_address", Text),
    key("ipv6_address", Text),
    key("link_local_ips", NAMES).index(Index::Key),
    key("mac_address", Text),
    key("priority", Int(BARE)),
]);

static PORT: Object = object(&[
    key("app_protocol", Text),
    key("host_ip", Text),
    key("mode", Text),
    key("name", Text),
    key("protocol", Text),
    key("published", Published),
    key("target", Int(WHOLE)),
]);

static PROVIDER: Object = requiring(&["type"], &[key("options", MultiOptions), key("type", Text)]);

static ULIMIT: Object = requiring(&["soft", "hard"], &[key("hard", Int(WHOLE)), key("soft", Int(WHOLE))]);

static MOUNT: Object = requiring(
    &["type"],
    &[
        key("bind", Mapping(&MOUNT_BIND)),
        key("consistency", Text),
        key("image", Mapping(&MOUNT_IMAGE)),
        key("read_only", Flag),
        key("source", Text),
        key("target", Text),
        key("tmpfs", Mapping(&MOUNT_TMPFS)),
        key("type", Choice(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
        key("volume", Mapping(&MOUNT_VOLUME)),
    ],
);
static MOUNT_BIND: Object = object(&[
    key("create_host_path", Flag).presence(Presence::UnlessTrue),
    key("propagation", Text),
    key("recursive", Choice(&["enabled", "disabled", "writable", "readonly"])),
    key("selinux", Choice(&["z", "Z"])),
]);
static MOUNT_IMAGE: Object = object(&[key("subpath", Text)]);
static MOUNT_TMPFS: Object = object(&[key("mode", Int(LOOSE)), key("size", Size(WHOLE.within(0, i64::MAX)))]);
static MOUNT_VOLUME: Object =
    object(&[key("labels", LABELS).merge(Sequence), key("nocopy", Flag), key("subpath", Text)]);

const EXTERNAL: Shape = Short(&[Mapping(&EXTERNAL_NAME), Flag]);
static EXTERNAL_NAME: Object = object(&[key("name", Text)]);

static NETWORK: Object = object(&[
    key("attachable", Flag),
    key("driver", Text),
    key("driver_opts", DRIVER_OPTIONS),
    key("enable_ipv4", Flag).written(),
    key("enable_ipv6", Flag).written(),
    key("external", EXTERNAL),
    key("internal", Flag),
    key("ipam", Mapping(&IPAM)).presence(Always),
    key("labels", LABELS).merge(Sequence).index(Index::Key),
    key("name", Text),
]);
static IPAM: Object = object(&[
    key("config", List(&Mapping(&POOL), Unique::No)).merge(Pools),
    key("driver", Text),
    key("options", Options { number: false, null: false }),
]);
static POOL: Object = object(&[
    key("aux_addresses", Options { number: false, null: false }),
    key("gateway", Text),
    key("ip_range", Text),
    key("subnet", Text),
]);

static VOLUME: Object = object(&[
    key("driver", Text),
    key("driver_opts", DRIVER_OPTIONS),
    key("external", EXTERNAL),
    key("labels", LABELS).merge(Sequence),
    key("name", Text),
]);

static SECRET: Object = object(&[
    key("driver", Text).refused(SWARM),
    key("driver_opts", DRIVER_OPTIONS).refused(SWARM),
    key("environment", Text),
    key("external", EXTERNAL),
    key("file", Text),
    key("labels", LABELS),
    key("name", Text),
    key("template_driver", Text).refused(SWARM),
]);

static CONFIG: Object = object(&[
    key("content", Text),
    key("environment", Text),
    key("external", EXTERNAL),
    key("file", Text),
    key("labels", LABELS),
    key("name", Text),
    key("template_driver", Text).refused(SWARM),
]);

static MODEL: Object = requiring(
    &["model"],
    &[key("context_size", Int(BARE)), key("model", Text), key("name", Text), key("runtime_flags", TEXTS)],
);

/// Somewhere in it a letter or digit with one more such, `_`, `.` or `-` after it: all that the reference asks.
fn is_container_name(text: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_alphanumeric() && good(pair[1]))
}

fn is_pull_policy(text: &str) -> bool {
    let words = ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let every = text.find("every_").is_some_and(|at| {
        let period = &text[at + "every_".len()..];
        let unit = period.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < period.len() && unit.starts_with(['w', 'd', 'h', 'm', 's'])
    });
    every || words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::schema::Standing;

    #[test]
    fn each_table_names_a_key_once_and_in_order() {
        for object in [&SERVICE, &DEPLOY, &BUILD, &NETWORK, &VOLUME, &SECRET, &CONFIG, &MOUNT, &PORT] {
            let names: Vec<_> = object.fields.iter().map(|field| field.name).collect();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        }
    }

    #[test]
    fn what_is_not_honoured_says_why() {
        for field in SERVICE.fields {
            if let Standing::Ignored(why) | Standing::Refused(why) = field.standing {
                assert!(!why.is_empty() && !why.ends_with('.'), "{}", field.name);
            }
        }
    }

    #[test]
    fn names_and_policies_have_a_form() {
        assert!(is_container_name("web-1") && !is_container_name("") && !is_container_name("a"));
        assert!(is_pull_policy("every_12h") && !is_pull_policy("sometimes") && !is_pull_policy("every_h"));
    }
}
