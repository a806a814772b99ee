//! The vocabulary in which the tables of [`keys`](mod@crate::schema::keys) are written.
use super::support::{Case, Support};
use crate::diagnostic::Diagnostics;
use crate::text::node::Node;

/// A mapping with a fixed set of keys.
pub(crate) struct Object {
    pub(crate) fields: &'static [Field],
    pub(crate) required: &'static [&'static str],
    /// Whether extension keys (`x-…`) are allowed.
    pub(crate) extensions: bool,
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A key of an [`Object`].
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) merge: Merge,
    pub(crate) index: Index,
    pub(crate) presence: Presence,
    pub(crate) support: Support,
    /// How the key differs from Compose or what it requires; empty when there is nothing to add.
    pub(crate) note: &'static str,
    /// Values that are ignored or refused although the key is supported.
    pub(crate) cases: &'static [&'static Case],
    pub(crate) long: Option<Long>,
}

/// Converts a value to its long form. The text is the dotted path of the value.
pub(crate) type Long = fn(Node, &str) -> Result<Node, Diagnostics>;

/// How a later value merges with an earlier one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// Mappings merge key by key, lists are appended, and any other value is replaced.
    Deep,
    /// The later value replaces the earlier one.
    Replace,
    /// Both values are converted to lists of `KEY=value` and appended.
    Sequence,
    /// Both values are converted to lists and appended, without duplicates.
    Hosts,
    /// Both values are converted to mappings by service.
    Dependencies,
    /// Both values are converted to mappings by name.
    Names,
    /// Both values are converted to mappings; a string is the build context.
    Build,
    /// Mappings merge, unless the driver changes: then the later value replaces the earlier one.
    Logging,
    /// Address pools merge by subnet.
    Pools,
}

/// What identifies an element of a list. A later element with the same identity replaces an earlier one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// Elements have no identity.
    None,
    /// The part before `=`.
    Key,
    /// Target path of a volume mount.
    Mount,
    /// Target path of a device.
    Device,
    /// Target path of a config or secret. A relative target is joined to this folder.
    File(&'static str),
    /// Address, published port, target port and protocol.
    Port,
    /// The whole element.
    Value,
    /// Path of an env file.
    Path,
}

/// Whether an empty value is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Only when it is not empty.
    OmitEmpty,
    /// Whenever the file sets it, even to zero.
    Written,
    /// Unless it is `true`.
    UnlessTrue,
    /// Always; an empty mapping when it is not set.
    Always,
    /// Always; null when it is not set.
    Nullable,
}

/// The forms a value may have.
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string, or null to unset it.
    TextOrNull,
    /// A string or a boolean.
    TextOrFlag,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A string that a function accepts, and a description of what it accepts.
    Form(fn(&str) -> bool, &'static str),
    /// A boolean, or a string that spells one.
    Flag,
    /// A boolean, and no string.
    Truth,
    /// An integer.
    Int(Number),
    /// A number with an optional fraction.
    Float(Number),
    /// A size in bytes, such as `512m`.
    Size(Number),
    /// A duration such as `1m30s`.
    Duration,
    /// File permission bits.
    Mode,
    /// A number of devices, or `all`.
    DeviceCount,
    /// A published port or range; an integer is converted to a string.
    Published,
    /// A list of strings.
    Texts {
        /// Whether the strings must differ.
        unique: bool,
    },
    /// A list of distinct strings or numbers.
    Scalars,
    /// A command line, or the list of its words.
    Command,
    /// A command line for a shell, or the list of its words.
    Test,
    /// A list of `KEY=value` strings or a mapping of scalars.
    Pairs {
        /// Whether a key without a value keeps null. Otherwise its value becomes the empty string.
        keeps_null: bool,
    },
    /// A mapping to scalars, which become strings.
    Options {
        /// Whether numbers are allowed.
        number: bool,
        /// Whether null is allowed.
        null: bool,
    },
    /// A mapping to scalars or lists of scalars.
    MultiOptions,
    /// Host names with addresses.
    Hosts,
    /// Ids of SSH agents or keys, optionally with paths.
    Ssh,
    /// A mapping with a fixed set of keys.
    Object(&'static Object),
    /// A list of elements of one shape.
    List(&'static Shape, Unique),
    /// A mapping with keys that the user chooses.
    Map(Keys, &'static Shape),
    /// This shape, or null.
    Nullable(&'static Shape),
    /// The short forms, followed by the long form.
    Short(&'static [Shape]),
}

/// Which numbers a key accepts.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    /// Whether a YAML number may have a fraction.
    pub(crate) fraction: bool,
    /// Whether a YAML number is allowed.
    pub(crate) number: bool,
    /// Whether a string is allowed.
    pub(crate) text: bool,
    /// Lowest YAML number that is allowed.
    pub(crate) low: i64,
    /// Highest YAML number that is allowed.
    pub(crate) high: i64,
}

/// An integer, or a string that spells one.
pub(crate) const WHOLE: Number = Number { fraction: false, number: true, text: true, low: i64::MIN, high: i64::MAX };

/// Any number, or a string that spells one.
pub(crate) const ANY: Number = Number { fraction: true, ..WHOLE };

/// Any number, and no string.
pub(crate) const NUMBER_ONLY: Number = Number { text: false, ..ANY };

/// A string that spells a number.
pub(crate) const TEXT_ONLY: Number = Number { number: false, ..WHOLE };

impl Number {
    /// The same kind of number between two bounds, which are included.
    pub(crate) const fn within(self, low: i64, high: i64) -> Self {
        Self { low, high, ..self }
    }
}

/// Whether the elements of a list must be unique.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unique {
    Yes,
    No,
}

/// Which keys a mapping accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Any key.
    Any,
    /// Keys of letters, digits, `.`, `_` and `-`.
    Names,
}

/// A supported key with the default rules.
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

    pub(crate) const fn except(mut self, cases: &'static [&'static Case]) -> Self {
        self.cases = cases;
        self
    }

    pub(crate) const fn long(mut self, long: Long) -> Self {
        self.long = Some(long);
        self
    }
}
