//! Which host runs an instance, and why.
