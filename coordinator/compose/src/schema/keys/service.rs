//! Keys of a service.
use super::deploy::DEPLOY;
use super::parts::{
    ATTACHMENT, BUILD, CREDENTIAL_SPEC, DEPENDENCY, DEVELOP, DEVICE, ENV_FILE, EXTENDS, FILE_REFERENCE, GPU,
    HEALTHCHECK, HOOK, LOGGING, MOUNT, PORT, PRE_START, PROVIDER, SERVICE_MODEL, ULIMITS,
};
use super::{LABELS, NAMES, NO_MODELS, TEXT_OR_NAMES, TEXT_OR_TEXTS, cases, object, plain};
use crate::forms::short;
use crate::schema::Keys::{Any as AnyKey, Names};
use crate::schema::Merge::{Build, Dependencies, Hosts, Logging, Replace, Sequence};
use crate::schema::Shape::{
    Choice, Command, Duration, Flag, Float, Form, Int, List, Map, Nullable, Object as Mapping, Options, Pairs, Scalars,
    Short, Size, Text, TextOrNull, Truth,
};
use crate::schema::{ANY, Index, Merge, NUMBER_ONLY, Object, Presence, Shape, Unique, WHOLE, key};

const WINDOWS: &str = "it only applies to Windows";

const NO_HOOKS: &str = "commands before a container are not supported: use a service that others depend on with \
                        `condition: service_completed_successfully`";

const TOGETHER: &str = "with `service:…`, it runs on the host of that service and is recreated with it";

/// The shape of a service.
pub(crate) static SERVICE_SHAPE: Shape = Mapping(&SERVICE);

/// The keys of a service.
pub(crate) static SERVICE: Object = object(&[
    key("profiles", NAMES).index(Index::Key),
    key("deploy", Nullable(&Mapping(&DEPLOY))),
    key("develop", Nullable(&Mapping(&DEVELOP))).ignored("Landfast does not watch files"),
    key("restart", Text),
    key("scale", Int(WHOLE)).written(),
    key("attach", Flag).written().ignored("Landfast does not attach to containers: use `landfast logs -f`"),
    key("container_name", Form(is_container_name, "at least two letters, digits, `_`, `.` or `-`")),
    key("external_links", NAMES).except(&[&cases::NO_OWN_NETWORK]),
    key("links", NAMES)
        .index(Index::Key)
        .note("an extra name that only this service can use; the container is recreated when the other one is")
        .except(&[&cases::NO_COMMON_NETWORK]),
    key("extends", Short(&[Text, Mapping(&EXTENDS)])),
    key("provider", Mapping(&PROVIDER)).refused("Landfast does not run provider plugins"),
    key("pre_start", List(&Mapping(&PRE_START), Unique::No)).refused(NO_HOOKS),
    key("post_start", List(&Mapping(&HOOK), Unique::No))
        .note("a hook that fails also fails the deployment, which reports its output; the next deployment recreates the container"),
    key("pre_stop", List(&Mapping(&HOOK), Unique::No)).note("a hook that fails is logged, and the container is stopped"),
    key("annotations", LABELS).merge(Sequence).index(Index::Key).note("needs Docker Engine 24"),
    key("blkio_config", Mapping(&BLKIO)),
    key("cap_add", NAMES).index(Index::Key),
    key("cap_drop", NAMES).index(Index::Key),
    key("cgroup_parent", Text),
    key("cgroup", Choice(&["host", "private"])),
    key("cpu_count", Int(WHOLE.within(0, i64::MAX))).ignored(WINDOWS),
    key("cpu_percent", Float(WHOLE.within(0, 100))).ignored(WINDOWS),
    key("cpu_period", Int(ANY)),
    key("cpu_quota", Int(ANY)),
    key("cpu_rt_period", Int(ANY)),
    key("cpu_rt_runtime", Int(ANY)),
    key("cpus", Float(ANY)),
    key("cpuset", Text),
    key("cpu_shares", Int(ANY)),
    key("command", Command).merge(Replace).presence(Presence::Nullable),
    key("configs", List(&Short(&[Text, Mapping(&FILE_REFERENCE)]), Unique::No))
        .index(Index::File(""))
        .long(short::file_references),
    key("credential_spec", Mapping(&CREDENTIAL_SPEC)).ignored(WINDOWS),
    key("device_cgroup_rules", NAMES),
    key("devices", List(&Short(&[Text, Mapping(&DEVICE)]), Unique::No)).index(Index::Device).long(short::devices),
    key("dns", TEXT_OR_NAMES).merge(Sequence).index(Index::Key).long(short::dns),
    key("dns_opt", NAMES).merge(Sequence).index(Index::Key),
    key("dns_search", TEXT_OR_NAMES).merge(Sequence).index(Index::Key).long(short::texts),
    key("domainname", Text),
    key("entrypoint", Command).merge(Replace).presence(Presence::Nullable),
    key("environment", Pairs { keeps_null: true }).merge(Sequence).index(Index::Key),
    key("env_file", Short(&[Text, List(&Short(&[Text, Mapping(&ENV_FILE)]), Unique::No)]))
        .merge(Sequence)
        .index(Index::Path)
        .long(short::env_files),
    key("extra_hosts", Shape::Hosts).merge(Hosts),
    key("group_add", Scalars),
    key("gpus", Short(&[Choice(&["all"]), List(&Mapping(&GPU), Unique::No)])).long(short::gpus),
    key("hostname", Text),
    key("image", Text),
    key("init", Flag).written(),
    key("ipc", Text).note(TOGETHER),
    key("isolation", Text).ignored(WINDOWS),
    key("labels", LABELS).merge(Sequence).index(Index::Key),
    key("label_file", TEXT_OR_TEXTS).merge(Sequence).long(short::texts),
    key("logging", Mapping(&LOGGING)).merge(Logging),
    key("mem_limit", Size(ANY)),
    key("mem_reservation", Size(WHOLE)),
    key("memswap_limit", Size(ANY)),
    key("mem_swappiness", Size(WHOLE)),
    key("mac_address", Text).except(&[&cases::FLEET_MAC]),
    key("models", Short(&[NAMES, Map(AnyKey, &Nullable(&Mapping(&SERVICE_MODEL)))]))
        .merge(Merge::Names)
        .long(short::names)
        .refused(NO_MODELS),
    key("network_mode", Text).note(TOGETHER).except(&[&cases::NETWORK_MODE]),
    key("networks", Short(&[NAMES, Map(Names, &Nullable(&Mapping(&ATTACHMENT)))]))
        .merge(Merge::Names)
        .long(short::names),
    key("oom_kill_disable", Flag),
    key("oom_score_adj", Int(WHOLE.within(-1000, 1000))),
    key("pid", TextOrNull).note(TOGETHER),
    key("pids_limit", Int(ANY)),
    key("platform", Text),
    key("privileged", Flag),
    key("pull_policy", Form(is_pull_policy, "always, never, missing, build, daily, weekly or every_<duration>"))
        .except(&[&cases::PULL_REFRESH]),
    key("pull_refresh_after", Text).ignored("write it as `pull_policy: every_<duration>`"),
    key("read_only", Flag),
    key("runtime", Text),
    key("secrets", List(&Short(&[Text, Mapping(&FILE_REFERENCE)]), Unique::No))
        .index(Index::File("/run/secrets"))
        .long(short::file_references),
    key("security_opt", NAMES).note("the coordinator reads the file of a seccomp profile, which must be in the fleet's folder"),
    key("shm_size", Size(ANY)),
    key("stop_grace_period", Duration).written(),
    key("stop_signal", Text),
    key("storage_opt", Options { number: true, null: true }),
    key("sysctls", LABELS).merge(Sequence).index(Index::Key),
    key("tmpfs", TEXT_OR_NAMES).merge(Sequence).index(Index::Key).long(short::texts),
    key("ulimits", ULIMITS),
    key("use_api_socket", Truth).refused("a container with access to the engine's socket controls the host"),
    key("user", Text),
    key("userns_mode", Text),
    key("uts", Text),
    key("volumes", List(&Short(&[Text, Mapping(&MOUNT)]), Unique::Yes))
        .index(Index::Mount)
        .long(short::mounts)
        .note("a path in the stack's folder is mounted from the copy of the folder on the host"),
    key("volumes_from", NAMES).note("runs on the host of the other service"),
    key("working_dir", Text),
    key("build", Short(&[Text, Mapping(&BUILD)])).merge(Build).long(short::build),
    key("depends_on", Short(&[NAMES, Map(Names, &Mapping(&DEPENDENCY))])).merge(Dependencies).long(short::dependencies),
    key("expose", Scalars).index(Index::Value),
    key("healthcheck", Mapping(&HEALTHCHECK)),
    key("ports", List(&Short(&[Int(NUMBER_ONLY), Text, Mapping(&PORT)]), Unique::Yes)).index(Index::Port).long(short::ports),
    key("stdin_open", Flag),
    key("tty", Flag),
]);

static BLKIO: Object = plain(
    &[],
    &[
        key("weight", Int(WHOLE)),
        key("weight_device", List(&Mapping(&WEIGHT), Unique::No)),
        key("device_read_bps", List(&Mapping(&THROTTLE), Unique::No)),
        key("device_read_iops", List(&Mapping(&THROTTLE), Unique::No)),
        key("device_write_bps", List(&Mapping(&THROTTLE), Unique::No)),
        key("device_write_iops", List(&Mapping(&THROTTLE), Unique::No)),
    ],
);

static THROTTLE: Object = plain(&[], &[key("path", Text).written(), key("rate", Size(WHOLE)).written()]);

static WEIGHT: Object = plain(&[], &[key("path", Text).written(), key("weight", Int(WHOLE)).written()]);

/// Whether a container name is valid. Like the reference, it only requires a letter or digit that is followed by a letter,
/// a digit, `_`, `.` or `-`.
fn is_container_name(text: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_alphanumeric() && good(pair[1]))
}

/// Whether a pull policy is a known word, or `every_` with a period such as `12h` or `1d12h`.
fn is_pull_policy(text: &str) -> bool {
    let words = ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let units = ['w', 'd', 'h', 'm', 's'];
    let is_amount = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_period = |period: &str| {
        !period.is_empty() && period.split_inclusive(units).all(|part| part.strip_suffix(units).is_some_and(is_amount))
    };
    words.contains(&text) || text.strip_prefix("every_").is_some_and(is_period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names_and_pull_policies_are_checked() {
        assert!(is_container_name("web-1") && !is_container_name("") && !is_container_name("a"));
        for policy in ["always", "every_12h", "every_1d12h"] {
            assert!(is_pull_policy(policy), "{policy}");
        }
        for policy in ["sometimes", "every_h", "every_12", "every_", "every_1d2", "every_é", "always please"] {
            assert!(!is_pull_policy(policy), "{policy}");
        }
    }
}
