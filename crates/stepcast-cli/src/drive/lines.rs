use std::io;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The lines of standard input, read by a thread of its own from the first question on: a read cannot be given up.
#[derive(Default)]
pub(super) struct Lines(Option<UnboundedReceiver<io::Result<String>>>);

impl Lines {
    /// The next line; `None` at the end of the input.
    pub(super) async fn next(&mut self) -> Option<String> {
        let lines = self.0.get_or_insert_with(|| {
            let (give, lines) = unbounded_channel();
            // Without a thread the input has ended.
            let _ = std::thread::Builder::new().name("stepcast-stdin".to_owned()).spawn(move || {
                for line in io::stdin().lines() {
                    let ended = line.is_err();
                    if give.send(line).is_err() || ended {
                        return;
                    }
                }
            });
            lines
        });
        lines.recv().await.and_then(Result::ok)
    }
}
