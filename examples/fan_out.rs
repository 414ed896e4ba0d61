//! Fan-out and collect: a `Vec` opens a batch, `Vec<_>` as a parameter collects what its members led to.

use stepcast::prelude::*;

#[event(start)]
struct Text {
    lines: Vec<String>,
}

#[event]
struct Line {
    number: usize,
    text: String,
}

#[event]
struct Counted {
    number: usize,
    words: usize,
}

#[event(stop)]
struct Report {
    lines: Vec<(usize, usize)>,
    words: usize,
}

/// One event per line: together they are a batch, and each of them is a member.
#[step]
async fn split(text: Text) -> Vec<Line> {
    text.lines.into_iter().enumerate().map(|(number, text)| Line { number, text }).collect()
}

/// Two lines at a time. `None` for an empty one: the member ends there, and the batch goes on without it.
#[step(workers = 2)]
async fn count(line: Line) -> Option<Counted> {
    // The first lines take longest; the collector gets them in order all the same.
    tokio::time::sleep(std::time::Duration::from_millis(20 / (line.number as u64 + 1))).await;
    let words = line.text.split_whitespace().count();
    (words > 0).then_some(Counted { number: line.number, words })
}

/// Runs once, when no member has anything left to do, with all of them in the order in which `split` listed the lines.
#[step]
async fn add_up(all: Vec<Counted>) -> Report {
    let words = all.iter().map(|line| line.words).sum();
    Report { lines: all.iter().map(|line| (line.number, line.words)).collect(), words }
}

flow!(WordCount: Text => Report { split, count, add_up });

#[tokio::main]
async fn main() -> Result<()> {
    let text = "It was the best of times,\n\nit was the worst of times,\nit was the age of wisdom";
    let report = WordCount.run(Text { lines: text.lines().map(str::to_owned).collect() }).await?;
    for (number, words) in report.lines {
        println!("line {number}: {words} words");
    }
    println!("{} words in all", report.words);

    let nothing = WordCount.run(Text { lines: Vec::new() }).await?;
    println!("{} words in an empty text", nothing.words);
    Ok(())
}
