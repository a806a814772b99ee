//! Whether Landfast supports a key.

/// Whether Landfast supports a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The key has the same effect as in Compose.
    Supported,
    /// The key has no effect and gives a warning. Holds the reason.
    Ignored(&'static str),
    /// A project with this key is not deployed. Holds the reason, or what to write instead.
    Refused(&'static str),
}

/// Values of a supported key that are ignored or refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Case {
    /// Description of the values.
    pub values: &'static str,
    /// Whether the values are ignored or refused; never [`Support::Supported`].
    pub support: Support,
}

impl Case {
    pub(crate) const fn ignored(values: &'static str, why: &'static str) -> Self {
        Self { values, support: Support::Ignored(why) }
    }

    pub(crate) const fn refused(values: &'static str, why: &'static str) -> Self {
        Self { values, support: Support::Refused(why) }
    }

    /// The reason why the values are ignored or refused.
    pub const fn why(&self) -> &'static str {
        match self.support {
            Support::Supported => "",
            Support::Ignored(why) | Support::Refused(why) => why,
        }
    }
}
