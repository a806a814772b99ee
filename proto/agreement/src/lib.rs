//! Rules that agents and the coordinator must apply alike: what one side computes or accepts, the other side must compute
//! or accept too.
//!
//! A rule belongs here if the two binaries disagree on the wire or on a host when only one of them changes it: how an image
//! is identified, which MAC address belongs to an address, which names are valid, where the files of a stack are, what a
//! secret blob contains, how large a message may be. The tests hold vectors, so that a change of a rule is a change of a vector.
//!
//! Nothing else belongs here. Code that only one side needs stays on that side, even if it is general; so do messages for
//! users, conversions from and to the wire, and everything that has effects. The crate depends on no other crate of the
//! workspace.
#![warn(missing_docs)]

mod digest;
pub mod fingerprint;
mod instance;
pub mod limits;
pub mod mac;
mod names;
pub mod paths;
pub mod ports;
pub mod secret;

pub use digest::{Digest, InvalidDigest, digest};
pub use instance::{InstanceName, InvalidInstanceName, StackService, partner};
pub use mac::Mac;
pub use names::{HostName, InvalidName, NetworkName, ProjectName, ServiceName, StackName};
