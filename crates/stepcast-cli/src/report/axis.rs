//! From times to places. Long stretches in which nothing happened are made short: a run that waited a day for a person
//! would else be a row of dots.

use stepcast::engine::Time;

/// A stretch of the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) left: f64,
    pub(super) right: f64,
    /// Nothing happened here, and it is drawn shorter than it was.
    pub(super) skipped: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) stretches: Vec<Stretch>,
}

/// How much of the axis a skipped stretch has.
const SKIP: f64 = 0.05;

impl Axis {
    /// An axis of this width from the first of the times to the last. `busy` are the stretches in which something
    /// happened.
    pub(super) fn new((from, to): (Time, Time), mut busy: Vec<(Time, Time)>, width: f64) -> Axis {
        let to = to.max(Time(from.0 + 1));
        busy.retain_mut(|(start, end)| {
            (*start, *end) = ((*start).clamp(from, to), (*end).clamp(from, to));
            start <= end
        });
        busy.sort_unstable();
        let (mut reached, mut pauses) = (from, Vec::new());
        for (start, end) in busy.into_iter().chain([(to, to)]) {
            if start > reached {
                pauses.push((reached, start));
            }
            reached = reached.max(end);
        }
        let long = |times: &(Time, Time)| times.1.0 - times.0.0;
        let all = to.0 - from.0;
        pauses.sort_by_key(|pause| std::cmp::Reverse(long(pause)));
        let count = dominant(&pauses.iter().map(long).collect::<Vec<_>>(), all);
        pauses.truncate(count);
        let mut skipped = pauses;
        let left = all - skipped.iter().map(long).sum::<u64>();
        skipped.sort_unstable();
        let room = width * (1.0 - SKIP * skipped.len() as f64);
        let (mut stretches, mut at, mut x) = (Vec::new(), from, 0.0);
        let mut add = |from: Time, to: Time, wide: f64, skipped: bool| {
            if to > from {
                stretches.push(Stretch { from, to, left: x, right: x + wide, skipped });
                x += wide;
            }
        };
        for (start, end) in skipped.into_iter().map(Some).chain([None]).map(|pause| pause.unwrap_or((to, to))) {
            add(at, start, room * (start.0 - at.0) as f64 / left.max(1) as f64, false);
            add(start, end, width * SKIP, true);
            at = end;
        }
        Axis { stretches }
    }

    /// The place of a time.
    pub(super) fn x(&self, at: Time) -> f64 {
        let Some(stretch) = self.stretches.iter().find(|stretch| at <= stretch.to).or(self.stretches.last()) else {
            return 0.0;
        };
        let passed = at.0.clamp(stretch.from.0, stretch.to.0) - stretch.from.0;
        stretch.left + (stretch.right - stretch.left) * passed as f64 / (stretch.to.0 - stretch.from.0) as f64
    }

    /// Round times to mark, with what is written there.
    pub(super) fn marks(&self, most: usize) -> Vec<(f64, String)> {
        let shown: u64 =
            self.stretches.iter().filter(|stretch| !stretch.skipped).map(|one| one.to.0 - one.from.0).sum();
        let step = round(shown / most.max(1) as u64);
        let mut marks: Vec<(f64, String)> = Vec::new();
        for (number, stretch) in self.stretches.iter().enumerate().filter(|(_, stretch)| !stretch.skipped) {
            // After a pause it is counted anew: what matters is how long something took since then.
            let plus = if number > 0 { "+" } else { "" };
            let mut passed = if number > 0 { step } else { 0 };
            while stretch.from.0.saturating_add(passed) <= stretch.to.0 && marks.len() < 4 * most {
                let x = self.x(Time(stretch.from.0 + passed));
                if marks.last().is_none_or(|(last, _)| x - last > 40.0) {
                    marks.push((x, format!("{plus}{}", offset(passed))));
                }
                passed += step;
            }
        }
        marks
    }
}

/// How many of the pauses, the longest first, take the place of all else: together they are more than twice as long as
/// what is left without them, and each is longer than that.
fn dominant(pauses: &[u64], all: u64) -> usize {
    let mut skipped = 0_u64;
    for (at, pause) in pauses.iter().take(8).enumerate() {
        skipped += pause;
        let left = all - skipped;
        if skipped / 2 > left && *pause > left {
            return at + 1;
        }
    }
    0
}

/// The next of 1, 2, 5, 10, .. in microseconds, and in what clocks have above a second.
fn round(micros: u64) -> u64 {
    const STEPS: [u64; 16] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];
    let mut unit = 1;
    while unit < 1_000_000 {
        for step in [1, 2, 5] {
            if unit * step >= micros {
                return unit * step;
            }
        }
        unit *= 10;
    }
    let seconds = STEPS.into_iter().map(|step| step * 1_000_000).find(|step| *step >= micros);
    seconds.unwrap_or_else(|| micros.div_ceil(86_400_000_000) * 86_400_000_000)
}

/// How long after the beginning.
pub(super) fn offset(micros: u64) -> String {
    match micros {
        0 => "0".to_owned(),
        1..1_000 => format!("{micros} us"),
        1_000..1_000_000 if micros.is_multiple_of(1_000) => format!("{} ms", micros / 1_000),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        1_000_000..60_000_000 if micros.is_multiple_of(1_000_000) => format!("{} s", micros / 1_000_000),
        1_000_000..60_000_000 => format!("{:.2} s", micros as f64 / 1e6),
        60_000_000..3_600_000_000 => format!("{}m{:02}s", micros / 60_000_000, micros / 1_000_000 % 60),
        _ => format!("{}h{:02}m", micros / 3_600_000_000, micros / 60_000_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pause_is_short() {
        let day = 86_400_000_000;
        let busy = vec![(Time(0), Time(1_000)), (Time(day), Time(day + 1_000))];
        let axis = Axis::new((Time(0), Time(day + 1_000)), busy, 1_000.0);
        let skipped: Vec<bool> = axis.stretches.iter().map(|stretch| stretch.skipped).collect();
        assert_eq!(skipped, [false, true, false]);
        assert!((axis.x(Time(1_000)) - 475.0).abs() < 0.01, "{axis:?}");
        assert!((axis.x(Time(day + 1_000)) - 1_000.0).abs() < 0.01);
    }

    #[test]
    fn only_pauses_that_hide_the_rest_are_short() {
        assert_eq!(dominant(&[1_000, 14, 10], 1_033), 1);
        assert_eq!(dominant(&[1_000, 900, 3], 1_910), 2);
        assert_eq!(dominant(&[10; 20], 210), 0);
        assert_eq!(dominant(&[50, 40], 200), 0);
        assert_eq!(dominant(&[], 5), 0);
    }

    #[test]
    fn times_keep_their_order_wherever_they_are() {
        for busy in [vec![], vec![(Time(5), Time(1))], vec![(Time(0), Time(u64::MAX))], vec![(Time(40), Time(60))]] {
            let axis = Axis::new((Time(10), Time(100)), busy, 500.0);
            let places: Vec<f64> = [0, 10, 30, 55, 70, 100, 500].map(|at| axis.x(Time(at))).to_vec();
            assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{places:?}");
            assert!(places[0] >= 0.0 && places[6] <= 500.01, "{places:?}");
        }
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(
            [round(0), round(3), round(70), round(700_000), round(2_000_000), round(40_000_000)],
            [1, 5, 100, 1_000_000, 2_000_000, 60_000_000]
        );
        let axis = Axis::new((Time(0), Time(1_000_000)), vec![(Time(0), Time(1_000_000))], 900.0);
        let marks: Vec<String> = axis.marks(6).into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["0", "200 ms", "400 ms", "600 ms", "800 ms", "1 s"]);
    }

    #[test]
    fn an_empty_run_has_an_axis() {
        let axis = Axis::new((Time(7), Time(7)), Vec::new(), 100.0);
        assert!(axis.x(Time(7)).is_finite());
        assert!(axis.marks(5).len() < 10);
    }
}
