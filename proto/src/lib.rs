//! Types generated from `landfast/v1/*.proto`, the table of the least role that may call each method, and the units that
//! host states are made of.
//!
//! The agent and the coordinator share this crate and `landfast-certs` only. Each binary converts the generated types
//! in its `wire` module.

mod fabric;
mod unit;

pub use unit::{Contents, UnitKey, Unusable, join, split};

/// Version 1 of the protocol.
#[allow(missing_docs, clippy::all, unused_qualifications, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("landfast.v1");
    include!(concat!(env!("OUT_DIR"), "/roles.rs"));
}

/// Omits the contents and the salt, because the contents may be secret.
impl std::fmt::Debug for v1::PlacedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlacedFile").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Omits the contents, because the files in them may be secret.
impl std::fmt::Debug for v1::Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unit").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// Omits the contents, because the files in them may be secret.
impl std::fmt::Debug for v1::unit::Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contents(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::v1::{METHODS, Role, least_role};

    #[test]
    fn every_method_has_a_role_and_changing_a_host_needs_a_deployer() {
        assert!(METHODS.iter().all(|path| least_role(path).is_some_and(|role| role != Role::Unspecified)));
        assert_eq!(least_role("/landfast.v1.Agent/Assign"), Some(Role::Deployer));
        assert_eq!(least_role("/landfast.v1.Agent/Watch"), Some(Role::Viewer));
        assert_eq!(least_role("/landfast.v1.Builder/Open"), Some(Role::Deployer));
    }

    #[test]
    fn t06_the_methods_of_agents_among_themselves_are_exactly_those_of_one_service() {
        let of_peers: Vec<_> = METHODS.iter().filter(|path| least_role(path) == Some(Role::Peer)).collect();
        assert_eq!(of_peers, [&"/landfast.v1.Peer/NewerFabric", &"/landfast.v1.Peer/Health"]);
        let of_service = METHODS.iter().filter(|path| path.starts_with("/landfast.v1.Peer/"));
        assert_eq!(of_service.collect::<Vec<_>>(), of_peers);
    }

    #[test]
    fn the_contents_of_a_file_are_not_printed() {
        let file = super::v1::PlacedFile { target: "/run/secrets/key".to_owned(), ..super::v1::PlacedFile::default() };
        let file = super::v1::PlacedFile { contents: b"hunter2".to_vec(), salt: "pepper".to_owned(), ..file };
        let container = super::v1::Container { files: vec![file], ..super::v1::Container::default() };
        let printed = format!("{container:?}");
        assert!(printed.contains("/run/secrets/key"), "{printed}");
        assert!(
            !printed.contains("104, 117") && !printed.contains("hunter2") && !printed.contains("pepper"),
            "{printed}"
        );
    }

    #[test]
    fn a_method_that_does_not_exist_has_no_role() {
        assert_eq!(least_role("/landfast.v1.Agent/Exec"), None);
    }
}
