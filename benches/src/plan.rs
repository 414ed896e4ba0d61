//! What is run, how large and for how long: the command line and the sizes of PERFORMANCE.md.

use std::time::Duration;

/// A group in which subjects are interleaved.
pub struct Shape {
    pub name: &'static str,
    /// Its share of the time.
    pub weight: f64,
    /// How many times the usual rounds: more where a sample is short and a branch predictor's mood is a third of it.
    pub rounds: usize,
}

const fn shape(name: &'static str, weight: f64, rounds: usize) -> Shape {
    Shape { name, weight, rounds }
}

pub const SHAPES: &[Shape] = &[
    shape("A", 4.0, 3),
    shape("A-suspend", 1.0, 3),
    shape("B-4", 3.0, 2),
    shape("B-4-suspend", 0.7, 2),
    shape("B-all", 4.0, 2),
    shape("B-flat", 2.0, 1),
    shape("C", 8.0, 1),
    shape("E", 1.5, 2),
    shape("F-typed", 0.4, 2),
    shape("F-dynamic", 0.8, 1),
    shape("D", 4.0, 1),
    shape("G", 1.0, 2),
    shape("graph", 1.0, 2),
    shape("graph-check", 0.1, 3),
    shape("durable-64", 3.0, 1),
    shape("durable-1", 1.0, 2),
    shape("durable-rows", 0.1, 1),
    shape("durable-memory", 0.2, 1),
    shape("durable-held", 1.0, 1),
    shape("durable-open", 0.2, 1),
    shape("durable-ask", 0.2, 1),
    shape("durable-recover", 0.8, 1),
    shape("http-run", 2.0, 1),
    shape("http-sse", 2.0, 1),
    shape("http-idle", 0.2, 1),
    shape("http-answer", 0.5, 1),
];

pub const HELP: &str = "\
Floors, peers and stepcast side by side, shapes A to G, graph, durable and http.

  --quick            smaller sizes and fewer rounds: ends in a minute
  --shape A,B-4      only these shapes (a letter, `durable` or `http` stands for all of its shapes)
  --subject a,floor  only these subjects or kinds (floor, peer, stepcast); =a for the subject alone
  --rt ct            only this tokio runtime: ct or mt
  --rounds N         at most N rounds per group (short samples: two or three times as many)
";

#[derive(Clone)]
pub struct Sizes {
    pub hops: u64,
    pub suspends: u64,
    pub items: u64,
    pub flat_small: u64,
    pub flat_large: u64,
    pub runs: u64,
    pub in_flight: usize,
    pub paused: u64,
    pub stream: u64,
    pub sets: u64,
    pub durable_rows: u64,
    pub durable_alone: u64,
    pub interrupted: u64,
    pub requests: u64,
    pub sse_events: u64,
    pub idle_clients: u64,
    pub answers: u64,
}

#[derive(Clone)]
pub struct Plan {
    pub sizes: Sizes,
    pub rounds: usize,
    pub budget: Duration,
    shapes: Vec<String>,
    subjects: Vec<String>,
    rt: Option<String>,
}

impl Plan {
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut quick, mut rounds, mut rt) = (false, None, None);
        let (mut shapes, mut subjects) = (Vec::new(), Vec::new());
        let mut args = args;
        let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--quick" => quick = true,
                "--shape" => shapes.extend(list(value()?)),
                "--subject" => subjects.extend(list(value()?)),
                "--rt" => rt = Some(value()?),
                "--rounds" => {
                    let text = value()?;
                    let count = text.parse().map_err(|_| format!("not a number: {text}"))?;
                    rounds = Some(std::cmp::max(1, count));
                }
                // `cargo bench` adds it.
                "--bench" => {}
                other => return Err(format!("unknown argument {other}\n\n{HELP}")),
            }
        }
        let known = |wanted: &&String| !SHAPES.iter().any(|shape| covers(wanted, shape.name));
        if let Some(unknown) = shapes.iter().find(known) {
            return Err(format!("no shape {unknown}\n\n{HELP}"));
        }
        Ok(Self {
            sizes: if quick { QUICK } else { FULL },
            rounds: rounds.unwrap_or(if quick { 5 } else { 25 }),
            budget: Duration::from_secs(if quick { 45 } else { 330 }),
            shapes,
            subjects,
            rt,
        })
    }

    pub fn wants_rt(&self, rt: &str) -> bool {
        self.rt.as_ref().is_none_or(|wanted| wanted == rt)
    }

    pub fn wants_shape(&self, shape: &str) -> bool {
        self.shapes.is_empty() || self.shapes.iter().any(|wanted| covers(wanted, shape))
    }

    pub fn wants_subject(&self, kind: &str, subject: &str) -> bool {
        let base = subject.split('@').next().unwrap_or(subject);
        let fits = |wanted: &String| match wanted.strip_prefix('=') {
            Some(exact) => exact == subject,
            None => [kind, subject, base].contains(&wanted.as_str()),
        };
        self.subjects.is_empty() || self.subjects.iter().any(fits)
    }
}

fn covers(wanted: &str, shape: &str) -> bool {
    shape == wanted || shape.split('-').next() == Some(wanted)
}

const FULL: Sizes = Sizes {
    hops: 100_000,
    suspends: 20_000,
    items: 10_000,
    flat_small: 1_000,
    flat_large: 100_000,
    runs: 100_000,
    in_flight: 1_000,
    paused: 100_000,
    stream: 100_000,
    sets: 100_000,
    durable_rows: 12_800,
    durable_alone: 200,
    interrupted: 10_000,
    requests: 20_000,
    sse_events: 20_000,
    idle_clients: 1_000,
    answers: 100,
};

// Still large enough that a sample of the fastest subject takes about a millisecond.
const QUICK: Sizes = Sizes {
    hops: 20_000,
    suspends: 5_000,
    items: 10_000,
    flat_small: 1_000,
    flat_large: 100_000,
    runs: 20_000,
    in_flight: 1_000,
    paused: 10_000,
    stream: 50_000,
    sets: 50_000,
    durable_rows: 6_400,
    durable_alone: 100,
    interrupted: 2_000,
    requests: 5_000,
    sse_events: 5_000,
    idle_clients: 1_000,
    answers: 20,
};
