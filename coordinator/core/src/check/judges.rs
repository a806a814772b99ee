//! Table of the rules' functions.
use super::{Remark, ServiceInput, exposure, health, image, local_containers, mounts, privilege, resources, secrets};

/// A function that judges one service by one rule.
type Judge = fn(ServiceInput<'_>) -> Vec<Remark>;

/// Every rule that judges services, by its code. LF000 is missing: it is about exceptions.
pub(super) const JUDGES: [(&str, Judge); 16] = [
    ("LF001", image::tag),
    ("LF002", privilege::root),
    ("LF003", resources::memory),
    ("LF004", resources::logs),
    ("LF005", health::check),
    ("LF006", exposure::database_port),
    ("LF007", mounts::socket),
    ("LF008", privilege::privileged),
    ("LF009", privilege::read_only),
    ("LF010", secrets::written),
    ("LF011", mounts::outside),
    ("LF012", health::condition),
    ("LF013", privilege::capabilities),
    ("LF014", secrets::passed),
    ("LF015", privilege::perhaps_root),
    ("LF016", local_containers::own_host_only),
];
