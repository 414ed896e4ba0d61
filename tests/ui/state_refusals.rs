#![allow(unused_variables, dead_code)]

use stepcast::prelude::*;

#[derive(Clone, Default, State)]
struct Generic<T>(T);

fn main() {}
