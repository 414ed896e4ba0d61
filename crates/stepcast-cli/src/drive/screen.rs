//! What is shown of a run while it goes on: a line per running step on a terminal, else lines, or JSON.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use stepcast::backend::RunStatus;
use stepcast::{AnyEvent, AnyRun, EventKind, LogEvent, PhaseEvent, RunError, StepState, StepStateChanged, StreamItem};

use super::below::{News, Whose};
use super::{Manner, Question};
use crate::out::{self, BOLD, DIM, RED, paint};
use crate::text::{cut, date, length, now, short};
use crate::wire;

/// How many ends of one step are told in lines.
const TOLD: u64 = 10;

/// A step of the run, or of its children of one workflow.
type Name = (Whose, String);

/// Where a run is shown.
pub(super) struct Screen {
    began: Instant,
    /// By whose they are and their name.
    steps: BTreeMap<Name, Step>,
    /// The state of each execution that is under way.
    executions: HashMap<(Whose, u64), (Name, StepState, Instant)>,
    run: Value,
    manner: Manner,
    mode: Mode,
}

enum Mode {
    Live { all: MultiProgress, hidden: bool },
    Lines,
    Json,
}

/// What is known of a step.
#[derive(Default)]
struct Step {
    bar: Option<ProgressBar>,
    done: u64,
    failed: u64,
    message: String,
}

/// The executions of a step that are under way.
#[derive(Default)]
struct UnderWay {
    running: u64,
    waiting: u64,
    queued: u64,
    begun: Option<Instant>,
}

impl UnderWay {
    /// How many there are of each; nothing of a single one that runs.
    fn words(&self, done: u64) -> Vec<String> {
        let mut parts = Vec::new();
        if self.running > 1 || (self.running > 0 && done > 0) {
            parts.push(format!("{} running", self.running));
        }
        // One that was just handed over is as good as running.
        if self.queued > 1 || (self.queued > 0 && self.running > 0) {
            parts.push(format!("{} queued", self.queued));
        }
        match self.waiting {
            0 => {}
            1 => parts.push("waiting".to_owned()),
            more => parts.push(format!("{more} waiting")),
        }
        parts
    }
}

impl Screen {
    pub(super) fn new(json: bool, manner: Manner) -> Screen {
        let mode = match (json, io::stderr().is_terminal()) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Live {
                all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12)),
                hidden: false,
            },
            (false, false) => Mode::Lines,
        };
        let (steps, executions) = (BTreeMap::new(), HashMap::new());
        Screen { began: Instant::now(), steps, executions, run: Value::Null, manner, mode }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.mode, Mode::Json)
    }

    /// How long the run was watched.
    pub(super) fn passed(&self) -> String {
        length(self.began.elapsed())
    }

    /// Whether an execution is queued or running.
    pub(super) fn is_busy(&self) -> bool {
        self.executions.values().any(|(_, state, _)| *state != StepState::Waiting)
    }

    /// Names the run.
    pub(super) fn begin(&mut self, run: &AnyRun) -> io::Result<()> {
        let id = run.run_id().as_str();
        self.run = json!({ "run_id": id, "workflow": run.workflow() });
        match &self.mode {
            Mode::Json => out::json(&json!({ "run": self.run })),
            Mode::Live { .. } => {
                out::note(format!("{} {}", paint(BOLD, run.workflow()), paint(DIM, short(id))));
                Ok(())
            }
            Mode::Lines => {
                out::note(format!("run {id} of {}", run.workflow()));
                Ok(())
            }
        }
    }

    /// A line above what is live.
    pub(super) fn say(&self, text: &str) -> io::Result<()> {
        match &self.mode {
            Mode::Live { all, .. } => all.suspend(|| out::note(text)),
            _ => out::note(text),
        }
        Ok(())
    }

    /// Shows an item of the stream.
    pub(super) fn item(&mut self, item: &StreamItem) -> io::Result<()> {
        let (seq, kind, event) = match item {
            StreamItem::Event(item) => (item.seq, item.kind, &item.event),
            StreamItem::Lagged { to, .. } | StreamItem::Unreadable { to, .. } if *to <= self.manner.after => {
                return Ok(());
            }
            StreamItem::Unreadable { from, to, error } => {
                return match self.is_json() {
                    true => out::json(&json!({ "unreadable": { "from": from, "to": to, "error": error.to_string() } })),
                    false => self.say(&paint(RED, format!("! events {from} to {to} cannot be read: {error}"))),
                };
            }
            StreamItem::Lagged { from, to } => {
                return match self.is_json() {
                    true => out::json(&json!({ "lagged": { "from": from, "to": to } })),
                    false => self.say(&paint(DIM, format!("… events {from} to {to} are not kept any more"))),
                };
            }
        };
        if kind == EventKind::Logged && seq <= self.manner.after {
            return Ok(());
        }
        if let Some(changed) = event.get::<StepStateChanged>() {
            return self.changed(&Whose::default(), changed);
        }
        if self.is_json() {
            return if kind == EventKind::Internal { Ok(()) } else { self.event_json(seq, kind, event) };
        }
        if let Some(phase) = event.get::<PhaseEvent>() {
            self.message(&phase.step, &phase.name);
        }
        if let Some(log) = event.get::<LogEvent>() {
            self.message(&log.step, &log.message);
        }
        match kind {
            // It is put to whoever is here right away.
            EventKind::Logged if self.manner.ask && is_question(event) => Ok(()),
            EventKind::Logged => self.say(&self.event_line(event)),
            _ => Ok(()),
        }
    }

    fn event_json(&self, seq: u64, kind: EventKind, event: &AnyEvent) -> io::Result<()> {
        let mut value = json!(event);
        if let Some(fields) = value.as_object_mut() {
            let covered = wire::covered(event.value(), event.meta());
            fields.insert("value".to_owned(), covered);
            fields.insert("seq".to_owned(), json!(seq));
            fields.insert("kind".to_owned(), json!(kind));
            fields.insert("at".to_owned(), json!(date(now())));
        }
        out::json(&value)
    }

    fn event_line(&self, event: &AnyEvent) -> String {
        let value = wire::covered(event.value(), event.meta());
        let at = format!("{:>7}", length(self.began.elapsed()));
        let tag = event.tag();
        let room = out::error_width().saturating_sub(at.len() + tag.chars().count() + 5);
        format!("{}  {}  {}", paint(DIM, at), paint(BOLD, tag), cut(&wire::line(tag, value), room.max(20)))
    }

    fn message(&mut self, step: &str, text: &str) {
        if let Some(step) = self.steps.get_mut(&(Whose::default(), step.to_owned())) {
            step.message = text.to_owned();
        }
    }

    /// Shows word of a child.
    pub(super) fn below(&mut self, news: &News) -> io::Result<()> {
        match &news.changed {
            Some(changed) => self.changed(&news.whose, changed),
            None => {
                self.executions.retain(|(whose, _), _| *whose != news.whose);
                Ok(())
            }
        }
    }

    /// An execution changed its state.
    fn changed(&mut self, whose: &Whose, changed: &StepStateChanged) -> io::Result<()> {
        let name = (whose.together(), changed.name.clone());
        let execution = (whose.clone(), changed.execution);
        let known = self.executions.get(&execution);
        let (was, begun) = (known.map(|(_, was, _)| *was), known.map(|(_, _, begun)| *begun));
        let step = self.steps.entry(name.clone()).or_default();
        if changed.step_state == StepState::NotRunning {
            self.executions.remove(&execution);
            match &changed.error {
                Some(_) => step.failed += 1,
                None => step.done += 1,
            }
        } else {
            // The time in the queue is not the step's.
            let began = changed.step_state == StepState::Running && was != Some(StepState::Waiting);
            let begun = begun.filter(|_| !began).unwrap_or_else(Instant::now);
            self.executions.insert(execution, (name.clone(), changed.step_state, begun));
        }
        let (done, attempt, name) = (step.done, changed.attempt, label(&name));
        match (&changed.error, changed.step_state) {
            (Some(error), _) if !self.is_json() => {
                let attempt = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                let text = format!("{name} failed{attempt}: {}", error.exception_message);
                let at = format!("{:>7}", length(self.began.elapsed()));
                self.say(&format!("{}  {}", paint(DIM, at), paint(RED, cut(&text, 400))))?;
            }
            (None, StepState::NotRunning) if matches!(self.mode, Mode::Lines) && done <= TOLD => {
                let took = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
                let more = if done == TOLD { " (further ones are not told)" } else { "" };
                out::note(format!("{:>7}  {name} done in {}{more}", length(self.began.elapsed()), length(took)));
            }
            _ => {}
        }
        Ok(())
    }

    /// Draws the lines of the running steps anew.
    pub(super) fn tick(&mut self) {
        let Mode::Live { all, hidden: false } = &self.mode else { return };
        let mut under_way: BTreeMap<&Name, UnderWay> = BTreeMap::new();
        for (name, state, begun) in self.executions.values() {
            let step = under_way.entry(name).or_default();
            match state {
                StepState::Running => step.running += 1,
                StepState::Waiting => step.waiting += 1,
                _ => step.queued += 1,
            }
            step.begun = Some(step.begun.map_or(*begun, |known| known.min(*begun)));
        }
        let width = self.steps.keys().map(|name| label(name).chars().count()).max().unwrap_or(0);
        for (name, step) in &mut self.steps {
            let Some(now) = under_way.get(name) else {
                if let Some(bar) = step.bar.take() {
                    all.remove(&bar);
                }
                continue;
            };
            let bar = step.bar.get_or_insert_with(|| new_bar(all));
            let mut parts = now.words(step.done);
            if step.done > 0 {
                parts.push(format!("{} done", step.done));
            }
            if step.failed > 0 {
                parts.push(format!("{} failed", step.failed));
            }
            if !step.message.is_empty() {
                parts.push(cut(&step.message, 60));
            }
            let took = now.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
            parts.push(length(Duration::from_millis(took.as_millis() as u64 / 100 * 100)));
            bar.set_message(format!("{:width$}  {}", label(name), parts.join(", ")));
            bar.tick();
        }
    }

    /// Takes the lines away while somebody is asked.
    pub(super) fn hide(&mut self, hide: bool) {
        if let Mode::Live { all, hidden } = &mut self.mode {
            *hidden = hide;
            if hide {
                let _ = all.clear();
                self.steps.values_mut().filter_map(|step| step.bar.take()).for_each(|bar| all.remove(&bar));
            }
        }
    }

    /// Takes all lines away.
    pub(super) fn clear(&mut self) {
        self.hide(true);
    }

    /// The last line for scripts, of a run that waits.
    pub(super) fn waiting(&self, run: &AnyRun, questions: &[Question]) -> io::Result<()> {
        let inputs = questions.iter().map(|question| {
            json!({ "input_id": question.id().to_string(), "step": question.step, "prompt": question.text,
                "expects": question.expects.map(|meta| meta.tag), "choices": question.choices })
        });
        self.last(run, RunStatus::Waiting, json!({ "inputs": inputs.collect::<Vec<_>>() }))
    }

    /// The last line for scripts, of a run that has ended.
    pub(super) fn ended(&self, run: &AnyRun, status: RunStatus, end: Result<&AnyEvent, &RunError>) -> io::Result<()> {
        let more = match end {
            Ok(stop) => json!({ "result": wire::covered(stop.value(), stop.meta()) }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        self.last(run, status, more)
    }

    fn last(&self, run: &AnyRun, status: RunStatus, more: Value) -> io::Result<()> {
        if !self.is_json() {
            return Ok(());
        }
        let mut told = json!({ "run_id": run.run_id(), "workflow": run.workflow(), "status": status.name() });
        if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
            told.extend(more);
        }
        out::json(&json!({ "run": told }))
    }
}

/// A step's name; that of a child's is set off and says whose it is.
fn label((whose, name): &Name) -> String {
    match whose.depth {
        0 => name.clone(),
        depth => format!("{}{} › {name}", "  ".repeat(depth), whose.workflow),
    }
}

fn is_question(event: &AnyEvent) -> bool {
    event.meta().is_some_and(|meta| meta.role == stepcast::Role::InputRequired)
}

fn new_bar(all: &MultiProgress) -> ProgressBar {
    let bar = all.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("  {spinner:.cyan} {msg}") {
        bar.set_style(style);
    }
    bar
}
