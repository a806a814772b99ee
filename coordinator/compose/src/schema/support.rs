//! Whether Landfast supports a key.

/// What Landfast makes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what it does with Compose.
    Supported,
    /// Read, without effect; why.
    Ignored(&'static str),
    /// Not deployed; why, or what to write instead.
    Refused(&'static str),
}

/// Values of an honoured key that are not.
#[derive(Debug, PartialEq, Eq)]
pub struct Case {
    /// Which ones.
    pub values: &'static str,
    /// Never [`Support::Supported`].
    pub support: Support,
}

impl Case {
    pub(crate) const fn ignored(values: &'static str, why: &'static str) -> Self {
        Self { values, support: Support::Ignored(why) }
    }

    pub(crate) const fn refused(values: &'static str, why: &'static str) -> Self {
        Self { values, support: Support::Refused(why) }
    }

    /// What is said of them.
    pub const fn why(&self) -> &'static str {
        match self.support {
            Support::Supported => "",
            Support::Ignored(why) | Support::Refused(why) => why,
        }
    }
}
