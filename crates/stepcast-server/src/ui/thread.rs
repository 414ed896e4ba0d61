//! Threads: a conversation's name, and the runs that are its turns.

use stepcast::RunId;

use crate::error::ApiError;
use crate::runs::{RunView, Runs};

/// The longest name of a thread.
const LONGEST: usize = 200;

/// A thread of one workflow. Its first run has the thread's name as its id, the `n`th has `<thread>:<n>`.
#[derive(Debug)]
pub(super) struct Thread {
    name: String,
    /// How many runs it has had.
    turns: u64,
    /// The last of them.
    pub(super) last: Option<RunView>,
}

impl Thread {
    /// Looks a thread up; one that nobody has used yet has no runs.
    pub(super) async fn find(runs: &Runs, workflow: &str, name: &str) -> Result<Thread, ApiError> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b'\\';
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(plain) {
            let detail =
                format!("A thread is named by 1 to {LONGEST} ASCII letters, digits and marks without slashes.");
            return Err(ApiError::bad_request("invalid_thread", detail));
        }
        let (turns, last) = match runs.newest_in_memory(name, |id| turn_of(name, id).is_some()) {
            Some(None) => (0, None),
            Some(Some(id)) => (turn_of(name, &id).unwrap_or(1), found(runs, &id).await?),
            None => newest_stored(runs, name).await?,
        };
        if let Some(run) = last.as_ref().filter(|run| run.workflow != workflow) {
            let detail =
                format!("The thread `{name}` belongs to the workflow `{}`, not to `{workflow}`.", run.workflow);
            return Err(ApiError::conflict("thread_of_another_workflow", detail).of_run(&run.id));
        }
        Ok(Thread { name: name.to_owned(), turns, last })
    }

    /// The id of its next run.
    pub(super) fn next(&self) -> RunId {
        run_of(&self.name, self.turns + 1)
    }

    /// The run that has not ended.
    pub(super) fn active(&self) -> Option<&RunView> {
        self.last.as_ref().filter(|run| !run.has_ended())
    }
}

fn run_of(thread: &str, turn: u64) -> RunId {
    match turn {
        1 => RunId::from(thread),
        turn => RunId::from(format!("{thread}:{turn}")),
    }
}

/// Which turn of the thread a run is.
fn turn_of(thread: &str, run: &RunId) -> Option<u64> {
    match run.as_str().strip_prefix(thread)? {
        "" => Some(1),
        rest => rest.strip_prefix(':')?.parse().ok().filter(|turn| *turn > 1),
    }
}

async fn found(runs: &Runs, id: &RunId) -> Result<Option<RunView>, ApiError> {
    match runs.find(id).await {
        Ok(run) => Ok(Some(run)),
        Err(error) if error.code() == "run_not_found" => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last turn that a backend has: turns have no gaps, so it is looked for in steps that double, and then between two.
async fn newest_stored(runs: &Runs, thread: &str) -> Result<(u64, Option<RunView>), ApiError> {
    let (mut low, mut last) = (0, None);
    let mut high = 1;
    while let Some(run) = found(runs, &run_of(thread, high)).await? {
        (low, last) = (high, Some(run));
        high *= 2;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match found(runs, &run_of(thread, middle)).await? {
            Some(run) => (low, last) = (middle, Some(run)),
            None => high = middle,
        }
    }
    Ok((low, last))
}

#[cfg(test)]
mod tests {
    use stepcast::RunId;

    use super::{run_of, turn_of};

    #[test]
    fn a_turn_is_in_the_run_id() {
        assert_eq!(run_of("chat", 1).as_str(), "chat");
        assert_eq!(run_of("chat", 12).as_str(), "chat:12");
        for turn in [1, 2, 12] {
            assert_eq!(turn_of("chat", &run_of("chat", turn)), Some(turn));
        }
        for other in ["chatter", "chat:", "chat:1", "chat:x", "chat:2:2", "cha"] {
            assert_eq!(turn_of("chat", &RunId::from(other)), None, "{other}");
        }
    }
}
