//! Keys of `deploy`.
use super::{LABELS, NAMES, SWARM, TEXTS, cases, object, requiring};
use crate::schema::Merge::Sequence;
use crate::schema::Presence::Always;
use crate::schema::Shape::{Choice, DeviceCount, Duration, Float, Int, List, Object as Mapping, Size, Text};
use crate::schema::{ANY, Index, Object, Shape, TEXT_ONLY, Unique, WHOLE, key};

pub(super) static DEPLOY: Object = object(&[
    key("mode", Text).except(&[&cases::JOB_MODES]),
    key("replicas", Int(WHOLE)).written(),
    key("labels", LABELS).merge(Sequence).index(Index::Key).ignored(SWARM),
    key("update_config", Mapping(&UPDATE_CONFIG)),
    key("rollback_config", Mapping(&UPDATE_CONFIG)).ignored("not supported yet: a rollback uses `update_config`"),
    key("resources", Mapping(&RESOURCES)).presence(Always),
    key("restart_policy", Mapping(&RESTART_POLICY)),
    key("placement", Mapping(&PLACEMENT)).presence(Always),
    key("endpoint_mode", Text).ignored(SWARM),
]);

const COUNT: Shape = Int(WHOLE.within(0, i64::MAX));

static PLACEMENT: Object = object(&[
    key("constraints", TEXTS),
    key("preferences", List(&Mapping(&PREFERENCE), Unique::No))
        .ignored("not supported yet: instances are spread over the hosts with the fewest"),
    key("max_replicas_per_node", COUNT),
]);

static PREFERENCE: Object = object(&[key("spread", Text)]);

static RESOURCES: Object = object(&[key("limits", Mapping(&LIMITS)), key("reservations", Mapping(&RESERVATIONS))]);

static LIMITS: Object = object(&[key("cpus", Float(ANY)), key("memory", Size(TEXT_ONLY)), key("pids", Int(WHOLE))]);

static RESERVATIONS: Object = object(&[
    key("cpus", Float(ANY)).ignored("the engine cannot reserve CPUs"),
    key("memory", Size(TEXT_ONLY)),
    key("devices", List(&Mapping(&DEVICE_REQUEST), Unique::No)),
    key("generic_resources", List(&Mapping(&GENERIC_RESOURCE), Unique::No)).ignored(SWARM),
]);

static GENERIC_RESOURCE: Object = object(&[key("discrete_resource_spec", Mapping(&DISCRETE_RESOURCE))]);

static DISCRETE_RESOURCE: Object = object(&[key("kind", Text), key("value", Int(ANY)).written()]);

const PAUSES: &str = "the engine decides how long it waits between restarts";

static RESTART_POLICY: Object = object(&[
    key("condition", Text),
    key("delay", Duration).written().ignored(PAUSES),
    key("max_attempts", COUNT).written(),
    key("window", Duration).written().ignored(PAUSES),
]);

static UPDATE_CONFIG: Object = object(&[
    key("parallelism", COUNT).written(),
    key("delay", Duration).except(&[&cases::UPDATE_DELAY]),
    key("failure_action", Text).except(&[&cases::UPDATE_FAILURE]),
    key("monitor", Duration).note(
        "how long an updated instance without a health check must run before the update continues; 5 s by default",
    ),
    key("max_failure_ratio", Float(ANY)).except(&[&cases::UPDATE_RATIO]),
    key("order", Choice(&["start-first", "stop-first"])).except(&[&cases::UPDATE_ORDER]),
]);

pub(super) static DEVICE_REQUEST: Object = requiring(
    &["capabilities"],
    &[
        key("capabilities", NAMES),
        key("driver", Text),
        key("count", DeviceCount),
        key("device_ids", NAMES),
        key("options", LABELS),
    ],
);
