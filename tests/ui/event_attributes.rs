#![allow(unused_variables, dead_code)]

use stepcast::prelude::*;

#[event(start, stop)]
struct Both;

#[event(strat)]
struct Typo;

#[event(tag = "")]
struct Untagged;

#[event(secret)]
struct Secret;

#[event]
struct Field {
    #[event(tag = "x")]
    name: String,
}

#[event]
#[derive(Debug)]
struct Printed {
    #[event(secret)]
    password: String,
}

fn main() {}
