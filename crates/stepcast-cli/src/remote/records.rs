//! What a server says, in the words of a store.

use serde_json::{Value, json};
use stepcast::backend::{Holder, InputCursor, InputRecord, InputStatus, NewInput, RunCursor, RunRecord, StreamRow};
use stepcast::engine::Time;
use stepcast_client::{InputInfo, RemoteEvent, RunInfo};

/// A run. The server drives it, or leaves it asleep: it is not for anybody else to take.
pub(super) fn run(info: RunInfo, cursor: u64) -> RunRecord {
    let error = info.error.map(|fault| {
        json!({
            "exception_type": fault.kind.unwrap_or_default(), "exception_message": fault.message,
            "causes": fault.causes, "step": fault.step, "attempts": fault.attempts,
        })
    });
    RunRecord {
        run: info.run_id.into(),
        workflow: info.workflow,
        parent: info.parent.map(Into::into),
        status: info.status,
        failures: info.failures,
        result: info.result.map(|stop| stop.value().to_string()),
        error: error.map(|error| error.to_string()),
        created: time(&info.created_at),
        changed: time(&info.updated_at),
        due: None,
        holder: Holder::Other,
        fence: 0,
        cursor: RunCursor(cursor),
    }
}

/// A question.
pub(super) fn input(info: InputInfo, cursor: u64) -> InputRecord {
    let at = info.resolved_at.as_deref().map(time).unwrap_or_default();
    let status = match info.status {
        stepcast_client::InputStatus::Answered => {
            let answer = info.response.unwrap_or_default().to_string();
            InputStatus::Answered { answer, by: info.by, at }
        }
        stepcast_client::InputStatus::Withdrawn => InputStatus::Withdrawn { at },
        stepcast_client::InputStatus::Expired => InputStatus::Expired { at },
        _ => InputStatus::Pending,
    };
    let asked = NewInput {
        input: info.input,
        step: info.step,
        reason: info.reason,
        expects: info.expects,
        prompt: info.prompt,
        data: Some(info.data).filter(|data| !data.is_null()).map(|data| data.to_string()),
        choices: info.choices.map(|choices| Value::from(choices).to_string()),
        schema: info.schema.map(|schema| schema.to_string()),
        expires: info.expires_at.as_deref().map(time),
    };
    let opened = time(&info.created_at);
    InputRecord { run: info.run_id.into(), workflow: info.workflow, asked, opened, status, cursor: InputCursor(cursor) }
}

/// A logged event of a stream; `None` for a passing frame.
pub(super) fn event(event: &RemoteEvent) -> Option<StreamRow> {
    let json = serde_json::to_string(&event.event).ok()?;
    let at = event.at.as_deref().map(time).unwrap_or_default();
    Some(StreamRow { seq: event.seq?, tag: event.event.tag().to_owned(), at, json })
}

/// A moment of the server's: `2026-11-21T01:49:48.608652+00:00`, always in UTC. What is written otherwise is the epoch.
fn time(text: &str) -> Time {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u64>().ok());
    let read = || {
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let micros = number(20..26)?;
        let seconds = days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Time(seconds * 1_000_000 + micros))
    };
    read().unwrap_or_default()
}

/// Days since 1970-01-01 of a civil date: Howard Hinnant, "chrono-compatible low-level date algorithms".
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day.checked_sub(1)?;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::{Time, time};

    #[test]
    fn moments_are_read_back() {
        assert_eq!(time("1970-01-01T00:00:00.000000+00:00"), Time(0));
        assert_eq!(time("2000-02-29T00:00:00.000000+00:00"), Time(951_782_400_000_000));
        assert_eq!(time("2026-11-21T01:54:18.293001+00:00"), Time(1_795_226_058_293_001));
        assert_eq!(time("yesterday"), Time(0));
        assert_eq!(time("0000-01-00T00:00:00.000000+00:00"), Time(0));
    }
}
