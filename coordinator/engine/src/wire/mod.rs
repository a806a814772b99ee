//! Between the wire and the values the core decides on. Generated types stay in here and at the calls themselves.
//!
//! The core's types are field for field the messages, so one macro writes both directions and the compiler checks that no
//! field is forgotten.

mod bundle;
mod host_state;
mod report;

use std::collections::BTreeMap;

pub use bundle::{decode_manifest, encode_manifest, manifest_digest};

/// What an agent said, or why it could not be heard: tonic's own words for that are only "transport error".
pub fn problem(status: &tonic::Status) -> String {
    let source = std::error::Error::source(status);
    let causes = std::iter::successors(source, |&error| error.source()).map(ToString::to_string);
    let mut causes = causes.collect::<Vec<_>>();
    causes.retain(|cause| cause != status.message());
    causes.insert(0, status.message().to_owned());
    causes.join(": ")
}

/// A value and its message.
pub trait Wire: Sized {
    type Message;

    fn to_wire(self) -> Self::Message;

    /// Total: what a newer agent says and we do not know becomes the value that stands for "unknown".
    fn of_wire(message: Self::Message) -> Self;
}

macro_rules! same {
    ($($type:ty),* $(,)?) => {$(
        impl Wire for $type {
            type Message = $type;

            fn to_wire(self) -> $type {
                self
            }

            fn of_wire(message: $type) -> $type {
                message
            }
        }
    )*};
}
same!(bool, i32, u32, i64, u64, String, BTreeMap<String, String>);

impl<T: Wire> Wire for Vec<T> {
    type Message = Vec<T::Message>;

    fn to_wire(self) -> Self::Message {
        self.into_iter().map(T::to_wire).collect()
    }

    fn of_wire(message: Self::Message) -> Self {
        message.into_iter().map(T::of_wire).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    type Message = Option<T::Message>;

    fn to_wire(self) -> Self::Message {
        self.map(T::to_wire)
    }

    fn of_wire(message: Self::Message) -> Self {
        message.map(T::of_wire)
    }
}

/// A struct and a message with the same fields.
macro_rules! mirror {
    ($core:ident = $wire:path { $($field:ident),* $(,)? }) => {
        impl crate::wire::Wire for $core {
            type Message = $wire;

            fn to_wire(self) -> $wire {
                let Self { $($field),* } = self;
                $wire { $($field: crate::wire::Wire::to_wire($field)),* }
            }

            fn of_wire(message: $wire) -> Self {
                let $wire { $($field),* } = message;
                Self { $($field: crate::wire::Wire::of_wire($field)),* }
            }
        }
    };
}
use mirror;

/// An enum that travels as a number; the first name stands for every number we do not know.
macro_rules! numbered {
    ($core:ident = $wire:path { $unknown:ident = $unspecified:ident, $($name:ident = $message:ident),* $(,)? }) => {
        impl crate::wire::Wire for $core {
            type Message = i32;

            fn to_wire(self) -> i32 {
                use $wire as Message;
                let message = match self {
                    Self::$unknown => Message::$unspecified,
                    $(Self::$name => Message::$message,)*
                };
                message.into()
            }

            fn of_wire(number: i32) -> Self {
                use $wire as Message;
                match Message::try_from(number) {
                    $(Ok(Message::$message) => Self::$name,)*
                    Ok(Message::$unspecified) | Err(_) => Self::$unknown,
                }
            }
        }
    };
}
use numbered;
