//! What the scenarios stand on: a lab of several real hosts on one machine, and the figures the benchmarks take.

pub mod lab;
