//! Child workflows: a step runs another workflow to its end, and its failure is a value.

use stepcast::prelude::*;
use stepcast::{ChildError, RunError};

#[event(start)]
struct Parse {
    text: String,
}

#[event(stop)]
struct Number {
    value: i64,
}

#[step]
async fn parse(input: Parse) -> Result<Number> {
    Ok(Number { value: input.text.trim().parse()? })
}

flow!(Parser: Parse => Number { parse });

#[event(start)]
struct Sum {
    texts: Vec<String>,
}

#[event]
struct Term {
    text: String,
}

#[event]
struct Parsed {
    value: i64,
}

#[event(stop)]
struct Total {
    value: i64,
    terms: usize,
}

#[step]
async fn split(sum: Sum) -> Vec<Term> {
    sum.texts.into_iter().map(|text| Term { text }).collect()
}

/// The child has a run of its own, is cancelled with this one, and is not run again if this step is repeated.
#[step]
async fn evaluate(term: Term, ctx: Context) -> Result<Option<Parsed>> {
    match ctx.run_child(Parser, Parse { text: term.text.clone() }).await {
        Ok(number) => Ok(Some(Parsed { value: number.value })),
        Err(ChildError::Failed { workflow, error, .. }) => {
            println!("`{}`: {workflow} failed: {}", term.text, error.exception_message);
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}

#[step]
async fn add(all: Vec<Parsed>) -> Total {
    Total { value: all.iter().map(|parsed| parsed.value).sum(), terms: all.len() }
}

flow!(Adder: Sum => Total { split, evaluate, add });

#[tokio::main]
async fn main() -> Result<(), RunError> {
    let texts = ["12", "30", "many"].map(str::to_owned).to_vec();
    let total = Adder.run(Sum { texts }).await?;
    println!("{} terms make {}", total.terms, total.value);
    Ok(())
}
