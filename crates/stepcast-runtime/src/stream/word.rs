//! What a run's log keeps of events that are made when somebody reads them: most never are, and boxes of their own would be
//! most of what it takes to log them.

use std::fmt;
use std::sync::Arc;

use stepcast_core::AnyEvent;

/// Longer ones get a box after all.
const LONGEST: usize = 256;
/// So much text that is not needed any more is left where it is.
const IDLE: usize = 16 * 1024;

/// Makes events of what was said with [`Told::say`](crate::Told::say).
pub trait Teller: fmt::Debug + Send + Sync + 'static {
    /// The event that `text` about this stands for. The run is locked: do nothing that takes long, call no code of users,
    /// and do not call back into the run. [`AnyEvent::late`] puts off what is more.
    fn event(self: Arc<Self>, about: u32, text: Box<[u8]>) -> AnyEvent;
}

/// The words of a log, one behind the other.
#[derive(Debug)]
pub(super) struct Words {
    teller: Arc<dyn Teller>,
    text: Vec<u8>,
    /// How much text there was before it.
    cut: u64,
    /// How much of it, from its beginning, is not needed any more.
    idle: usize,
}

#[derive(Debug)]
pub(super) struct Word {
    about: u32,
    len: u32,
    /// Where it begins in all text that there was.
    from: u64,
}

impl Words {
    pub(super) fn new(teller: Arc<dyn Teller>) -> Self {
        Words { teller, text: Vec::new(), cut: 0, idle: 0 }
    }

    /// Adds one; what is long, or of another teller, becomes an event. `None` if `write` refuses.
    pub(super) fn add<T: Teller>(
        &mut self,
        teller: &Arc<T>,
        about: u32,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Option<Result<Word, AnyEvent>> {
        let from = self.text.len();
        if !write(&mut self.text) {
            self.text.truncate(from);
            return None;
        }
        let len = self.text.len().saturating_sub(from);
        if len <= LONGEST && std::ptr::addr_eq(Arc::as_ptr(&self.teller), Arc::as_ptr(teller)) {
            return Some(Ok(Word { about, len: len as u32, from: self.cut + from as u64 }));
        }
        let text = self.text.drain(self.text.len() - len..).collect();
        Some(Err(Arc::clone(teller).event(about, text)))
    }

    pub(super) fn event(&self, word: &Word) -> AnyEvent {
        let from = word.from.saturating_sub(self.cut) as usize;
        let text = self.text.get(from..from + word.len as usize).unwrap_or_default();
        Arc::clone(&self.teller).event(word.about, text.into())
    }

    /// The oldest one that was left is not needed any more.
    pub(super) fn forget(&mut self, word: &Word) {
        self.idle = (word.from.saturating_sub(self.cut) as usize + word.len as usize).min(self.text.len());
        if self.idle > IDLE && self.idle > self.text.len() / 2 {
            self.text.drain(..self.idle);
            self.cut += std::mem::take(&mut self.idle) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use stepcast_core::StopEvent;

    use super::super::StreamLog;
    use super::*;

    #[derive(Debug)]
    struct Upper(&'static str);

    impl Teller for Upper {
        fn event(self: Arc<Self>, about: u32, text: Box<[u8]>) -> AnyEvent {
            AnyEvent::new(StopEvent::new(format!("{}{about}:{}", self.0, String::from_utf8_lossy(&text))))
        }
    }

    fn say(log: &mut StreamLog, teller: &Arc<Upper>, about: u32, word: &str) -> bool {
        log.say(teller, about, None, |text| {
            text.extend_from_slice(word.as_bytes());
            word != "refused"
        })
    }

    fn read(log: &mut StreamLog, seq: u64) -> Option<String> {
        let event = log.get(seq)?;
        Some(event.get::<StopEvent>()?.result()?.as_str()?.to_owned())
    }

    #[test]
    fn words_are_read_as_they_were_said_whatever_was_dropped_between() {
        let (mut log, teller) = (StreamLog::new(100), Arc::new(Upper("")));
        let word = |n: u64| format!("{n}").repeat(1 + n as usize % 60);
        for n in 1..=5_000_u64 {
            assert!(say(&mut log, &teller, n as u32, &word(n)));
            let oldest = log.first();
            assert_eq!((log.last(), oldest), (n, n.saturating_sub(99).max(1)));
            for seq in [oldest, oldest + (n - oldest) / 3, n] {
                assert_eq!(read(&mut log, seq), Some(format!("{seq}:{}", word(seq))));
            }
            assert!(log.get(oldest - 1).is_none() && log.get(n + 1).is_none());
        }
    }

    #[test]
    fn a_word_that_is_refused_leaves_nothing() {
        let (mut log, teller) = (StreamLog::new(10), Arc::new(Upper("")));
        assert!(!say(&mut log, &teller, 1, "refused"));
        assert_eq!(log.last(), 0);
        assert!(say(&mut log, &teller, 2, "said"));
        assert_eq!(read(&mut log, 1), Some("2:said".to_owned()));
    }

    #[test]
    fn long_words_other_tellers_and_events_stand_between_others() {
        let (mut log, teller, other) = (StreamLog::new(10), Arc::new(Upper("")), Arc::new(Upper("other ")));
        let long = "x".repeat(LONGEST + 1);
        assert!(say(&mut log, &teller, 1, "a"));
        assert!(say(&mut log, &teller, 2, &long));
        assert!(say(&mut log, &other, 3, "b"));
        log.push(AnyEvent::new(StopEvent::new("c")), None);
        assert!(say(&mut log, &teller, 5, "d"));
        let all: Vec<_> = (1..=5).filter_map(|seq| read(&mut log, seq)).collect();
        assert_eq!(
            all,
            ["1:a".to_owned(), format!("2:{long}"), "other 3:b".to_owned(), "c".to_owned(), "5:d".to_owned()]
        );
    }
}
