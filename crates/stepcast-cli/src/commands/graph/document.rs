//! Whole documents.

use std::path::Path;

use serde_json::Value;

use crate::app::App;
use crate::commands::Outcome;
use crate::deliver::deliver;
use crate::exit::Exit;
use crate::out;

/// Writes a document; with `--json` in one line.
pub(super) fn write(app: &App, document: &Value, file: Option<&Path>) -> Outcome {
    if app.json && file.is_none() {
        out::json(document)?;
        return Ok(Exit::Completed);
    }
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    deliver(&format!("{text}\n"), file)?;
    Ok(Exit::Completed)
}
