//! Many executions at once, and their results collected.

use std::time::Duration;

use stepcast::prelude::*;

/// What to count.
#[event(start)]
pub(crate) struct Text {
    #[serde(default = "words")]
    words: Vec<String>,
}

#[event]
pub(crate) struct Word {
    text: String,
}

#[event]
pub(crate) struct Counted {
    letters: usize,
}

#[event(stop)]
pub(crate) struct Total {
    words: usize,
    letters: usize,
}

fn words() -> Vec<String> {
    ["every", "word", "is", "counted", "by", "an", "execution", "of", "its", "own"].map(str::to_owned).to_vec()
}

#[step]
async fn split(text: Text) -> Vec<Word> {
    text.words.into_iter().map(|text| Word { text }).collect()
}

/// At most three at a time.
#[step(workers = 3)]
async fn count(word: Word) -> Counted {
    tokio::time::sleep(Duration::from_millis(200)).await;
    Counted { letters: word.text.chars().count() }
}

#[step]
async fn add(all: Vec<Counted>) -> Total {
    Total { words: all.len(), letters: all.iter().map(|counted| counted.letters).sum() }
}

flow!(
    /// Counts letters, three words at a time, and collects the counts.
    FanOut: Text => Total { split, count, add }, name = "fan-out"
);
