use std::io;
use std::sync::mpsc::{Sender, channel};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The lines of standard input, read by a thread of its own from the first question on: a read cannot be given up.
#[derive(Default)]
pub(super) struct Lines(Option<Reader>);

struct Reader {
    want: Sender<()>,
    lines: UnboundedReceiver<io::Result<String>>,
    /// A line was asked for that has not come yet.
    asked: bool,
}

impl Lines {
    /// The next line; `None` at the end of the input.
    ///
    /// It is not read before it is asked for: a console may decide when a read begins whether it shows what is typed.
    pub(super) async fn next(&mut self) -> Option<String> {
        let reader = self.0.get_or_insert_with(Reader::start);
        if !reader.asked {
            // Where nobody reads any more, there is no line either.
            reader.asked = reader.want.send(()).is_ok();
        }
        let line = reader.lines.recv().await;
        reader.asked = false;
        line.and_then(Result::ok)
    }
}

impl Reader {
    fn start() -> Reader {
        let (want, wanted) = channel();
        let (give, lines) = unbounded_channel();
        // Without a thread the input has ended.
        let _ = std::thread::Builder::new().name("stepcast-stdin".to_owned()).spawn(move || {
            let mut input = io::stdin().lines();
            while wanted.recv().is_ok() {
                let Some(line) = input.next() else { return };
                let ended = line.is_err();
                if give.send(line).is_err() || ended {
                    return;
                }
            }
        });
        Reader { want, lines, asked: false }
    }
}
