//! What the scenarios stand on: a lab of several real hosts on one machine, the comparison with the reference, and the
//! figures that benchmarks take.

pub mod figures;
pub mod lab;
pub mod parity;
