//! The coordinator against agents in this process: see [`fleet`].

mod commands;
mod deploying;
mod fleet;
