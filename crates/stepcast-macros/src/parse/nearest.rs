//! The nearest known word to a misspelt one.

/// The known word that needs the fewest edits, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1) + 1;
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance with neighbouring letters swapped counted as one edit.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (table[(i - 1) * width + j] + 1)
                    .min(table[i * width + j - 1] + 1)
                    .min(table[(i - 1) * width + j - 1] + change);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(table[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    table[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    const KNOWN: [&str; 5] = ["name", "workers", "emits", "timeout", "on_failure"];

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("tiemout", "timeout"), 1);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn near_words_are_suggested() {
        assert_eq!(nearest("worker", &KNOWN), Some("workers"));
        assert_eq!(nearest("tiemout", &KNOWN), Some("timeout"));
        assert_eq!(nearest("emit", &KNOWN), Some("emits"));
        assert_eq!(nearest("onfailure", &KNOWN), Some("on_failure"));
    }

    #[test]
    fn far_words_are_not() {
        assert_eq!(nearest("concurrency", &KNOWN), None);
        assert_eq!(nearest("x", &KNOWN), None);
    }
}
