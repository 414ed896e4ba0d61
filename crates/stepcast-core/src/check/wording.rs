use super::fault::{FaultKind, Finding, Place};
use super::table::same;
use super::text::Writer;

/// Two types that are written at one place.
const ONE_PLACE: &str = "; the instances of a generic type have one tag, so a workflow uses one of them: write a type of its own, \
                         with a tag of its own, for the other";

/// Writes texts and, in square brackets, names in backticks.
macro_rules! say {
    ($to:ident: $($part:tt)*) => { $(say!(@ $to $part);)* };
    (@ $to:ident [$name:expr]) => { $to.name($name) };
    (@ $to:ident $text:literal) => { $to.text($text) };
}

/// Puts a finding into one sentence: what is wrong, what was expected, what to do.
pub(super) const fn write(to: &mut Writer<'_>, found: &Finding<'_>, workflow: &str) {
    if let Place::Step(_) = found.place {
        say!(to: "step " [found.step] " of workflow " [workflow] " ");
        match found.kind {
            FaultKind::NotGiven
            | FaultKind::NotSent
            | FaultKind::NotTaken
            | FaultKind::NeverRuns
            | FaultKind::EndlessLoop
            | FaultKind::NoBatch
            | FaultKind::NeverMeet => write_route(to, found),
            FaultKind::CatchInput
            | FaultKind::CatchUnknown
            | FaultKind::CatchCatch
            | FaultKind::CatchSelf
            | FaultKind::CaughtTwice
            | FaultKind::CatchAllTwice
            | FaultKind::NoRecoveries
            | FaultKind::FailureTaken => write_catch(to, found),
            FaultKind::OtherStart | FaultKind::OtherStop | FaultKind::StopTaken => write_role(to, found),
            _ => write_signature(to, found),
        }
    } else {
        write_whole(to, found, workflow);
    }
}

const fn write_whole(to: &mut Writer<'_>, found: &Finding<'_>, workflow: &str) {
    match found.kind {
        FaultKind::NoSteps => {
            say!(to: "workflow " [workflow] " has no steps; add at least one step that takes its start event " [found.event]);
        }
        FaultKind::StartNotMarked => {
            say!(to: "workflow " [workflow] " begins with " [found.event] ", which is not a start event; mark it "
                "`#[event(start)]`, or name the workflow's start event before the `=>`");
        }
        FaultKind::StopNotMarked => {
            say!(to: "workflow " [workflow] " ends with " [found.event] ", which is not a stop event; mark it "
                "`#[event(stop)]`, or name the workflow's stop event after the `=>`");
        }
        FaultKind::StartNotTaken => {
            say!(to: "workflow " [workflow] " can never begin: no step takes its start event " [found.event]
                "; give one of its steps a parameter of this type");
        }
        FaultKind::StopNotGiven => {
            say!(to: "workflow " [workflow] " can never end: no step gives its stop event " [found.event]
                "; let one of its steps return it");
        }
        FaultKind::StopUnreachable => {
            say!(to: "workflow " [workflow] " can never end: its stop event " [found.event]
                " is given only by steps that never run, such as " [found.other]
                "; connect such a step to the start event, or let a step that runs return the stop event");
        }
        FaultKind::TagTwice => write_tag_twice(to, found, workflow),
        _ => {
            say!(to: "workflow " [workflow] " has two event tags with one hash, " [found.event] " and " [found.other]
                "; change one of them by `#[event(tag = \"..\")]`");
        }
    }
}

const fn write_tag_twice(to: &mut Writer<'_>, found: &Finding<'_>, workflow: &str) {
    say!(to: "workflow " [workflow] " has two event types under the tag " [found.event] ": its stop event, ");
    if same(found.other, found.extra) {
        say!(to: "and another type made at the same place, ");
        to.text(found.other);
        return to.text(ONE_PLACE);
    }
    to.text("written at ");
    to.text(found.other);
    to.text(", and the one written at ");
    to.text(found.extra);
    to.text("; give one of them another tag by `#[event(tag = \"..\")]`");
}

const fn write_route(to: &mut Writer<'_>, found: &Finding<'_>) {
    match found.kind {
        FaultKind::NotGiven => {
            if found.variant {
                say!(to: "takes the event " [found.event] " but no step gives it; let a step return ");
            } else {
                say!(to: "can never run: no step gives the event " [found.event] " it takes; let a step return ");
            }
            say!(to: [found.event] ", or mark it `#[event(external)]`");
            write_nearest(to, found);
        }
        FaultKind::NotSent => {
            say!(to: "waits for the event " [found.event] " but nobody can send it: no step gives it and it does not come "
                "from outside; let a step return it, or mark it `#[event(external)]` or `#[event(human_response)]`");
            write_nearest(to, found);
        }
        FaultKind::NotTaken => {
            say!(to: "gives the event " [found.event] " but no step takes it; add a step with a parameter of this type, or allow "
                "it with `#[step(allow(unconsumed))]`");
        }
        FaultKind::NeverRuns if found.variant => {
            say!(to: "can never run: none of the steps whose failures it takes can run; connect one of them to the start event");
        }
        FaultKind::NeverRuns if found.event.is_empty() => {
            say!(to: "can never run: nothing that it takes reaches it; connect it to the start event");
        }
        FaultKind::NeverRuns => {
            say!(to: "can never run: the event " [found.event] " it takes is given only by steps that never run, such as "
                [found.other] "; let a step that runs return " [found.event]);
        }
        FaultKind::EndlessLoop => {
            say!(to: "is in a loop without an exit: from it the run comes back to " [found.event]
                " and never to the stop event " [found.other] ", to a question to a person or to a step that may give nothing"
                "; let one step of the loop return `Option<_>` or one of several events, or allow it with "
                "`#[step(allow(endless))]`");
        }
        FaultKind::NoBatch => {
            say!(to: "collects the event " [found.event] ", which never occurs inside a batch; let ");
            if found.other.is_empty() {
                say!(to: "a step return `Vec<_>` on the way to it, or take one " [found.event] " at a time");
            } else {
                say!(to: [found.other] " or a step before it return `Vec<_>`, or take one " [found.event] " at a time");
            }
        }
        _ => {
            say!(to: "joins " [found.event] " and " [found.other] ", which never occur at one batch level; collect the one that is "
                "inside a batch with `Vec<_>` first, or give both from the same batch");
        }
    }
}

const fn write_nearest(to: &mut Writer<'_>, found: &Finding<'_>) {
    if !found.extra.is_empty() {
        say!(to: "; a step gives " [found.extra] ", which no step takes: is that the one meant?");
    }
}

const fn write_role(to: &mut Writer<'_>, found: &Finding<'_>) {
    match found.kind {
        FaultKind::OtherStart => {
            to.text(if found.variant { "takes " } else { "gives " });
            say!(to: [found.event] ", the start event of another workflow, but its own begins with " [found.other]
                "; use that one, or make " [found.event] " an ordinary `#[event]`");
        }
        FaultKind::OtherStop => {
            say!(to: "gives " [found.event] ", the stop event of another workflow, but its own ends with " [found.other]
                "; return that one, or make " [found.event] " an ordinary `#[event]`");
        }
        _ => {
            say!(to: "takes the stop event " [found.event] ", but a stop event ends the run and reaches no step"
                "; let the step that gives it return another event, and take that");
        }
    }
}

const fn write_catch(to: &mut Writer<'_>, found: &Finding<'_>) {
    match found.kind {
        FaultKind::CatchInput => {
            to.text("is a catch step, which takes one `StepFailedEvent` and no other event; make that its only event parameter");
        }
        FaultKind::CatchUnknown => {
            say!(to: "catches the failures of " [found.other] ", which is no step of this workflow; name one of its steps");
            if !found.extra.is_empty() {
                say!(to: ", perhaps " [found.extra]);
            }
        }
        FaultKind::CatchCatch => {
            say!(to: "catches the failures of " [found.other] ", which is a catch step itself, and failures of those are not caught"
                "; leave it out");
        }
        FaultKind::CatchSelf => to.text("catches its own failures, which are not caught; leave its name out"),
        FaultKind::CaughtTwice => {
            say!(to: "catches the failures of " [found.other] ", which the catch step " [found.extra]
                " already takes; name the step in one of them only");
        }
        FaultKind::CatchAllTwice => {
            say!(to: "catches the failures of every step, which the catch step " [found.other]
                " already takes; name the steps of one of them as `catch(step, ..)`");
        }
        FaultKind::NoRecoveries => {
            to.text("is a catch step with `max_recoveries = 0`, which would recover nothing; let it be at least 1");
        }
        _ => {
            say!(to: "takes " [found.event] " but is not a catch step; mark it `#[step(catch)]`");
        }
    }
}

const fn write_signature(to: &mut Writer<'_>, found: &Finding<'_>) {
    match found.kind {
        FaultKind::DuplicateStep => {
            to.text("has the name of an earlier step, but names are what runs are stored by; rename one of the two, or write \
                     `#[step(name = \"..\")]`");
        }
        FaultKind::TagTwice if same(found.other, found.extra) => {
            say!(to: "uses an event type under the tag " [found.event]
                ", which the workflow already uses for another type made at the same place, ");
            to.text(found.other);
            to.text(ONE_PLACE);
        }
        FaultKind::TagTwice => {
            say!(to: "uses the event type written at ");
            to.text(found.other);
            say!(to: " under the tag " [found.event] ", which the workflow already uses for the type written at ");
            to.text(found.extra);
            to.text("; give one of them another tag by `#[event(tag = \"..\")]`");
        }
        FaultKind::HashTwice => {
            say!(to: "uses the event tag " [found.event] ", which has the same hash as the tag " [found.other]
                "; change one of them by `#[event(tag = \"..\")]`");
        }
        FaultKind::UnionInJoin => {
            say!(to: "joins several events, but one of its parameters takes either " [found.event] " or " [found.other]
                "; each slot of a join is one event type: give the alternatives one type first, or use a step per alternative");
        }
        FaultKind::SlotTwice => {
            say!(to: "takes the event " [found.event] " in two parameters, but the slots of a join are of different types"
                "; collect a batch with `Vec<_>`, or give one of the two a type of its own");
        }
        FaultKind::CollectMixed => {
            say!(to: "collects " [found.event] " and also takes " [found.other]
                ", but a collecting parameter is a step's only event parameter; keep one of them, and bring the other in by a join \
                 after it or through state");
        }
        FaultKind::CollectTwice => {
            say!(to: "has two collecting parameters, the first for " [found.event]
                "; collect both events in one `Vec` of a `#[derive(Events)]` enum, or use two steps and a join");
        }
        FaultKind::TakeZero => {
            say!(to: "takes the first 0 of " [found.event] ", which would never be any; write `Take<_, N>` with N of at least 1");
        }
        _ if found.variant => {
            to.text("has an event parameter that no event fits; give it at least one event type");
        }
        _ => to.text("takes no event, so nothing would ever run it; give it a parameter of an event type"),
    }
}
