//! The coordinator against agents in this process: see [`fleet`].

mod checking;
mod commands;
mod deploying;
mod environments;
mod fleet;
mod images;
mod projects;
