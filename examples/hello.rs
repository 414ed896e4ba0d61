//! A workflow of two steps: it runs, its events stream to the terminal, its result prints.
use stepcast::prelude::*;

fn main() {}
