//! stepcast beside the least that could do its work and beside its peers, in one process.
//!
//! The subjects of a group take turns, so that a slow minute of the machine hits all of them alike.

mod alloc;
mod cold;
mod durable;
mod events;
mod floors;
mod goals;
mod http;
mod measure;
mod peers;
mod plan;
mod report;
mod subjects;
mod work;

use measure::{Case, Kind, Rt, Suite};
use plan::{Plan, SHAPES, Shape};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if let Some(flag) = args.peek()
        && flag.starts_with("--child-")
    {
        return cold::child(&args.collect::<Vec<_>>());
    }
    let plan = match Plan::from_args(args) {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let mut cases = gather(plan.clone());
    run(&plan, &mut cases);
    report::tables(&cases);
    let goals = goals::judge(&cases);
    report::goals(&goals);
    ExitCode::SUCCESS
}

fn gather(plan: Plan) -> Vec<Case> {
    let mut suite = Suite { plan, rt: Rt::Ct, kind: Kind::Floor, cases: Vec::new() };
    for rt in Rt::ALL {
        if !suite.plan.wants_rt(rt.name()) {
            continue;
        }
        suite.rt = rt;
        suite.kind = Kind::Floor;
        floors::register(&mut suite);
        durable::register(&mut suite);
        http::register(&mut suite);
        suite.kind = Kind::Stepcast;
        subjects::register(&mut suite);
        durable::register(&mut suite);
        http::register(&mut suite);
        suite.kind = Kind::Peer;
        peers::register(&mut suite);
        durable::register(&mut suite);
    }
    suite.cases
}

/// Group by group, each with its share of the time that is left.
fn run(plan: &Plan, cases: &mut [Case]) {
    let end = Instant::now() + plan.budget;
    let mut groups: Vec<(&Shape, Rt, Vec<&mut Case>)> = Vec::new();
    for shape in SHAPES {
        groups.extend(Rt::ALL.map(|rt| (shape, rt, Vec::new())));
    }
    for case in cases {
        let home = groups.iter_mut().find(|(shape, rt, _)| shape.name == case.shape && *rt == case.rt);
        home.expect("a known shape").2.push(case);
    }
    groups.retain(|(.., members)| !members.is_empty());
    let mut weights: f64 = groups.iter().map(|(shape, ..)| shape.weight).sum();
    for (shape, _, mut members) in groups {
        let left = end.saturating_duration_since(Instant::now());
        let share = left.mul_f64(shape.weight / weights);
        weights -= shape.weight;
        rounds(plan, shape, share, &mut members);
        for case in members {
            case.finish();
            report::measurement(case);
        }
    }
}

fn rounds(plan: &Plan, shape: &Shape, share: Duration, members: &mut [&mut Case]) {
    let start = Instant::now();
    // Bytes do not vary from round to round, and warm up by themselves.
    let (least, most, warm) = match shape.name {
        "D" | "durable-memory" | "durable-rows" | "http-idle" => (1, 1, false),
        _ => (3.min(plan.rounds), plan.rounds * shape.rounds, true),
    };
    if warm {
        members.iter_mut().for_each(|case| case.sample(false));
    }
    for round in 0..most {
        // Stop when one more round like those before would not fit.
        let spent = start.elapsed();
        if round >= least && spent + spent / (round as u32 + 1) > share {
            break;
        }
        members.iter_mut().for_each(|case| case.sample(true));
    }
}
