//! One JSON line per measurement, a table per group, the goals, and the goals as JSON last.

use crate::goals::Verdict;
use crate::measure::{Case, Kind};
use serde_json::json;

pub fn measurement(case: &Case) {
    let line = json!({
        "shape": case.shape,
        "rt": case.rt.name(),
        "kind": case.kind.name(),
        "subject": case.subject,
        "unit": case.unit,
        "ops": case.ops,
        "samples": case.samples.len(),
        "median": round(case.median()),
        "best": round(case.best()),
    });
    println!("{line}");
}

/// The subjects of each group beside its first floor.
pub fn tables(cases: &[Case]) {
    let mut shown: Vec<(&str, &str)> = Vec::new();
    for case in cases {
        let group = (case.shape, case.rt.name());
        if !shown.contains(&group) {
            shown.push(group);
        }
    }
    shown.sort_by_key(|(shape, rt)| {
        let order = crate::plan::SHAPES.iter().position(|known| known.name == *shape);
        (order, *rt)
    });
    for (shape, rt) in shown {
        let members: Vec<&Case> = cases.iter().filter(|case| case.shape == shape && case.rt.name() == rt).collect();
        let base = members.iter().find(|case| case.kind == Kind::Floor);
        let base = base.unwrap_or(&members[0]);
        println!("\n{shape} {rt}, {} ({} is 1)", base.unit, base.subject);
        for case in &members {
            println!(
                "  {:<22} median {:>12} best {:>12}   {:>8.2}x {:>8.2}x",
                case.subject,
                figure(case.median()),
                figure(case.best()),
                case.median() / base.median(),
                case.best() / base.best(),
            );
        }
    }
}

pub fn goals(verdicts: &[Verdict]) {
    println!("\ngoals");
    for verdict in verdicts {
        println!(
            "  {:<12} {} {:<32} ratio {:>10.2} (bests {:>10.2})   goal {:<9} {}",
            verdict.shape,
            verdict.rt,
            verdict.against,
            verdict.ratio,
            verdict.best_ratio,
            verdict.goal,
            if verdict.met { "met" } else { "NOT MET" },
        );
    }
    let rows: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            json!({
                "shape": verdict.shape,
                "rt": verdict.rt,
                "against": verdict.against,
                "ratio": (verdict.ratio * 1000.0).round() / 1000.0,
                "goal": verdict.goal,
                "met": verdict.met,
            })
        })
        .collect();
    println!("{}", json!({ "goals": rows }));
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn figure(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
