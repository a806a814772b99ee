//! From a stack's folder to its manifest.
