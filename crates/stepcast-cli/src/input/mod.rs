//! Data for an event, as it is given on the command line or asked for on a terminal.

mod echo;
mod fields;
mod given;
mod probe;

pub(crate) use echo::NoEcho;
pub(crate) use fields::{Field, Kind, fields_of, fields_of_schema};
pub(crate) use given::{Given, InputArgs, SecretArgs};
pub(crate) use probe::{blame, unknown_field};
