//! Login at a registry.

/// A name and a password. An identity token has no name. No `Debug` here: it is printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Empty for a token.
    pub user: String,
    /// The password, or the token.
    pub secret: String,
}
