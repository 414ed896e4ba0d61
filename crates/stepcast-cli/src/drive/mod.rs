//! Drives a run where people see it: shows its steps, asks its questions, and ends with it.

mod ask;
mod below;
mod lines;
mod question;
mod screen;
mod signals;

use std::collections::HashSet;
use std::time::Duration;

use stepcast::backend::RunStatus;
use stepcast::{AnyEvent, AnyRun, InputId, RunError, StreamItem, WorkflowIdleEvent};

pub(crate) use self::ask::ask_all;
use self::ask::{Asking, Took};
use self::below::Below;
use self::lines::Lines;
pub(crate) use self::question::Question;
use self::screen::Screen;
pub(crate) use self::signals::Interrupts;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, BOLD, CYAN, DIM, GREEN, YELLOW, paint};
use crate::text::short;

/// How often the run is looked at for questions.
const LOOK: Duration = Duration::from_millis(100);
/// How often a run has to be found waiting in a row before it is left.
const STILL: u32 = 2;

/// After how many looks without news a run is looked at less often.
const LONG: u32 = 100;

/// After how many looks without news it is said that the run waits.
const SILENT: u32 = 20;

/// How a drive ended.
enum End {
    Ended(Result<AnyEvent, RunError>),
    /// It waits for people, and none is here.
    Waiting(Vec<Question>),
    /// A second Ctrl-C.
    Killed,
}

/// What a drive may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Questions are asked on the terminal.
    pub(crate) ask: bool,
    /// The run is kept until it ends, however long it waits for an answer from elsewhere.
    pub(crate) wait: bool,
    /// The run is in a store: another process can answer and go on.
    pub(crate) stored: bool,
    /// Events up to this one were shown before.
    pub(crate) after: u64,
}

/// Drives a run to its end, or until it waits for somebody who is not here.
pub(crate) async fn drive(app: &App, run: AnyRun, manner: Manner) -> Result<Exit, CliError> {
    let mut screen = Screen::new(app.json, manner);
    screen.begin(&run)?;
    let mut interrupts = Interrupts::listen()?;
    let end = follow(&run, manner, &mut screen, &mut interrupts).await?;
    screen.clear();
    finish(app, &run, manner, &screen, end, interrupts.came())
}

async fn follow(
    run: &AnyRun,
    manner: Manner,
    screen: &mut Screen,
    interrupts: &mut Interrupts,
) -> Result<End, CliError> {
    let mut stream = run.events_internal();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut lines = Lines::default();
    let mut below = Below::new();
    let mut asking: Option<Asking> = None;
    // Questions that nobody here wants to answer, and how often the run was found waiting for them.
    let (mut put_off, mut still, mut quiet) = (HashSet::<InputId>::new(), 0, 0_u32);
    loop {
        tokio::select! {
            biased;
            () = interrupts.next() => {
                if interrupts.came() > 1 {
                    return Ok(End::Killed);
                }
                if asking.take().is_some() {
                    out::note("");
                }
                screen.say(&paint(YELLOW, "cancelling the run; Ctrl-C again ends at once"))?;
                run.cancel();
            }
            item = stream.next() => match item {
                None => break,
                Some(item) => {
                    // To be asked for its questions is no news of the run's.
                    if !is_idle(&item) {
                        (still, quiet) = (0, 0);
                    }
                    if !matches!(&item, StreamItem::Event(event) if is_end(&event.event)) || screen.is_json() {
                        screen.item(&item)?;
                    }
                }
            },
            news = below.next() => {
                (still, quiet) = (0, 0);
                screen.below(&news)?;
            }
            line = lines.next(), if asking.is_some() => {
                let Some(form) = &mut asking else { continue };
                match form.take(line) {
                    Took::More => {}
                    Took::PutOff => {
                        out::note("");
                        put_off.insert(form.question.id());
                        asking = None;
                    }
                    Took::Answer(value) => {
                        let id = form.question.id();
                        match run.respond_value(&id, value).await {
                            Ok(()) => asking = None,
                            Err(error) if run.is_done() => { out::note(paint(DIM, error)); asking = None }
                            Err(error) => asking = form.refused(&error),
                        }
                    }
                }
                screen.hide(asking.is_some());
            },
            _ = look.tick() => {
                below.look(run);
                screen.tick();
                quiet += 1;
                // A busy run, and one that has been waiting for long, is asked once a second.
                let rarely = screen.is_busy() || quiet > LONG;
                if interrupts.came() > 0 || run.is_done() || (rarely && quiet % 10 != 0) {
                    continue;
                }
                let pending = run.pending_inputs().await;
                if asking.as_ref().is_some_and(|form| !pending.iter().any(|input| input.id == form.question.id())) {
                    out::note(paint(DIM, "\nanswered elsewhere"));
                    asking = None;
                    screen.hide(false);
                }
                let next = pending.iter().find(|input| !put_off.contains(&input.id));
                match next {
                    Some(input) if manner.ask && asking.is_none() => {
                        screen.hide(true);
                        asking = Some(Asking::begin(Question::of_live(run, input)));
                    }
                    _ => {}
                }
                if quiet == SILENT && pending.is_empty() && !screen.is_busy() && run.children().is_empty() {
                    screen.say(&paint(DIM, "waiting for an event from outside, or for a time; Ctrl-C cancels the run"))?;
                }
                let nobody = asking.is_none() && !manner.wait && !pending.is_empty() && !screen.is_busy();
                still = if nobody { still + 1 } else { 0 };
                if still >= STILL {
                    return Ok(End::Waiting(pending.iter().map(|input| Question::of_live(run, input)).collect()));
                }
            }
        }
    }
    Ok(End::Ended(run.outcome().await))
}

fn is_idle(item: &StreamItem) -> bool {
    item.get::<WorkflowIdleEvent>().is_some()
}

/// Whether the event is the run's last, whose contents are shown otherwise.
fn is_end(event: &AnyEvent) -> bool {
    event.meta().is_some_and(|meta| meta.role == stepcast::Role::Stop)
}

fn finish(
    app: &App,
    run: &AnyRun,
    manner: Manner,
    screen: &Screen,
    end: End,
    interrupted: u32,
) -> Result<Exit, CliError> {
    let id = short(run.run_id().as_str()).to_owned();
    match end {
        End::Killed => {
            let kept = if manner.stored { "; it goes on from there with" } else { "" };
            let resume = if manner.stored { app.command(&format!("resume {id}")) } else { String::new() };
            out::note(format!("{} {kept} {resume}", paint(YELLOW, "left in the middle")).trim_end());
            Ok(Exit::Interrupted)
        }
        End::Waiting(questions) => {
            screen.waiting(run, &questions)?;
            if !app.json {
                for question in &questions {
                    tell(app, question, manner);
                }
            }
            Ok(Exit::Waiting)
        }
        End::Ended(Ok(stop)) => {
            let failures = run.failures();
            let status = if failures > 0 { RunStatus::CompletedWithFailures } else { RunStatus::Completed };
            screen.ended(run, status, Ok(&stop))?;
            if !app.json {
                let given_up = match failures {
                    0 => String::new(),
                    1 => paint(YELLOW, ", one execution failed and was given up"),
                    more => paint(YELLOW, format!(", {more} executions failed and were given up")),
                };
                out::note(format!("{} in {}{given_up}", paint(GREEN, "completed"), screen.passed()));
                out::json(&crate::wire::covered(stop.value(), stop.meta()))?;
            }
            Ok(Exit::Completed)
        }
        End::Ended(Err(error)) => {
            let status = match &error {
                RunError::TimedOut { .. } => RunStatus::TimedOut,
                RunError::Cancelled => RunStatus::Cancelled,
                _ => RunStatus::Failed,
            };
            screen.ended(run, status, Err(&error))?;
            if interrupted > 0 && matches!(error, RunError::Cancelled) {
                out::note(format!("{} after {}", paint(YELLOW, "cancelled"), screen.passed()));
                return Ok(Exit::Interrupted);
            }
            let exit = Exit::of_error(&error);
            let began = !matches!(error, RunError::DuplicateRunId { .. } | RunError::ShuttingDown);
            // The store could not be written: the run did not end, it only stopped here.
            let resumable = matches!(error, RunError::Storage { .. } | RunError::Dropped);
            let mut told = CliError::from(error).exit(exit);
            if manner.stored && resumable {
                told = told.help(format!("mend that, and go on with {}", app.command(&format!("resume {id}"))));
            } else if manner.stored && began {
                told = told.help(format!(
                    "{} shows where; {} starts it once more",
                    app.command(&format!("inspect {id}")),
                    app.command(&format!("rerun {id}"))
                ));
            } else if began {
                told = told.no_help();
            }
            Err(told)
        }
    }
}

/// Says that a person is waited for, and how to answer.
pub(crate) fn tell(app: &App, question: &Question, manner: Manner) {
    out::note(format!("{} for an answer: {}", paint(YELLOW, "waiting"), paint(BOLD, &question.text)));
    if manner.stored {
        let answer = app.command(&format!("answer {} {}", question.short_id(), question.example()));
        out::note(format!("  {}", paint(CYAN, answer.trim_end())));
    } else {
        out::note(paint(DIM, "  a run in memory is gone with this process; run it on a terminal, or with a store"));
    }
}
