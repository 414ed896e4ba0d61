//! The runtime of stepcast.
