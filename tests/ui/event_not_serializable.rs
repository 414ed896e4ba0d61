#![allow(unused_variables, dead_code)]

use stepcast::prelude::*;

#[derive(Debug, Clone)]
struct Plain;

#[event]
struct Wrapped {
    plain: Plain,
}

fn main() {}
