//! Tests of the coordinator with agents in the same process: see [`fleet`].

mod checking;
mod closed_output;
mod commands;
mod container_digests;
mod deploying;
mod dry_runs;
mod env_files;
mod environments;
mod fleet;
mod folder;
mod history;
mod images;
mod projects;
mod secrets;
mod status;
mod two_runs;
mod wording;
