//! The goals, and whether they are met.
//!
//! Against a floor the ratio is stepcast's time over the floor's and must stay below the goal; against a peer it is
//! the peer's time over stepcast's, how many times as fast stepcast is, and must reach it.

use crate::measure::{Case, Kind, Rt, median};

pub struct Verdict {
    pub shape: &'static str,
    pub rt: &'static str,
    pub against: String,
    pub ratio: f64,
    pub best_ratio: f64,
    pub goal: String,
    pub met: bool,
}

#[derive(Clone, Copy)]
enum Other {
    /// A subject of the same group.
    Subject(&'static str),
    /// A figure that was recorded elsewhere, in the unit of the shape.
    Recorded(f64),
    /// A bound in the unit of the shape, which is named.
    Limit(f64, &'static str),
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};
use Other::{Limit, Recorded, Subject};

struct Goal {
    shape: &'static str,
    ours: &'static str,
    other: Other,
    bound: Bound,
}

const fn goal(shape: &'static str, ours: &'static str, other: Other, bound: Bound) -> Goal {
    Goal { shape, ours, other, bound }
}

const GOALS: &[Goal] = &[
    goal("A", "stepcast", Subject("inline_dyn"), AtMost(2.0)),
    goal("A", "stepcast", Subject("mpsc_hop"), AtMost(1.0)),
    goal("A", "stepcast", Subject("actix"), AtLeast(1.3)),
    goal("A", "stepcast", Subject("graph-flow"), AtLeast(2.5)),
    goal("A", "stepcast", Subject("ractor"), AtLeast(3.0)),
    goal("A", "stepcast", Subject("kameo"), AtLeast(4.0)),
    goal("A", "stepcast", Recorded(823_000.0), AtLeast(5_000.0)),
    goal("A-suspend", "stepcast", Subject("futures_unordered"), AtMost(1.2)),
    goal("B-4", "stepcast", Subject("poll_first"), AtMost(2.0)),
    goal("B-4", "stepcast", Subject("actix"), AtMost(1.3)),
    goal("B-4", "stepcast", Subject("ractor"), AtLeast(2.0)),
    goal("B-4", "stepcast", Subject("kameo"), AtLeast(2.5)),
    goal("B-all", "stepcast", Subject("poll_first"), AtMost(2.0)),
    goal("B-all", "stepcast", Subject("actix"), AtLeast(5.0)),
    goal("B-all", "stepcast", Subject("graph-flow"), AtLeast(8.0)),
    goal("B-all", "stepcast", Subject("ractor"), AtLeast(20.0)),
    goal("B-all", "stepcast", Subject("kameo"), AtLeast(20.0)),
    goal("B-flat", "stepcast@100k", Subject("stepcast@1k"), AtMost(1.5)),
    goal("C", "stepcast", Subject("spawn_oneshot"), AtMost(1.5)),
    goal("C", "stepcast", Subject("actix"), AtLeast(1.5)),
    goal("C", "stepcast", Subject("graph-flow"), AtLeast(1.5)),
    goal("C", "stepcast", Subject("ractor"), AtLeast(3.0)),
    goal("C", "stepcast", Subject("kameo"), AtLeast(5.0)),
    goal("D", "stepcast", Limit(700.0, "B"), AtMost(1.0)),
    goal("D", "stepcast", Subject("actix"), AtMost(1.0)),
    goal("D", "stepcast", Subject("ractor"), AtLeast(10.0)),
    goal("D", "stepcast", Subject("kameo"), AtLeast(10.0)),
    goal("E", "stepcast", Subject("mpsc_recv_many"), AtMost(1.3)),
    goal("E", "stepcast", Subject("ractor"), AtLeast(1.8)),
    goal("E", "stepcast", Subject("kameo"), AtLeast(2.5)),
    goal("E", "stepcast", Recorded(30_400.0), AtLeast(150.0)),
    goal("F-typed", "stepcast", Subject("mutex_edit"), AtMost(2.0)),
    // "Independent of the key count", at the least difference between medians that means anything.
    goal("F-dynamic", "stepcast@10k", Subject("stepcast@8"), AtMost(1.5)),
    goal("F-dynamic", "stepcast@8", Recorded(34_900.0), AtLeast(250.0)),
    goal("F-dynamic", "stepcast@10k", Recorded(190_000.0), AtLeast(250.0)),
    goal("G", "stepcast", Subject("empty"), AtMost(1.2)),
    goal("G", "stepcast", Recorded(541.0), AtLeast(100.0)),
    goal("graph", "step", Subject("compiled"), AtMost(3.0)),
    goal("graph", "step-of-parts", Subject("compiled"), AtMost(3.0)),
    goal("graph", "switch", Subject("compiled"), AtMost(3.0)),
    goal("graph", "condition", Subject("compiled"), AtMost(3.0)),
    goal("graph", "function", Subject("compiled"), AtMost(3.0)),
    goal("graph-check", "check", Limit(10.0, "ms"), AtMost(1.0)),
    // 0.8 times as many rows a second.
    goal("durable-64", "store", Subject("sqlite_group_64"), AtMost(1.25)),
    goal("durable-64", "stepcast", Subject("sqlite_group_64"), AtMost(1.25)),
    goal("durable-64", "stepcast", Subject("duroxide"), AtLeast(25.0)),
    goal("durable-rows", "stepcast", Limit(1.1, "rows"), AtMost(1.0)),
    goal("durable-1", "stepcast", Subject("sqlite_commit"), AtMost(1.3)),
    goal("durable-recover", "stepcast", Limit(10_000.0, "ms"), AtMost(1.0)),
    goal("durable-1", "store", Subject("sqlite_commit"), AtMost(1.3)),
    goal("durable-memory", "store", Limit(400.0, "B"), AtMost(1.0)),
    goal("durable-open", "store", Limit(2_000.0, "ms"), AtMost(1.0)),
    goal("http-run", "stepcast", Subject("axum_json"), AtMost(1.0 / 0.7)),
    goal("http-sse", "stepcast", Subject("axum_sse"), AtMost(2.0)),
    goal("http-idle", "stepcast", Limit(52_428.8, "B"), AtMost(1.0)),
    goal("http-answer", "stepcast", Limit(5.0, "ms"), AtMost(1.0)),
    goal("durable-recover", "store", Limit(10_000.0, "ms"), AtMost(1.0)),
];

/// A goal whose two sides were not both measured has no row: actix has no multi-threaded scheduler (its rows are `ct`
/// alone), D is measured on `ct` alone, and a filter leaves out what it leaves out.
pub fn judge(cases: &[Case]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for goal in GOALS {
        for rt in Rt::ALL {
            // Goals against peers in shape C hold on `ct`: on `mt` their own schedulers differ more than the crates.
            let peer_goal = matches!(goal.bound, AtLeast(_));
            if goal.shape == "C" && rt == Rt::Mt && peer_goal {
                continue;
            }
            let find = |subject: &str| {
                cases.iter().find(|case| case.shape == goal.shape && case.rt == rt && case.subject == subject)
            };
            let Some(ours) = find(goal.ours).filter(|case| case.kind == Kind::Stepcast) else {
                continue;
            };
            let (against, over, best_over) = match goal.other {
                Subject(subject) => {
                    let Some(theirs) = find(subject) else {
                        continue;
                    };
                    (subject.to_owned(), paired(ours, theirs), ours.best() / theirs.best())
                }
                Recorded(figure) => {
                    let subject = match goal.ours.split_once('@') {
                        Some((_, size)) => format!("llamaindex (recorded)@{size}"),
                        None => "llamaindex (recorded)".to_owned(),
                    };
                    (subject, ours.median() / figure, ours.best() / figure)
                }
                Limit(most, unit) => (format!("{most} {unit}"), ours.median() / most, ours.best() / most),
            };
            verdicts.push(verdict(goal, rt, against, over, best_over));
        }
    }
    verdicts
}

/// The median of the rounds' own ratios, for the machine drifts from round to round, not within one.
fn paired(ours: &Case, theirs: &Case) -> f64 {
    let ratios: Vec<f64> = ours.samples.iter().zip(&theirs.samples).map(|(our, their)| our / their).collect();
    median(&ratios)
}

fn verdict(goal: &Goal, rt: Rt, against: String, over: f64, best_over: f64) -> Verdict {
    let (ratio, best_ratio, text, met) = match goal.bound {
        AtMost(most) => (over, best_over, format!("<= {most}"), over <= most),
        AtLeast(least) => {
            let ratio = 1.0 / over;
            (ratio, 1.0 / best_over, format!(">= {least}"), ratio >= least)
        }
    };
    Verdict { shape: goal.shape, rt: rt.name(), against, ratio, best_ratio, goal: text, met }
}
