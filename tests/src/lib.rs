//! Library of the scenarios and benchmarks: a lab of several real hosts on one machine, the comparison with the
//! reference implementation, and benchmark figures.

pub mod figures;
pub mod lab;
pub mod parity;
