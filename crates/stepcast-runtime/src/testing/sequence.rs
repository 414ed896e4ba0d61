//! Assertions about the order of events, with a message that shows where they part.

use std::fmt::Write;

use stepcast_core::{AnyEvent, Event};

use crate::stream::{StreamEvent, StreamItem};

/// Asserts which events there were, in order. With the feature `testing`.
///
/// The first argument is a [`Recorded`](crate::testing::Recorded) run (then: every event that was delivered, from the
/// start event to the stop event), or a list of stream events. In the list, `E` stands for one event of that type,
/// `E * 3` for three, `"tag"` for one known by its tag, and `..` for any number of any events.
///
/// ```
/// use stepcast::prelude::*;
/// use stepcast::testing::{TestKit, assert_events};
///
/// #[event(start)]
/// struct Fire { shots: u32 }
/// #[event]
/// struct Hit { left: u32 }
/// #[event(stop)]
/// struct Sunk {}
///
/// #[step]
/// async fn fire(ev: Fire) -> Hit {
///     Hit { left: ev.shots }
/// }
/// #[step]
/// async fn hit(ev: Hit) -> Either<Hit, Sunk> {
///     if ev.left > 1 { Either::Left(Hit { left: ev.left - 1 }) } else { Either::Right(Sunk {}) }
/// }
/// flow!(Ship: Fire => Sunk { fire, hit });
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let recorded = TestKit::new().run(Ship, Fire { shots: 3 }).await;
/// assert_events!(recorded, [Fire, Hit * 3, Sunk]);
/// assert_events!(recorded, ["Fire", .., Sunk]);
/// assert_events!(recorded.stream(), [Sunk]);
/// # }
/// ```
#[macro_export]
macro_rules! assert_events {
    ($events:expr, [$($pattern:tt)*] $(,)?) => {{
        #[allow(unused_mut)]
        let mut pattern = $crate::testing::Pattern::default();
        $crate::__event_pattern!(pattern, $($pattern)*);
        $crate::testing::check_events(&$events, &pattern)
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __event_pattern {
    ($to:ident,) => {};
    ($to:ident, .. $(, $($rest:tt)*)?) => {
        $to.anything();
        $($crate::__event_pattern!($to, $($rest)*);)?
    };
    ($to:ident, $tag:literal * $times:expr $(, $($rest:tt)*)?) => {
        $to.tag($tag, $times);
        $($crate::__event_pattern!($to, $($rest)*);)?
    };
    ($to:ident, $tag:literal $(, $($rest:tt)*)?) => {
        $to.tag($tag, 1);
        $($crate::__event_pattern!($to, $($rest)*);)?
    };
    ($to:ident, $($event:ident)::+ * $times:expr $(, $($rest:tt)*)?) => {
        $to.event::<$($event)::+>($times);
        $($crate::__event_pattern!($to, $($rest)*);)?
    };
    ($to:ident, $($event:ident)::+ $(, $($rest:tt)*)?) => {
        $to.event::<$($event)::+>(1);
        $($crate::__event_pattern!($to, $($rest)*);)?
    };
}

/// One event of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceItem {
    /// The event's tag.
    pub tag: String,
    /// Where it comes from, for the message of a failed assertion.
    pub origin: String,
}

/// Something whose events [`assert_events!`](crate::assert_events) can look at.
pub trait EventSequence {
    /// The events, in order.
    fn sequence(&self) -> Vec<SequenceItem>;
}

impl<T: EventSequence + ?Sized> EventSequence for &T {
    fn sequence(&self) -> Vec<SequenceItem> {
        (**self).sequence()
    }
}

impl EventSequence for Vec<StreamEvent> {
    fn sequence(&self) -> Vec<SequenceItem> {
        self.iter()
            .map(|item| SequenceItem { tag: item.event.tag().to_owned(), origin: format!("seq {}", item.seq) })
            .collect()
    }
}

impl EventSequence for Vec<StreamItem> {
    fn sequence(&self) -> Vec<SequenceItem> {
        let item = |item: &StreamItem| match item {
            StreamItem::Event(event) => {
                SequenceItem { tag: event.event.tag().to_owned(), origin: format!("seq {}", event.seq) }
            }
            StreamItem::Lagged { from, to } => {
                SequenceItem { tag: "(lagged)".to_owned(), origin: format!("seq {from} to {to}") }
            }
            StreamItem::Unreadable { from, to, .. } => {
                SequenceItem { tag: "(unreadable)".to_owned(), origin: format!("seq {from} to {to}") }
            }
        };
        self.iter().map(item).collect()
    }
}

impl EventSequence for Vec<AnyEvent> {
    fn sequence(&self) -> Vec<SequenceItem> {
        self.iter().map(|event| SequenceItem { tag: event.tag().to_owned(), origin: String::new() }).collect()
    }
}

/// What a sequence has to look like.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, PartialEq)]
enum Part {
    One(String),
    Anything,
}

#[doc(hidden)]
impl Pattern {
    pub fn event<E: Event>(&mut self, times: usize) {
        self.tag(E::META.tag, times);
    }

    pub fn tag(&mut self, tag: &str, times: usize) {
        self.0.extend((0..times).map(|_| Part::One(tag.to_owned())));
    }

    pub fn anything(&mut self) {
        self.0.push(Part::Anything);
    }

    /// The places in the pattern that come next, given those already reached: past every `..`, which may be empty.
    fn close(&self, mut places: Vec<usize>) -> Vec<usize> {
        let mut at = 0;
        while at < places.len() {
            let next = places[at] + 1;
            if self.0.get(places[at]) == Some(&Part::Anything) && !places.contains(&next) {
                places.push(next);
            }
            at += 1;
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Where the events part from the pattern: how many fitted, and what would have fitted next.
    fn mismatch(&self, found: &[SequenceItem]) -> Option<(usize, Vec<String>)> {
        let mut places = self.close(vec![0]);
        for (at, item) in found.iter().enumerate() {
            let mut next = Vec::new();
            for place in &places {
                match self.0.get(*place) {
                    Some(Part::Anything) => next.push(*place),
                    Some(Part::One(tag)) if *tag == item.tag => next.push(place + 1),
                    _ => {}
                }
            }
            if next.is_empty() {
                return Some((at, self.wanted(&places)));
            }
            places = self.close(next);
        }
        (!places.contains(&self.0.len())).then(|| (found.len(), self.wanted(&places)))
    }

    fn wanted(&self, places: &[usize]) -> Vec<String> {
        let mut wanted = Vec::new();
        for place in places {
            let what = match self.0.get(*place) {
                Some(Part::One(tag)) => format!("`{tag}`"),
                Some(Part::Anything) => continue,
                None => "the end".to_owned(),
            };
            if !wanted.contains(&what) {
                wanted.push(what);
            }
        }
        wanted
    }

    fn text(&self) -> String {
        let mut parts: Vec<(&Part, usize)> = Vec::new();
        for part in &self.0 {
            match parts.last_mut() {
                Some((last, times)) if *last == part => *times += 1,
                _ => parts.push((part, 1)),
            }
        }
        let parts = parts.into_iter().map(|(part, times)| match (part, times) {
            (Part::Anything, _) => "..".to_owned(),
            (Part::One(tag), 1) => tag.clone(),
            (Part::One(tag), times) => format!("{tag} * {times}"),
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

#[doc(hidden)]
#[track_caller]
pub fn check_events(events: &dyn EventSequence, pattern: &Pattern) {
    let found = events.sequence();
    if let Some((at, wanted)) = pattern.mismatch(&found) {
        panic!("{}", difference(&found, pattern, at, &wanted));
    }
}

fn difference(found: &[SequenceItem], pattern: &Pattern, at: usize, wanted: &[String]) -> String {
    let wanted = wanted.join(" or ");
    let mut text = format!("the events are not those expected\n  expected: [{}]\n  found:", pattern.text());
    let width = found.iter().map(|item| item.tag.len()).max().unwrap_or(0);
    for (ix, SequenceItem { tag, origin }) in found.iter().enumerate() {
        let mark = if ix == at { "->" } else { "  " };
        let line = format!("{mark} {:>3}  {tag:width$}  {origin}", ix + 1);
        let _ = write!(text, "\n  {}", line.trim_end());
        if ix == at {
            let _ = write!(text, "   (expected {wanted})");
        }
    }
    if at == found.len() {
        let _ = write!(text, "\n  -> the end   (expected {wanted})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tags: &str) -> Vec<SequenceItem> {
        tags.split_whitespace().map(|tag| SequenceItem { tag: tag.to_owned(), origin: String::new() }).collect()
    }

    fn pattern(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        for part in text.split_whitespace() {
            match part {
                ".." => pattern.anything(),
                tag => pattern.tag(tag, 1),
            }
        }
        pattern
    }

    #[test]
    fn a_gap_takes_any_number_of_events() {
        for fits in ["", "A", "A B", "B A"] {
            assert_eq!(pattern("..").mismatch(&found(fits)), None, "{fits}");
        }
        assert_eq!(pattern("A .. C").mismatch(&found("A C")), None);
        assert_eq!(pattern("A .. C").mismatch(&found("A C B C")), None);
        assert_eq!(pattern("A .. C .. C").mismatch(&found("A C")), Some((2, vec!["`C`".to_owned()])));
        assert_eq!(pattern(".. A .. B").mismatch(&found("B A B")), None);
    }

    #[test]
    fn the_first_event_that_does_not_fit_is_named() {
        assert_eq!(pattern("A B").mismatch(&found("A C B")), Some((1, vec!["`B`".to_owned()])));
        assert_eq!(pattern("A").mismatch(&found("A B")), Some((1, vec!["the end".to_owned()])));
        assert_eq!(pattern("").mismatch(&found("A")), Some((0, vec!["the end".to_owned()])));
        assert_eq!(pattern("A B").mismatch(&found("A")), Some((1, vec!["`B`".to_owned()])));
    }

    #[test]
    fn the_message_shows_both_sides() {
        let (found, pattern) = (found("Start Hit Miss"), pattern("Start Hit Hit Hit .. Stop"));
        let (at, wanted) = pattern.mismatch(&found).unwrap_or_default();
        let text = difference(&found, &pattern, at, &wanted);
        assert!(text.contains("expected: [Start, Hit * 3, .., Stop]"), "{text}");
        assert!(text.contains("->   3  Miss   (expected `Hit`)"), "{text}");
    }
}
