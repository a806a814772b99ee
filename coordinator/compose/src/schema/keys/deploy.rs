//! What stands under `deploy`.
use super::{LABELS, NAMES, SWARM, TEXTS, cases, object, requiring};
use crate::schema::Merge::Sequence;
use crate::schema::Presence::Always;
use crate::schema::Shape::{Choice, DeviceCount, Duration, Float, Int, List, Object as Mapping, Size, Text};
use crate::schema::{Index, LOOSE, Object, Shape, Unique, WHOLE, WRITTEN, key};

pub(super) static DEPLOY: Object = object(&[
    key("mode", Text).but(&[&cases::JOB_MODES]),
    key("replicas", Int(WHOLE)).written(),
    key("labels", LABELS).merge(Sequence).index(Index::Key).ignored(SWARM),
    key("update_config", Mapping(&UPDATE_CONFIG)),
    key("rollback_config", Mapping(&UPDATE_CONFIG)).ignored("a rollback goes like an update yet"),
    key("resources", Mapping(&RESOURCES)).presence(Always),
    key("restart_policy", Mapping(&RESTART_POLICY)),
    key("placement", Mapping(&PLACEMENT)).presence(Always),
    key("endpoint_mode", Text).ignored(SWARM),
]);

const COUNT: Shape = Int(WHOLE.within(0, i64::MAX));

static PLACEMENT: Object = object(&[
    key("constraints", TEXTS),
    key("preferences", List(&Mapping(&PREFERENCE), Unique::No)).ignored("instances go where the fewest are yet"),
    key("max_replicas_per_node", COUNT),
]);

static PREFERENCE: Object = object(&[key("spread", Text)]);

static RESOURCES: Object = object(&[key("limits", Mapping(&LIMITS)), key("reservations", Mapping(&RESERVATIONS))]);

static LIMITS: Object = object(&[key("cpus", Float(LOOSE)), key("memory", Size(WRITTEN)), key("pids", Int(WHOLE))]);

static RESERVATIONS: Object = object(&[
    key("cpus", Float(LOOSE)).ignored("the engine reserves no CPUs"),
    key("memory", Size(WRITTEN)),
    key("devices", List(&Mapping(&DEVICE_REQUEST), Unique::No)),
    key("generic_resources", List(&Mapping(&GENERIC_RESOURCE), Unique::No)).ignored(SWARM),
]);

static GENERIC_RESOURCE: Object = object(&[key("discrete_resource_spec", Mapping(&DISCRETE_RESOURCE))]);

static DISCRETE_RESOURCE: Object = object(&[key("kind", Text), key("value", Int(LOOSE)).written()]);

const PAUSES: &str = "the engine has its own pauses";

static RESTART_POLICY: Object = object(&[
    key("condition", Text),
    key("delay", Duration).written().ignored(PAUSES),
    key("max_attempts", COUNT).written(),
    key("window", Duration).written().ignored(PAUSES),
]);

static UPDATE_CONFIG: Object = object(&[
    key("parallelism", COUNT).written(),
    key("delay", Duration).but(&[&cases::UPDATE_DELAY]),
    key("failure_action", Text).but(&[&cases::UPDATE_FAILURE]),
    key("monitor", Duration).note(
        "how long an updated instance without a health check must run before the update goes on; 5 s unless given",
    ),
    key("max_failure_ratio", Float(LOOSE)).but(&[&cases::UPDATE_RATIO]),
    key("order", Choice(&["start-first", "stop-first"])).but(&[&cases::UPDATE_ORDER]),
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
