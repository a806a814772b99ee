//! Tests of the Compose loader, with valid and invalid input for each rule.
#![allow(clippy::unwrap_used)]
mod causes;
mod composing;
mod environment;
mod every_key;
mod found_by_fuzzing;
mod limits;
mod merging;
mod mistakes;
mod printing;
mod profiles;
mod properties;
mod short_forms;
mod stack;
mod typed;
