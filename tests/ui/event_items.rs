#![allow(unused_variables, dead_code)]

use stepcast::prelude::*;

#[event]
fn function() {}

#[event]
struct Generic<T>(T);

#[event]
struct Borrowing<'a>(&'a str);

#[event]
enum Empty {}

fn main() {}
