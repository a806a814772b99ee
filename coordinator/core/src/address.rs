//! Who may hold which address of a fleet network: one ledger for declared, automatic and gateway addresses.
