//! The forms a value may have, and which of them it has.
use super::Object;
use crate::text::node::Value;

/// The forms a value may have.
pub(crate) enum Shape {
    Text,
    /// A text that null takes back.
    TextOrNull,
    /// `true` or a text.
    TextOrFlag,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A text with a form of its own, and what the form is.
    Form(fn(&str) -> bool, &'static str),
    /// A boolean, or a text that says one.
    Flag,
    /// A boolean alone.
    Truth,
    /// A whole number.
    Int(Number),
    /// A fraction.
    Float(Number),
    /// Bytes.
    Size(Number),
    Duration,
    /// Permission bits.
    Mode,
    /// A number of devices, or `all`.
    DeviceCount,
    /// `host.port` as text, whatever it is written as.
    Published,
    /// Texts, all different if so said.
    Texts {
        unique: bool,
    },
    /// Texts or numbers, all different.
    Scalars,
    /// A command line, or its words.
    Command,
    /// A command line for a shell, or its words.
    Test,
    /// `KEY=value` texts or a mapping of scalars; a key without value stays without one, or has the empty one.
    Pairs {
        keeps_null: bool,
    },
    /// A mapping to scalars, which are texts in the end.
    Options {
        number: bool,
        null: bool,
    },
    /// A mapping to texts or lists of them.
    MultiOptions,
    /// Names with addresses.
    Hosts,
    /// Ids of SSH keys, perhaps with their files.
    Ssh,
    Object(&'static Object),
    List(&'static Shape, Unique),
    /// A mapping with keys of the user's choice.
    Map(Keys, &'static Shape),
    /// This, or nothing.
    Nullable(&'static Shape),
    /// The short forms and, last, the long one.
    Short(&'static [Shape]),
}

/// Which numbers a key takes.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    /// Written as a number with a fraction.
    pub(crate) fraction: bool,
    /// Written as a number at all.
    pub(crate) number: bool,
    /// Written as a text.
    pub(crate) text: bool,
    /// When written as a number.
    pub(crate) low: i64,
    /// When written as a number.
    pub(crate) high: i64,
}

/// A whole number, or a text that says one.
pub(crate) const WHOLE: Number = Number { fraction: false, number: true, text: true, low: i64::MIN, high: i64::MAX };

/// Any number, or a text that says one.
pub(crate) const LOOSE: Number = Number { fraction: true, ..WHOLE };

/// Any number.
pub(crate) const BARE: Number = Number { text: false, ..LOOSE };

/// A text that says a number.
pub(crate) const WRITTEN: Number = Number { number: false, ..WHOLE };

impl Number {
    /// The same within bounds.
    pub(crate) const fn within(self, low: i64, high: i64) -> Self {
        Self { low, high, ..self }
    }
}

/// Whether the elements of a list must differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unique {
    Yes,
    No,
}

/// Which keys a mapping takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Any.
    Any,
    /// Letters, digits, `.`, `_` and `-`.
    Names,
}

impl Shape {
    /// Whether a value is of a kind that this shape takes; what it holds is looked at later.
    pub(crate) fn takes(&self, value: &Value) -> bool {
        use Value::{Bool, Float, Int, List, Map, Null, Text, Time};
        match (self, value) {
            (_, Time(_)) => false,
            (_, Float(number)) if !number.is_finite() => false,
            (Shape::Short(forms), _) => forms.iter().any(|form| form.takes(value)),
            (Shape::Nullable(inner), _) => *value == Null || inner.takes(value),
            (Shape::TextOrNull | Shape::Command, Null) => true,
            (
                Shape::Text
                | Shape::TextOrNull
                | Shape::TextOrFlag
                | Shape::Choice(_)
                | Shape::Form(..)
                | Shape::Flag
                | Shape::Duration
                | Shape::Mode
                | Shape::DeviceCount
                | Shape::Published
                | Shape::Command
                | Shape::Test,
                Text(_),
            ) => true,
            (Shape::TextOrFlag | Shape::Flag | Shape::Truth, Bool(_)) => true,
            (Shape::Mode | Shape::DeviceCount | Shape::Published, Int(_)) => true,
            (Shape::Mode, Float(_)) => true,
            (Shape::Int(number) | Shape::Float(number) | Shape::Size(number), _) => number.takes(value),
            (
                Shape::Texts { .. }
                | Shape::Scalars
                | Shape::Command
                | Shape::Test
                | Shape::Pairs { .. }
                | Shape::Hosts
                | Shape::Ssh
                | Shape::List(..),
                List(_),
            ) => true,
            (
                Shape::Pairs { .. }
                | Shape::Options { .. }
                | Shape::MultiOptions
                | Shape::Hosts
                | Shape::Ssh
                | Shape::Object(_)
                | Shape::Map(..),
                Map(_),
            ) => true,
            _ => false,
        }
    }

    /// The form among several that a value has, or the shape itself.
    pub(crate) fn form_of(&'static self, value: &Value) -> Option<&'static Shape> {
        match self {
            Shape::Short(forms) => forms.iter().find(|form| form.takes(value))?.form_of(value),
            Shape::Nullable(inner) if *value != Value::Null => inner.form_of(value),
            _ => self.takes(value).then_some(self),
        }
    }

    /// The long form.
    pub(crate) fn long_form(&'static self) -> &'static Shape {
        match self {
            Shape::Short(forms) => forms.last().map_or(self, Shape::long_form),
            Shape::Nullable(inner) => inner.long_form(),
            _ => self,
        }
    }

    /// What it takes, for messages.
    pub(crate) fn wants(&self) -> String {
        match self {
            Shape::Text | Shape::TextOrNull | Shape::Choice(_) | Shape::Form(..) => "a string".to_owned(),
            Shape::TextOrFlag => "a string or a boolean".to_owned(),
            Shape::Flag | Shape::Truth => "a boolean".to_owned(),
            Shape::Int(number) | Shape::Float(number) => number.wants("a number"),
            Shape::Size(number) => number.wants("a size such as 512m"),
            Shape::Duration => "a duration such as 1m30s, as a string".to_owned(),
            Shape::Mode => "permission bits such as 0440".to_owned(),
            Shape::DeviceCount => "a number or `all`".to_owned(),
            Shape::Published => "a port".to_owned(),
            Shape::Texts { .. } => "a list of strings".to_owned(),
            Shape::Scalars => "a list of strings or numbers".to_owned(),
            Shape::Command | Shape::Test => "a string or a list of strings".to_owned(),
            Shape::Pairs { .. } => "a mapping or a list of KEY=value".to_owned(),
            Shape::Hosts => "a mapping or a list of name=address".to_owned(),
            Shape::Ssh => "a list of `default` and id=path".to_owned(),
            Shape::Options { .. } | Shape::MultiOptions | Shape::Object(_) | Shape::Map(..) => "a mapping".to_owned(),
            Shape::List(..) => "a list".to_owned(),
            Shape::Nullable(inner) => format!("{} or null", inner.wants()),
            Shape::Short(forms) => forms.iter().map(Shape::wants).collect::<Vec<_>>().join(" or "),
        }
    }
}

impl Number {
    fn takes(&self, value: &Value) -> bool {
        match value {
            Value::Int(_) => self.number,
            Value::Float(number) => self.number && (self.fraction || number.fract() == 0.0),
            Value::Text(_) => self.text,
            _ => false,
        }
    }

    fn wants(&self, what: &str) -> String {
        if self.number { what.to_owned() } else { format!("{what}, as a string") }
    }
}
