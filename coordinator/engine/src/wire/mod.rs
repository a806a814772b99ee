//! Conversion between the core's types and the messages of the API. Other modules use the generated types only in
//! calls.
//!
//! The core's types have the same fields as the messages. One macro generates both directions, so the compiler reports
//! a forgotten field.

mod bundle;
mod fabric;
mod host_state;
mod report;
mod unit;

use std::collections::BTreeMap;

pub use bundle::{decode_manifest, encode_manifest, manifest_digest};
pub use fabric::Fabrics;
pub use unit::HeldUnits;
pub(crate) use unit::Settled;

/// The agent's error message, or the causes of a failed connection, for which tonic's own message is only "transport
/// error".
pub fn problem(status: &tonic::Status) -> String {
    let causes = crate::causes(status).skip(1).map(ToString::to_string);
    let mut causes = causes.collect::<Vec<_>>();
    causes.retain(|cause| cause != status.message());
    causes.insert(0, status.message().to_owned());
    causes.join(": ")
}

/// A type with a corresponding message.
pub trait Wire: Sized {
    /// The generated type.
    type Message;

    /// Converts the value to its message.
    fn to_wire(self) -> Self::Message;

    /// Converts a message. Never fails: a value that only a newer agent knows becomes the default for unknown values.
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

/// Implements [`Wire`] for a struct whose message has the same fields.
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

/// Implements [`Wire`] for an enum that is sent as a number. The first name stands for unknown numbers.
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
