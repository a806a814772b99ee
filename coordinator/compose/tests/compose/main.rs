//! The Compose loader, rule by rule, each good case beside a bad one.
#![allow(clippy::unwrap_used)]
mod causes;
mod composing;
mod environment;
mod every_key;
mod limits;
mod merging;
mod mistakes;
mod printing;
mod profiles;
mod properties;
mod short_forms;
mod stack;
mod typed;
