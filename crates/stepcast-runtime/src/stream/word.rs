//! What a run's log keeps of events that are made when somebody reads them: most never are, and boxes of their own would be
//! most of what it takes to log them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use stepcast_core::AnyEvent;

/// Longer ones get a box after all, so that a byte says how long one is.
const LONGEST: usize = u8::MAX as usize;
/// The most that stands before a word's text: what it is about, seven bits to a byte, and its length.
const HEAD: usize = 6;
/// Text is kept in pieces of this many bytes, each of which is used again as soon as all of its words are gone.
const PIECE: usize = 1 << PIECE_BITS;
const PIECE_BITS: u32 = 14;
/// A place is a number of 31 bits: the number of the piece, which begins again at 0, and where the word begins in it.
const PIECES: u32 = 1 << (31 - PIECE_BITS);
/// So many can be told apart, with the one that is being filled.
const MOST_FULL: usize = PIECES as usize - 1;

/// Makes events of what was said with [`Told::say`](crate::Told::say).
pub trait Teller: fmt::Debug + Send + Sync + 'static {
    /// The event that `text` about this stands for, made anew for each reader. The run is locked: do nothing that takes
    /// long, call no code of users, and do not call back into the run. [`AnyEvent::late`] puts off what is more.
    fn event(self: Arc<Self>, about: u32, text: Box<[u8]>) -> AnyEvent;
}

/// The words of a log, one behind the other.
#[derive(Debug)]
pub(super) struct Words {
    teller: Arc<dyn Teller>,
    /// Pieces that are full.
    full: VecDeque<Vec<u8>>,
    /// The piece after them.
    last: Vec<u8>,
    /// The number of the first piece.
    first: u32,
    /// One whose words are gone.
    spare: Vec<u8>,
}

/// Where a word is: a number of 31 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

impl Words {
    pub(super) fn new(teller: Arc<dyn Teller>) -> Self {
        Words { teller, full: VecDeque::new(), last: Vec::new(), first: 0, spare: Vec::new() }
    }

    /// Adds one; what is long, or of another teller, becomes an event. `None` if `write` refuses.
    pub(super) fn add<T: Teller>(
        &mut self,
        teller: &Arc<T>,
        about: u32,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Option<Result<Place, AnyEvent>> {
        if self.last.len() + HEAD + LONGEST > PIECE {
            self.begin_piece();
        }
        let piece = &mut self.last;
        let from = piece.len();
        put_head(piece, about);
        let text_from = piece.len();
        if !write(piece) || piece.len() < text_from {
            piece.truncate(from);
            return None;
        }
        let len = piece.len() - text_from;
        let is_mine = std::ptr::addr_eq(Arc::as_ptr(&self.teller), Arc::as_ptr(teller));
        if len <= LONGEST && is_mine && self.full.len() < MOST_FULL {
            piece[text_from - 1] = len as u8;
            let number = (self.first + self.full.len() as u32) % PIECES;
            return Some(Ok(Place(number << PIECE_BITS | from as u32)));
        }
        let text = piece[text_from..].into();
        piece.truncate(from);
        piece.shrink_to(PIECE);
        Some(Err(Arc::clone(teller).event(about, text)))
    }

    #[cold]
    fn begin_piece(&mut self) {
        if self.full.len() < MOST_FULL {
            let mut next = std::mem::take(&mut self.spare);
            next.reserve_exact(PIECE);
            self.full.push_back(std::mem::replace(&mut self.last, next));
        }
    }

    /// How many pieces there are before that of a word.
    fn before(&self, place: Place) -> usize {
        let number = place.0 >> PIECE_BITS;
        ((number + PIECES - self.first) % PIECES) as usize
    }

    pub(super) fn event(&self, place: Place) -> Option<AnyEvent> {
        let before = self.before(place);
        let piece = if before == self.full.len() { &self.last } else { self.full.get(before)? };
        let (about, rest) = head(piece.get(place.0 as usize % PIECE..)?)?;
        let (len, rest) = rest.split_first()?;
        let text = rest.get(..usize::from(*len))?;
        Some(Arc::clone(&self.teller).event(about, text.into()))
    }

    /// All before this one are not needed any more.
    pub(super) fn begin_with(&mut self, place: Place) {
        for _ in 0..self.before(place).min(self.full.len()) {
            if let Some(mut piece) = self.full.pop_front() {
                piece.clear();
                self.spare = piece;
            }
            self.first = (self.first + 1) % PIECES;
        }
    }
}

/// What a word is about, the lowest bits first, and a byte for its length.
fn put_head(out: &mut Vec<u8>, about: u32) {
    let mut about = about;
    while about >= 0x80 {
        out.push(about as u8 | 0x80);
        about >>= 7;
    }
    out.extend_from_slice(&[about as u8, 0]);
}

fn head(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut about = 0;
    for (at, byte) in bytes.iter().enumerate().take(HEAD - 1) {
        about |= u32::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((about, &bytes[at + 1..]));
        }
    }
    None
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

    #[test]
    fn places_begin_again_and_pieces_are_used_again() {
        let teller = Arc::new(Upper(""));
        let mut words = Words::new(Arc::clone(&teller) as _);
        words.first = PIECES - 2;
        let mut kept = VecDeque::new();
        for n in 0..2_000_u32 {
            // What it is about takes one to five bytes.
            let about = 1 << (n % 32);
            let text = format!("{n}").repeat(50);
            let Some(Ok(place)) = words.add(&teller, about, |out| {
                out.extend_from_slice(text.as_bytes());
                true
            }) else {
                panic!("no room for {n}")
            };
            kept.push_back((place, format!("{about}:{text}")));
            if kept.len() > 200 {
                kept.pop_front();
                words.begin_with(kept[0].0);
            }
            for (place, said) in [&kept[0], &kept[kept.len() / 2], &kept[kept.len() - 1]] {
                let event = words.event(*place).unwrap();
                assert_eq!(event.get::<StopEvent>().unwrap().result().unwrap(), said);
            }
            assert!(words.full.len() <= 4, "{} pieces and one of 40 KB", words.full.len());
        }
        assert!(words.first < PIECES - 2, "the numbers began again");
    }
}
