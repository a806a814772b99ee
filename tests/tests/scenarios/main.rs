//! Scenarios on real hosts. One process, one lab: the hosts stay up and are emptied between scenarios.

mod lab_itself;
