//! Values that are not honoured of keys that are. Whoever compiles says these words, so that the page of keys has them too.
use crate::compose::schema::Case;

pub(crate) static NETWORK_MODE: Case =
    Case::refused("the name of another network", "other networks go under `networks`");

pub(crate) static PULL_REFRESH: Case = Case::ignored(
    "`refresh`",
    "it sets no period, so an image is pulled only if it is missing; write `every_12h` or `daily`",
);

pub(crate) static JOB_MODES: Case =
    Case::refused("`replicated-job`, `global-job`", "only replicated and global are supported");

const STOPS_FIRST: &str = "not honoured yet: an update stops the old first, and stops at the first failure";

pub(crate) static UPDATE_DELAY: Case = Case::ignored("more than 0", STOPS_FIRST);
pub(crate) static UPDATE_FAILURE: Case = Case::ignored("`continue`, `rollback`", STOPS_FIRST);
pub(crate) static UPDATE_RATIO: Case = Case::ignored("more than 0", STOPS_FIRST);
pub(crate) static UPDATE_ORDER: Case = Case::ignored("`start-first`", STOPS_FIRST);

pub(crate) static RECURSIVE: Case = Case::refused("with `selinux`", "the engine takes either `recursive` or `selinux`");

pub(crate) static MOUNT_TYPES: Case =
    Case::refused("`image`, `npipe`, `cluster`", "mounts of this type are not supported");

pub(crate) static FLEET_MAC: Case =
    Case::refused("on a network of the fleet", "on a network of the fleet the MAC follows from the address");

pub(crate) static MOUNTED_FILE: Case =
    Case::ignored("set for a `file`", "uid, gid and mode mean nothing for a file that is mounted");

pub(crate) static READ_ONLY_FILE: Case = Case::refused(
    "in a service with `read_only`",
    "nothing can be put into a container that is read-only: take it from a `file`, which is mounted",
);

pub(crate) static HIDDEN_FILE: Case = Case::refused(
    "beneath a tmpfs of the service",
    "a tmpfs would hide it: take it from a `file`, which is mounted, or give it another target",
);

pub(crate) static NO_STORE: Case = Case::refused("`true`", "it is external, and there is no store that holds it");

pub(crate) static DRIVERS: Case =
    Case::refused("none of bridge, macvlan and ipvlan", "only the drivers bridge, macvlan and ipvlan are supported");

// Of `build`, said when it is built.

pub(crate) static REMOTE_CONTEXT: Case =
    Case::refused("a URL", "it is not a folder of this machine: contexts are not fetched from elsewhere");

pub(crate) static SSH: Case = Case::refused("any", "a build gets no SSH agent: it could log in wherever you can");

pub(crate) static PRIVILEGED_BUILD: Case = Case::refused("`true`", "a build has no step with all privileges");

pub(crate) static ENTITLEMENTS: Case = Case::refused("another than `network.host`", "a build is not granted this");

pub(crate) static BUILD_NETWORK: Case =
    Case::refused("a network's name", "steps of a build are on host, none or default, and on no other network");

pub(crate) static BUILD_GATEWAY: Case = Case::refused("`host-gateway`", "in a build, host-gateway has no address");

pub(crate) static CACHE_KINDS: Case = Case::ignored("not an image", "not honoured: it is no image of a registry");

pub(crate) static SECRET_OF_A_BUILD: Case = Case::refused(
    "neither in a `file` nor in the `environment`",
    "the secret of a build is in a file or in a variable",
);

pub(crate) static SECRET_MODE: Case =
    Case::ignored("any", "not honoured: the Dockerfile's own `--mount` says how the secret is mounted");

pub(crate) static PLATFORMS: Case =
    Case::ignored("several", "an engine keeps an image of one: the service's own `platform`, or the builder's");

pub(crate) static OLD_BUILDER: Case =
    Case::ignored("the engine is older than Docker 23", "no effect: the builder of that engine does not know it");

pub(crate) static NO_COMMON_NETWORK: Case =
    Case::ignored("the two are on no common network", "the two are on no common network: the name means nothing");

pub(crate) static NO_OWN_NETWORK: Case = Case::ignored(
    "on networks of the fleet alone",
    "on a network of the fleet nothing is known of other containers: use an extra_hosts entry",
);
