//! Whole documents, and what runs were started with.

use std::path::Path;

use serde_json::Value;
use stepcast::backend::{Backend, RunRecord};

use crate::app::App;
use crate::commands::Outcome;
use crate::deliver::deliver;
use crate::error::CliError;
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

/// The document that a run was started with; of a compiled workflow its structural description.
pub(super) async fn of_run(app: &App, record: &RunRecord, store: &dyn Backend) -> Result<Value, CliError> {
    if let Some(client) = app.server() {
        let found = client.run(&*record.run).definition().await?;
        return Ok(found.document.unwrap_or(found.description));
    }
    let kept = record.definition.as_deref().map(|hash| store.definition(hash)).transpose()?.flatten();
    let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
    match kept {
        Some(document) => Ok(json(&document)),
        None => Ok(json(&store.load(&record.run)?.description)),
    }
}
