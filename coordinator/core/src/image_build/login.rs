//! Login at a registry, from `config.json` or a credential helper.

/// User name and password, or an identity token. The type has no `Debug`, so that no login is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name; empty for an identity token.
    pub user: String,
    /// Password or identity token.
    pub secret: String,
}
