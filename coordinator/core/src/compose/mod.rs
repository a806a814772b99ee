//! From compose files to a project.
