//! What one spanning network must be on this host, and the steps from what it is: pure.

/// Stub.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {}
/// Stub.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {}
/// Stub.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {}
/// Stub.
pub fn diff(_: &Desired, _: &Observed) -> Vec<Step> {
    Vec::new()
}
