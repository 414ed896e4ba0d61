//! What a run did, on its graph.

use std::collections::{BTreeMap, HashSet};

use stepcast::GraphOverlay;

use super::Story;

pub(crate) fn overlay(story: &Story) -> GraphOverlay {
    let mut overlay = GraphOverlay::default();
    for span in &story.spans {
        span.add_to(overlay.steps.entry(span.step.clone()).or_default());
    }
    // What has begun and has written nothing yet; of what has, the attempts above tell.
    let known: HashSet<u64> = story.spans.iter().filter(|span| span.is_open()).map(|span| span.execution).collect();
    for (_, alive) in story.alive.iter().filter(|(execution, _)| !known.contains(execution)) {
        overlay.steps.entry(alive.step.clone()).or_default().running += 1;
    }
    for given in story.entries.iter().flat_map(|entry| entry.given()) {
        *overlay.events.entry(given.event.clone()).or_default() += 1;
    }
    // What is on the stream may have been routed too, or written alone; rows that told of it may be gone.
    let mut streamed: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &story.events {
        *streamed.entry(&row.tag).or_default() += 1;
    }
    for (tag, count) in streamed {
        let known = overlay.events.entry(tag.to_owned()).or_default();
        *known = (*known).max(count);
    }
    overlay
}
