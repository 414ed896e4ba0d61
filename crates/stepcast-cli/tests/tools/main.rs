//! The commands that draw, explain, report, check and tidy, on stores that are filled by hand.

#![allow(clippy::unwrap_used)]

mod store;

mod doctor;
mod explain;
mod export;
mod gc;
mod graph;
mod linked;
mod real;
mod report;
mod secrets;
