//! Two processes on one file: a run belongs to one of them, and to the other as soon as the first is gone.

#![allow(clippy::expect_used)]
// What only the crash matrix uses.
#![allow(dead_code)]

mod crashes {
    pub mod flows;
    pub mod process;
}

use crashes::process::{Outcome, Plan, Work};

/// What a child process does; it does nothing unless it is started as one.
#[test]
fn child() {
    if let Some(plan) = Plan::from_env() {
        crashes::process::child(&plan);
    }
}

#[test]
fn a_run_is_taken_over_as_soon_as_its_holder_is_killed() {
    for flow in ["chain", "fan_out", "retry", "child", "calls"] {
        let undisturbed = Work::new(flow).to_the_end(|_| None);
        let mut handed = 0;
        for commits in [0, 1, 2] {
            // The first one stops while it holds the run: what it has written by then is durable, and it knows nothing.
            let Some((outcome, stream)) = Work::new(flow).handed_over(commits) else { continue };
            handed += 1;
            assert!(matches!(outcome, Outcome::Completed(_)), "{flow}: {outcome:?}");
            assert_eq!(outcome, undisturbed.outcome, "{flow}");
            assert_eq!(stream, undisturbed.stream, "{flow}");
        }
        assert!(handed > 0, "{flow}: no process was killed");
    }
}
