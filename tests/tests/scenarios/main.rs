//! Scenarios on real hosts. All run in one process with one lab: hosts stay up and are cleaned between scenarios.

mod agent_faults;
mod away;
mod bad_input;
mod builds;
mod builds_together;
mod coordinator_faults;
mod data_places;
mod engine_faults;
mod environments;
mod example_fleets;
mod fixtures;
mod fleets;
mod ignores;
mod images;
mod infra;
mod keys;
mod lab_itself;
mod logins;
mod mount_sources;
mod networks;
mod parity;
mod registries;
mod starting;
mod trust;
mod units;
mod upgrade;
