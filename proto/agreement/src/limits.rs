//! Sizes that one side must not exceed because the other side refuses more.

/// Size of the largest gRPC message, in bytes.
pub const MESSAGE_MAX: usize = 16 << 20;

/// Size of the largest encoded manifest of a bundle, in bytes.
pub const MANIFEST_MAX: u64 = 32 << 20;

/// Size of the largest blob, which is one file of a bundle, in bytes.
pub const BLOB_MAX: u64 = 16 << 30;

/// Length of the longest name of a fleet, a host or an operator, in bytes.
pub const NAME_MAX: usize = 63;

/// Length of the longest name of a stack, a Compose project or a service, in bytes.
pub const LONG_NAME_MAX: usize = 128;
