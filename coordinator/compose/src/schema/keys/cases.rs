//! Values of supported keys that are ignored or refused.
//!
//! The compiler reports these reasons, and the page of keys lists them.
use crate::schema::Case;

/// Values of `network_mode` that name a network of the engine.
pub static NETWORK_MODE: Case = Case::refused("the name of another network", "write other networks under `networks`");

/// The value `refresh` of `pull_policy`.
pub static PULL_REFRESH: Case = Case::ignored(
    "`refresh`",
    "it sets no period, so an image is pulled only if it is missing; write `every_12h` or `daily`",
);

/// Values of `deploy.mode` that run jobs.
pub static JOB_MODES: Case =
    Case::refused("`replicated-job`, `global-job`", "only replicated and global are supported");

const STOPS_FIRST: &str = "not supported yet: an update stops the old container first, and stops at the first failure";

/// Values of `update_config.delay` that pause between two updates.
pub static UPDATE_DELAY: Case = Case::ignored("more than 0", STOPS_FIRST);
/// Values of `update_config.failure_action` other than `pause`.
pub static UPDATE_FAILURE: Case = Case::ignored("`continue`, `rollback`", STOPS_FIRST);
/// Values of `update_config.max_failure_ratio` that tolerate failures.
pub static UPDATE_RATIO: Case = Case::ignored("more than 0", STOPS_FIRST);
/// Values of `update_config.order` that start the new container first.
pub static UPDATE_ORDER: Case = Case::ignored("`start-first`", STOPS_FIRST);

/// The value of `bind.recursive` in a mount that sets `selinux` too.
pub static RECURSIVE: Case = Case::refused("with `selinux`", "the engine takes either `recursive` or `selinux`");

/// Values of a mount's `type` that no engine of a fleet supports.
pub static MOUNT_TYPES: Case = Case::refused("`image`, `npipe`, `cluster`", "mounts of this type are not supported");

/// A `mac_address` on a network of the fleet.
pub static FLEET_MAC: Case =
    Case::refused("on a network of the fleet", "on a network of the fleet, the MAC is derived from the address");

/// The `uid`, `gid` and `mode` of a config or secret that comes from a `file`.
pub static MOUNTED_FILE: Case = Case::ignored("set for a `file`", "uid, gid and mode have no effect on a mounted file");

/// A config or secret with inline contents in a service whose root is read-only.
pub static READ_ONLY_FILE: Case = Case::refused(
    "in a service with `read_only`",
    "it cannot be copied into a read-only container: use a `file`, which is mounted",
);

/// A config or secret with inline contents whose target is below a tmpfs.
pub static HIDDEN_FILE: Case = Case::refused(
    "below a tmpfs of the service",
    "a tmpfs would hide it: use a `file`, which is mounted, or another target",
);

/// The value `true` of `external` in a config or secret.
pub static NO_STORE: Case = Case::refused("`true`", "it is external, and Landfast has no secret store");

/// Values of a network's `driver` that are not supported.
pub static DRIVERS: Case =
    Case::refused("other than bridge, macvlan and ipvlan", "only the drivers bridge, macvlan and ipvlan are supported");

/// A build context that is a URL.
pub static REMOTE_CONTEXT: Case = Case::refused("a URL", "it is not a local folder: remote contexts are not fetched");

/// The `ssh` entries of a build.
pub static SSH: Case = Case::refused("any", "builds get no SSH agent, which could log in wherever you can");

/// The value `true` of `build.privileged`.
pub static PRIVILEGED_BUILD: Case = Case::refused("`true`", "build steps cannot be privileged");

/// Entitlements of a build other than `network.host`.
pub static ENTITLEMENTS: Case = Case::refused("other than `network.host`", "builds cannot have this entitlement");

/// Values of `build.network` that name a network.
pub static BUILD_NETWORK: Case =
    Case::refused("the name of a network", "build steps can only use the networks host, none and default");

/// The address `host-gateway` in a build's `extra_hosts`.
pub static BUILD_GATEWAY: Case = Case::refused("`host-gateway`", "host-gateway has no address in a build");

/// Entries of `cache_from` that are not images.
pub static CACHE_KINDS: Case = Case::ignored("not an image", "no effect: only images of a registry are supported");

/// A build secret that has neither a file nor a variable.
pub static SECRET_OF_A_BUILD: Case =
    Case::refused("with neither `file` nor `environment`", "a build secret needs `file` or `environment`");

/// The `uid`, `gid` and `mode` of a build secret.
pub static SECRET_MODE: Case =
    Case::ignored("any", "no effect: `--mount` in the Dockerfile decides how the secret is mounted");

/// Several platforms for one build.
pub static PLATFORMS: Case =
    Case::ignored("several", "only one platform is built: the `platform` of the service, or that of the builder");

/// Keys of a build that the builder of an older engine does not support.
pub static OLD_BUILDER: Case =
    Case::ignored("the engine is older than Docker 23", "no effect: the builder of that engine does not support it");

/// A link between two services that share no network.
pub static NO_COMMON_NETWORK: Case = Case::ignored(
    "the two services share no network",
    "the two services share no network, so the name does not resolve",
);

/// An external link of a service that is on networks of the fleet only.
pub static NO_OWN_NETWORK: Case = Case::ignored(
    "the service is only on networks of the fleet",
    "names of other containers do not resolve on a network of the fleet: use an extra_hosts entry",
);
