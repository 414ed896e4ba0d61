//! The macros of stepcast.
