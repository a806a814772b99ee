//! Between the wire and the values the core decides on.
