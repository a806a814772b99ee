//! The vocabulary in which the tables of [`keys`](crate::schema::keys) are written.
use super::support::{Case, Support};
use crate::diagnostic::Diagnostics;
use crate::text::node::Node;

/// A mapping with known keys.
pub(crate) struct Object {
    pub(crate) fields: &'static [Field],
    pub(crate) required: &'static [&'static str],
    /// Whether `x-…` may stand here.
    pub(crate) extensions: bool,
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A known key.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) merge: Merge,
    pub(crate) index: Index,
    pub(crate) presence: Presence,
    pub(crate) support: Support,
    /// What it does here, when that is not what everybody expects.
    pub(crate) note: &'static str,
    /// Values that stand otherwise.
    pub(crate) cases: &'static [&'static Case],
    pub(crate) long: Option<Long>,
}

/// Turns a value into its long form.
pub(crate) type Long = fn(Node, &str) -> Result<Node, Diagnostics>;

/// How a later value meets an earlier one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// Mappings key by key, lists one after the other, anything else replaced.
    Deep,
    /// Replaced.
    Replace,
    /// As lists of `KEY=value`.
    Sequence,
    /// As lists, without what is already there.
    Hosts,
    /// By service.
    Dependencies,
    /// By name.
    Names,
    /// A text is the context.
    Build,
    /// Options belong to their driver.
    Logging,
    /// By subnet.
    Pools,
}

/// What makes an element of a list the same as another: the later one then takes its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    None,
    /// What stands before `=`.
    Key,
    /// The path in the container of a volume.
    Mount,
    /// The path in the container of a device.
    Device,
    /// The path in the container, beneath this one unless absolute.
    File(&'static str),
    Port,
    /// The value itself.
    Value,
    /// The path of an env file.
    Path,
}

/// Whether an empty value is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Only when it says something.
    OmitEmpty,
    /// When it is written, even as zero.
    Written,
    /// Only when it is false.
    UnlessTrue,
    /// Always, as an empty mapping if need be.
    Always,
    /// Always, as null if need be.
    Nullable,
}

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

/// A key with the ordinary rules.
pub(crate) const fn key(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        merge: Merge::Deep,
        index: Index::None,
        presence: Presence::OmitEmpty,
        support: Support::Supported,
        note: "",
        cases: &[],
        long: None,
    }
}

impl Field {
    pub(crate) const fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }

    pub(crate) const fn index(mut self, index: Index) -> Self {
        self.index = index;
        self
    }

    pub(crate) const fn presence(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    pub(crate) const fn written(self) -> Self {
        self.presence(Presence::Written)
    }

    pub(crate) const fn ignored(mut self, why: &'static str) -> Self {
        self.support = Support::Ignored(why);
        self
    }

    pub(crate) const fn refused(mut self, why: &'static str) -> Self {
        self.support = Support::Refused(why);
        self
    }

    pub(crate) const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    pub(crate) const fn but(mut self, cases: &'static [&'static Case]) -> Self {
        self.cases = cases;
        self
    }

    pub(crate) const fn long(mut self, long: Long) -> Self {
        self.long = Some(long);
        self
    }
}
