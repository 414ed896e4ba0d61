//! Two steps, one after the other.

use stepcast::prelude::*;

/// Whom to greet.
#[event(start)]
pub(crate) struct Guest {
    #[serde(default = "world")]
    name: String,
}

#[event]
pub(crate) struct Draft {
    text: String,
}

#[event(stop)]
pub(crate) struct Greeting {
    text: String,
}

fn world() -> String {
    "world".to_owned()
}

/// Greets somebody; `--arg name=Ada`.
#[step]
async fn write(guest: Guest) -> Draft {
    Draft { text: format!("Hello, {}", guest.name) }
}

#[step]
async fn polish(draft: Draft) -> Greeting {
    Greeting { text: format!("{}!", draft.text) }
}

flow!(
    /// Greets somebody in two steps.
    Greet: Guest => Greeting { write, polish }, name = "greet"
);
